"""Each number of an algorithm's performance comes from the mark or outcome that it names, on both databases."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from shared.db.algorithm_performance import AlgorithmCounts, algorithm_performance
from shared.db.engine import Database
from shared.db.outcomes import NewOutcome, add_outcomes
from shared.db.recommendations import mark_added_to_cart, mark_clicked, mark_purchased, mark_shown
from tests.integration.feedback.small_shop import NOON, open_shop, recommend

DAY = timedelta(days=1)


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        open_shop(connection)
        yield connection


def of_the_day(connection: Connection) -> list[AlgorithmCounts]:
    return algorithm_performance(connection, NOON, NOON + DAY)


def view_through(connection: Connection, key: int) -> None:
    mark_shown(connection, {key: NOON})
    add_outcomes(connection, [NewOutcome(key, "view_through", NOON, 1, f"o-{n}", NOON, 5, "EUR") for n in (1, 2)])


@pytest.mark.parametrize(
    ("happen", "expected"),
    [
        (lambda c, key: None, {}),
        (lambda c, key: mark_shown(c, {key: NOON}), {"shown": 1}),
        (lambda c, key: mark_clicked(c, {key: NOON}), {"shown": 1, "clicked": 1}),
        (lambda c, key: mark_added_to_cart(c, [key]), {"added_to_cart": 1}),
        (lambda c, key: mark_purchased(c, [key]), {"purchased": 1}),
        (
            view_through,
            {"shown": 1, "purchased_after_view": 1, "revenue_by_rule": {"view_through": {"EUR": 10}}},
        ),
    ],
)
def test_one_cause_sets_one_number(
    connection: Connection, happen: Callable[[Connection, int], None], expected: dict[str, Any]
) -> None:
    happen(connection, recommend(connection, 1))
    recommend(connection, 2)
    assert of_the_day(connection) == [AlgorithmCounts("ease", generated=2, **expected)]


def test_each_rule_credits_the_same_purchases_anew(connection: Connection) -> None:
    first, last = recommend(connection, 1), recommend(connection, 1, algorithm="content")
    mark_purchased(connection, [last])
    rows = [
        (last, "purchase", 500, "last_touch"),
        (last, "purchase", 40, None),  # of an earlier release
        (first, "credit", 500, "first_touch"),
        (first, "credit", 250, "linear"),
        (last, "credit", 250, "linear"),
    ]
    add_outcomes(
        connection,
        [NewOutcome(key, kind, NOON, 1, "o", NOON, amount, "EUR", rule=rule) for key, kind, amount, rule in rows],
    )
    content, ease = of_the_day(connection)
    assert content.revenue_by_rule == {"last_touch": {"EUR": 540}, "linear": {"EUR": 250}}
    assert ease.revenue_by_rule == {"first_touch": {"EUR": 500}, "linear": {"EUR": 250}}
    assert (content.revenue, ease.revenue) == ({"EUR": 540}, {})


def test_revenue_adds_up_credited_purchases_per_currency(connection: Connection) -> None:
    key, other = recommend(connection, 1), recommend(connection, 1, algorithm="content")
    mark_purchased(connection, [key, other])
    rows = [("purchase", 500, "EUR"), ("purchase", 250, "EUR"), ("purchase", 30, "USD"), ("refunded", 0, "EUR")]
    add_outcomes(connection, [NewOutcome(key, kind, NOON, 1, "o", NOON, amount, code) for kind, amount, code in rows])
    add_outcomes(connection, [NewOutcome(other, "view_through", NOON, 1, "o", NOON, 999, "EUR")])
    content, ease = of_the_day(connection)
    assert ease.revenue == {"EUR": 750, "USD": 30}
    assert (content.algorithm, content.revenue) == ("content", {})


def test_a_recommendation_counts_in_the_period_it_was_made_in(connection: Connection) -> None:
    for moment in (NOON - DAY / 2, NOON, NOON + DAY):
        mark_clicked(connection, {recommend(connection, 1, at=moment): NOON})
    assert of_the_day(connection) == [AlgorithmCounts("ease", generated=1, shown=1, clicked=1)]


def test_a_period_without_recommendations_is_empty(connection: Connection) -> None:
    assert of_the_day(connection) == []
