"""The log of recommendations keeps its order, its marks and whose it is, on both databases."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, text

from shared.db.engine import Database
from shared.db.outcomes import NewOutcome, add_outcomes
from shared.db.recommendations import (
    assign_customers,
    log_recommendations,
    mark_added_to_cart,
    mark_clicked,
    mark_dismissed,
    mark_purchased,
    mark_shown,
    new_writer,
    read_recommendations,
    recent_touches,
    recommendation_key,
    recommendations_of,
    touches_of,
)
from shared.db.visitors import merge
from tests.integration.feedback.small_shop import ANN, BOB, NOON, marks, open_shop, recommend
from tests.support.dismissals import dismissed_products
from tests.support.recommendations import list_of_one
from tests.support.tokens import next_number

HOUR = timedelta(hours=1)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        open_shop(connection)
        yield connection


def test_rows_are_found_by_their_numbers(connection: Connection) -> None:
    ids = [next_number() for _ in range(1500)]
    lists = [list_of_one(key, ANN, 1 + n % 5, NOON, f"a{n}", 1 / (n + 1)) for n, key in enumerate(ids)]
    log_recommendations(connection, lists)
    read = read_recommendations(connection, ids)
    assert [read[key].algorithm for key in ids] == [f"a{n}" for n in range(1500)]


def test_no_rows_are_no_error(connection: Connection) -> None:
    log_recommendations(connection, [])


def test_every_process_gets_a_writer_number_of_its_own(connection: Connection) -> None:
    assert [new_writer(connection), new_writer(connection)] == [1, 2]


def test_a_recommendation_is_read_with_its_product(connection: Connection) -> None:
    key = recommend(connection, 3, ANN, "content")
    read = read_recommendations(connection, [key, key + 1])
    assert list(read) == [key]
    row = read[key]
    assert (row.customer_key, row.product_id, row.price, row.currency) == (ANN, "p3", 300, "EUR")
    assert (row.algorithm, row.generated_at, row.was_shown, row.shown_at) == ("content", NOON, False, None)


def test_each_mark_sets_what_it_implies_and_nothing_else(connection: Connection) -> None:
    shown, clicked, carted, bought, refused = (recommend(connection, n) for n in range(1, 6))
    mark_shown(connection, {shown: NOON})
    mark_clicked(connection, {clicked: NOON})
    mark_added_to_cart(connection, [carted])
    mark_purchased(connection, [bought])
    mark_dismissed(connection, [refused])
    assert marks(connection, shown) == {"shown"}
    assert marks(connection, clicked) == {"shown", "clicked"}
    assert marks(connection, carted) == {"added_to_cart"}
    assert marks(connection, bought) == {"purchased"}
    assert marks(connection, refused) == {"shown", "dismissed"}
    mark_purchased(connection, [bought], purchased=False)
    assert marks(connection, bought) == set()


def test_marking_nothing_changes_nothing(connection: Connection) -> None:
    key = recommend(connection, 1)
    mark_shown(connection, {})
    mark_dismissed(connection, [])
    assign_customers(connection, {})
    assert marks(connection, key) == set()


def test_the_latest_moment_is_kept_in_whatever_order_they_come(connection: Connection) -> None:
    key = recommend(connection, 1)
    for moment in (NOON, NOON + HOUR, NOON - HOUR):
        mark_shown(connection, {key: moment})
        mark_clicked(connection, {key: moment})
    row = read_recommendations(connection, [key])[key]
    assert (row.shown_at, row.clicked_at) == (NOON + HOUR, NOON + HOUR)


def test_a_recommendation_for_nobody_becomes_a_customers_once(connection: Connection) -> None:
    free, taken = recommend(connection, 1, None), recommend(connection, 1, ANN)
    assign_customers(connection, {free: BOB, taken: BOB})
    read = read_recommendations(connection, [free, taken])
    assert (read[free].customer_key, read[taken].customer_key) == (BOB, ANN)


def test_what_was_made_for_a_visitor_becomes_the_customers_with_or_without_a_response(connection: Connection) -> None:
    silent, clicked = recommend(connection, 1, BOB), recommend(connection, 2, BOB)
    mark_clicked(connection, {clicked: NOON})
    merge(connection, BOB, ANN)
    read = read_recommendations(connection, [silent, clicked])
    assert {row.customer_key for row in read.values()} == {ANN}
    assert [row["id"] for row in recommendations_of(connection, ANN)] == [silent, clicked]


def test_recent_touches_are_those_of_the_customers_in_the_window_oldest_first(connection: Connection) -> None:
    mine, old, bobs = recommend(connection, 1), recommend(connection, 2), recommend(connection, 1, BOB)
    add_outcomes(
        connection,
        [
            NewOutcome(mine, "click", NOON, 12),
            NewOutcome(mine, "shown", NOON - HOUR, 11),
            NewOutcome(mine, "shown", NOON - 30 * HOUR, 3),
            NewOutcome(mine, "add_to_cart", NOON, 13),
            NewOutcome(old, "click", NOON - 30 * HOUR, 5),
            NewOutcome(bobs, "click", NOON, 14),
        ],
    )
    mark_clicked(connection, {mine: NOON, bobs: NOON, old: NOON - 30 * HOUR})
    mark_shown(connection, {mine: NOON - HOUR})
    touches = recent_touches(connection, [ANN], NOON - HOUR, NOON)
    found = [(touch.recommendation_id, touch.product_id, touch.kind, touch.sequence) for touch in touches]
    assert found == [(mine, "p1", "shown", 11), (mine, "p1", "click", 12)]
    assert {touch.customer_key for touch in recent_touches(connection, [ANN, BOB], NOON, NOON)} == {ANN, BOB}
    assert [touch.kind for touch in recent_touches(connection, [ANN], NOON - HOUR, NOON - HOUR)] == ["shown"]
    assert recent_touches(connection, [], NOON, NOON) == []
    assert recent_touches(connection, [ANN], NOON + HOUR, NOON + 2 * HOUR) == []


def test_recent_touches_can_be_narrowed_to_products(connection: Connection) -> None:
    keys = [recommend(connection, n) for n in (1, 2)]
    add_outcomes(connection, [NewOutcome(key, "click", NOON, 1) for key in keys])
    mark_clicked(connection, dict.fromkeys(keys, NOON))
    assert [touch.product_id for touch in recent_touches(connection, [ANN], NOON, NOON, ["p2"])] == ["p2"]


def test_the_touches_of_a_recommendation_are_those_of_anybody(connection: Connection) -> None:
    nobodys, other = recommend(connection, 1, None), recommend(connection, 2)
    rows = [
        (nobodys, "click", NOON),
        (nobodys, "shown", NOON - HOUR),
        (nobodys, "dismiss", NOON),
        (other, "shown", NOON),
    ]
    add_outcomes(connection, [NewOutcome(key, kind, at, 1) for key, kind, at in rows])
    touches = touches_of(connection, [nobodys])
    assert [(touch.customer_key, touch.kind, touch.at) for touch in touches] == [
        (None, "shown", NOON - HOUR),
        (None, "click", NOON),
    ]


def test_dismissed_products_are_the_customers_own(connection: Connection) -> None:
    mine, kept, bobs = recommend(connection, 4), recommend(connection, 2), recommend(connection, 3, BOB)
    mark_dismissed(connection, [mine, bobs])
    mark_shown(connection, {kept: NOON})
    assert dismissed_products(connection, ANN) == {4}
    assert dismissed_products(connection, 99) == set()


def test_dismissed_products_are_found_by_their_index(sqlite_database: Database) -> None:
    query = "SELECT DISTINCT product_id FROM recommendations WHERE customer_id = 1 AND was_dismissed"
    with sqlite_database.read() as connection:
        plan = connection.execute(text(f"EXPLAIN QUERY PLAN {query}")).all()
    assert any("ix_recommendations_dismissed" in row.detail for row in plan)


@pytest.mark.parametrize(
    ("text_id", "key"), [("12", 12), ("", None), ("-1", None), ("abc", None), ("٣", None), ("9" * 19, None)]
)
def test_only_our_own_ids_have_a_key(text_id: str, key: int | None) -> None:
    assert recommendation_key(text_id) == key
