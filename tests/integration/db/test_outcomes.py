"""Outcomes are stored, read by purchase and changed by refunds, on both databases."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import Connection

from shared.db import event_log
from shared.db.engine import Database
from shared.db.event_log import NewEvent
from shared.db.outcomes import (
    NewOutcome,
    add_outcomes,
    change_credits,
    credited_ever,
    credits_of,
    purchase_exists,
    purchase_payloads,
    purchased_among,
)
from shared.db.schema import purchases, sessions
from tests.integration.feedback.small_shop import ANN, NOON, open_shop, outcome_rows, recommend


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        open_shop(connection)
        yield connection


def credited(recommendation: int, kind: str = "purchase", purchase_id: str = "o-1") -> NewOutcome:
    return NewOutcome(recommendation, kind, NOON, 7, purchase_id, NOON, 200, "EUR")


def test_credits_of_a_purchase_are_read_with_product_and_algorithm(connection: Connection) -> None:
    key = recommend(connection, 2, algorithm="content")
    add_outcomes(connection, [NewOutcome(key, "click", NOON, 5), credited(key), credited(key, purchase_id="o-2")])
    (credit,) = credits_of(connection, ["o-1", "o-9"])
    assert (credit.recommendation_id, credit.product_id, credit.algorithm) == (key, "p2", "content")
    assert (credit.kind, credit.purchase_id, credit.event_sequence) == ("purchase", "o-1", 7)
    assert (credit.touched_at, credit.amount, credit.currency) == (NOON, 200, "EUR")


@pytest.mark.parametrize(
    ("kind", "rule"), [("purchase", "last_touch"), ("view_through", "view_through"), ("refunded", "last_touch")]
)
def test_credits_of_earlier_releases_have_the_rule_of_their_kind(connection: Connection, kind: str, rule: str) -> None:
    add_outcomes(connection, [credited(recommend(connection, 1), kind)])
    (credit,) = credited_ever(connection, ["o-1"])
    assert (credit.rule, credit.share, credit.margin) == (rule, 1.0, None)


def test_credits_of_every_rule_are_read_with_share_and_margin(connection: Connection) -> None:
    part = replace(credited(recommend(connection, 1), "credit"), rule="linear", share=0.25, margin=-3)
    add_outcomes(connection, [part])
    (credit,) = credits_of(connection, ["o-1"])
    assert (credit.rule, credit.share, credit.margin) == ("linear", 0.25, -3)


def test_storing_nothing_is_no_error(connection: Connection) -> None:
    add_outcomes(connection, [])
    change_credits(connection, [])
    assert outcome_rows(connection) == []


def test_a_changed_credit_is_stored_and_a_refunded_one_is_gone(connection: Connection) -> None:
    add_outcomes(connection, [credited(recommend(connection, n)) for n in (1, 2)])
    partly, wholly = credits_of(connection, ["o-1"])
    change_credits(connection, [replace(partly, amount=50), replace(wholly, kind="refunded", amount=0)])
    assert credits_of(connection, ["o-1"]) == [replace(partly, amount=50)]
    assert [(kind, amount) for _, kind, amount in outcome_rows(connection)] == [("purchase", 50), ("refunded", 0)]


def test_only_credited_purchases_count_as_bought(connection: Connection) -> None:
    bought, viewed, untouched = (recommend(connection, n) for n in (1, 2, 3))
    add_outcomes(connection, [credited(bought), credited(viewed, "view_through"), credited(untouched, "refunded")])
    assert purchased_among(connection, [bought, viewed, untouched]) == {bought}


def test_payloads_are_read_by_number(connection: Connection) -> None:
    numbers = event_log.append(connection, [NewEvent("a", ANN, "purchase", NOON, b"one")])
    assert purchase_payloads(connection, [numbers["a"], 999]) == {numbers["a"]: b"one"}


def test_a_purchase_is_known_by_history_or_by_credit(connection: Connection) -> None:
    session = sessions.insert().values(session_id=1, customer_id=ANN, started_at=NOON, last_event_at=NOON)
    connection.execute(session)
    bought = {"external_id": "o-1", "customer_id": ANN, "session_id": 1, "timestamp": NOON}
    connection.execute(purchases.insert().values(**bought, total_amount=1, currency="EUR"))
    add_outcomes(connection, [credited(recommend(connection, 1), purchase_id="o-2")])
    assert [purchase_exists(connection, f"o-{n}") for n in (1, 2, 3)] == [True, True, False]
