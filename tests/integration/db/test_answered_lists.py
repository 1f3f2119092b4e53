"""Lists of a placement, newest first and page by page, and what came of them and of their items."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection

from shared.db.engine import Database
from shared.db.list_responses import Responses, responses_by_item, responses_by_list
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList, log_recommendations, mark_clicked, mark_purchased, mark_shown
from shared.db.recommended_lists import RANKED, AnsweredList, PlacementLists, of_placement
from shared.db.schema import recommendation_outcomes
from shared.experiments.decision import Exposure, ListDecision
from shared.recommendation_tokens import list_number, number_at
from tests.integration.feedback.small_shop import ANN, NOON, open_shop
from tests.support.tokens import next_number

HOUR = timedelta(hours=1)
TOP = PlacementLists("top", None, NOON - HOUR, NOON + HOUR)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        open_shop(connection)
        yield connection


def logged(connection: Connection, placement: str = "top", at: timedelta = timedelta(), **facts: object) -> int:
    """Log a list of two products and return its number."""
    number = list_number(next_number())
    items = PackedItems.of([ListItem(place, place, 1.0, "ease") for place in (1, 2)])
    new = NewList(number, "r", ANN, "HOME", NOON + at, items, "hybrid", "v1", placement)
    log_recommendations(connection, [new._replace(**facts)])  # type: ignore[arg-type]
    return number


def numbers(lists: list[AnsweredList]) -> list[int]:
    return [each.number for each in lists]


def test_the_lists_of_a_placement_come_newest_first_and_in_portions(connection: Connection) -> None:
    first, second = logged(connection), logged(connection)
    latest, earliest = logged(connection, at=HOUR / 2), logged(connection, at=-HOUR)
    logged(connection, "other")
    logged(connection, at=HOUR)
    logged(connection, at=-2 * HOUR)
    logged(connection, strategy=RANKED)
    assert numbers(of_placement(connection, TOP, 10)) == [latest, second, first, earliest]
    portion = of_placement(connection, TOP, 2)
    assert numbers(portion) == [latest, second]
    assert numbers(of_placement(connection, TOP, 2, portion[-1])) == [first, earliest]
    assert of_placement(connection, TOP, 2, of_placement(connection, TOP, 4)[-1]) == []


def test_lists_of_a_built_in_placement_name_none(connection: Connection) -> None:
    unnamed, named = logged(connection, ""), logged(connection, "home")
    logged(connection, "", page_type="CART")
    home = TOP._replace(placement_id="home", page_type="HOME")
    assert numbers(of_placement(connection, home, 10)) == [named, unnamed]
    assert numbers(of_placement(connection, home._replace(page_type=None), 10)) == [named]


def test_a_list_says_how_it_was_decided(connection: Connection) -> None:
    decision = ListDecision("bold", {"bold": 0.25, "as_now": 0.75}, (1.0, 0.5))
    logged(connection, decision=decision, exposures=(Exposure("e", "a", 7),))
    plain = logged(connection, at=HOUR / 2)
    without, decided = of_placement(connection, TOP, 10)
    assert (decided.decision, decided.assignments, decided.customer_key) == (decision, {"e": "a"}, ANN)
    assert (without.number, without.decision, without.assignments) == (plain, ListDecision(), {})


def test_responses_of_a_list_are_those_of_its_items(connection: Connection) -> None:
    number, other = logged(connection), logged(connection)
    one, two = number_at(number, 1), number_at(number, 2)
    mark_shown(connection, {one: NOON, two: NOON})
    mark_clicked(connection, {one: NOON, two: NOON})
    mark_purchased(connection, [two])
    for recommendation, kind, facts in (
        (one, "click", {"grade": 0.2}),
        (one, "click", {"grade": 0.5}),
        (two, "click", {}),
        (two, "purchase", {"amount": 300, "margin": 100, "currency": "EUR"}),
        (two, "purchase", {"amount": 999, "currency": "USD"}),
        (two, "credit", {"amount": 999, "currency": "EUR"}),
    ):
        row = {"recommendation_id": recommendation, "kind": kind, "occurred_at": NOON, "event_sequence": 1} | facts
        connection.execute(recommendation_outcomes.insert().values(**row))
    assert responses_by_item(connection, [number, other], "EUR") == {
        (number, 1): Responses(shown=1, clicked=1, clicks=0.5),
        (number, 2): Responses(1, 1, 0, 1, 300, 100, 1.0),
    }
    assert responses_by_list(connection, [number, other], "EUR") == {number: Responses(2, 2, 0, 1, 300, 100, 1.5)}
    assert responses_by_list(connection, [], "EUR") == {}
