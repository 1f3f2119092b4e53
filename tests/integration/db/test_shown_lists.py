"""Lists that shoppers saw: which there are, in which order, and what came of each item."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from shared.consent import Consent, Permissions
from shared.db import consents, shown_lists
from shared.db.engine import Database
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import (
    NewList,
    log_recommendations,
    mark_added_to_cart,
    mark_clicked,
    mark_dismissed,
    mark_purchased,
    mark_shown,
)
from shared.db.recommended_lists import RANKED
from shared.db.shown_lists import ShownList
from shared.recommendation_tokens import list_number, number_at
from tests.integration.feedback.small_shop import ANN, BOB, NOON, open_shop
from tests.support.tokens import next_number

HOUR = timedelta(hours=1)
SINCE = NOON - 30 * 24 * HOUR


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        open_shop(connection)
        yield connection


def logged(
    connection: Connection,
    products: Sequence[int],
    customer: int | None = ANN,
    at: datetime = NOON,
    strategy: str = "hybrid",
    propensities: Sequence[float] = (),
) -> list[int]:
    """Log a list of products and return the numbers of its items."""
    number = list_number(next_number())
    chances = propensities or [1.0] * len(products)
    items = [
        ListItem(place, product, 1 / place, "ease", propensity=chance)
        for place, (product, chance) in enumerate(zip(products, chances, strict=True), start=1)
    ]
    new = NewList(number, "r", customer, "PRODUCT", at, PackedItems.of(items), strategy, "v1", "beside")
    log_recommendations(connection, [new])
    return [number_at(number, item.position) for item in items]


def read(connection: Connection, most: int = 100, since: datetime = SINCE, **how: object) -> list[ShownList]:
    return [each for some in shown_lists.shown_lists(connection, since, most, **how) for each in some]  # type: ignore[arg-type]


def test_a_list_has_its_items_with_all_that_came_of_them(connection: Connection) -> None:
    first, second, third, fourth, _ = logged(connection, [1, 2, 3, 4, 5])
    mark_shown(connection, dict.fromkeys((first, second, third, fourth), NOON))
    mark_clicked(connection, {second: NOON})
    mark_added_to_cart(connection, [second])
    mark_purchased(connection, [second])
    mark_dismissed(connection, [third])
    (found,) = read(connection)
    assert (found.customer_key, found.page_type, found.placement_id, found.generated_at) == (
        ANN,
        "PRODUCT",
        "beside",
        NOON,
    )
    assert (found.strategy, found.model_version) == ("hybrid", "v1")
    assert [(item.product_key, item.position, item.propensity) for item in found.items] == [
        (1, 1, 1.0), (2, 2, 1.0), (3, 3, 1.0), (4, 4, 1.0), (5, 5, 1.0),
    ]  # fmt: skip
    assert [tuple(item[3:8]) for item in found.items] == [
        (True, False, False, False, False),
        (True, True, True, True, False),
        (True, False, False, False, True),
        (True, False, False, False, False),
        (False, False, False, False, False),
    ]


def test_lists_that_nobody_saw_are_left_out(connection: Connection) -> None:
    logged(connection, [1, 2])
    seen = logged(connection, [3, 4])
    mark_shown(connection, {seen[0]: NOON})
    assert [[item.product_key for item in each.items] for each in read(connection)] == [[3, 4]]


def test_lists_of_nobody_and_those_the_platform_brought_are_left_out(connection: Connection) -> None:
    for keys in (logged(connection, [1], None), logged(connection, [2], strategy=RANKED)):
        mark_shown(connection, {keys[0]: NOON})
    assert read(connection) == []


def test_the_latest_come_first_and_no_more_than_asked_for(connection: Connection) -> None:
    moments = [NOON - 2 * HOUR, NOON, NOON, NOON - HOUR, NOON - 40 * 24 * HOUR]
    for moment in moments:
        mark_shown(connection, {logged(connection, [1], at=moment)[0]: moment})
    latest = [NOON, NOON, NOON - HOUR, NOON - 2 * HOUR]
    assert [each.generated_at for each in read(connection)] == latest
    assert [each.generated_at for each in read(connection, 3)] == latest[:3]
    assert read(connection, 0) == []
    pieces = list(shown_lists.shown_lists(connection, SINCE, 100, batch=1))
    assert [len(some) for some in pieces] == [1, 1, 1, 1]
    assert [each.list_id for some in pieces for each in some] == [each.list_id for each in read(connection)]


def test_only_shoppers_who_permit_training_are_learned_from(connection: Connection) -> None:
    for customer in (ANN, BOB):
        mark_shown(connection, {logged(connection, [1], customer)[0]: NOON})
    consents.store(connection, BOB, Consent(train=False), NOON)
    assert [each.customer_key for each in read(connection)] == [ANN]
    consents.store(connection, BOB, Consent(train=True), NOON + HOUR)
    by_default = Permissions(personalise=True, measure=True, train=False)
    assert [each.customer_key for each in read(connection, default=by_default)] == [BOB]


def test_a_propensity_that_was_logged_is_read(connection: Connection) -> None:
    first, *_ = logged(connection, [1, 2], propensities=(1.0, 0.25))
    mark_shown(connection, {first: NOON})
    assert [item.propensity for each in read(connection) for item in each.items] == [1.0, 0.25]
