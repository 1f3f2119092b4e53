"""Responses that come before their recommendations are written are kept, joined once, and bounded in time."""

from datetime import timedelta

import pytest
from quintet.type.v1.event_pb2 import AddToCart, ProductQuantity
from sqlalchemy import func, select

from services.feedback import late_recommendations
from services.feedback.attribution import Windows
from services.feedback.late_recommendations import apply_late
from shared.db.engine import Database
from shared.db.recommendations import log_recommendations
from shared.db.schema import waiting_responses
from shared.telemetry import EVENTS
from tests.integration.feedback.small_shop import ANN, NOON, Log, open_shop, outcome_rows
from tests.support.recommendations import list_of_one
from tests.support.tokens import next_number

FIRST, SECOND = next_number(), next_number()
WINDOWS = Windows(timedelta(days=7), timedelta(days=1))


@pytest.fixture
def log(database: Database) -> Log:
    with database.write() as connection:
        open_shop(connection)
    return Log(database)


def write(database: Database, number: int) -> None:
    with database.write() as connection:
        log_recommendations(connection, [list_of_one(number, ANN, 1, NOON)])


def rows(database: Database) -> tuple[list[tuple[int, str, int | None]], int]:
    """Return the outcomes and how many responses wait."""
    with database.read() as connection:
        waiting = connection.execute(select(func.count()).select_from(waiting_responses)).scalar_one()
        return outcome_rows(connection), waiting


def test_a_response_is_joined_once_when_its_recommendation_comes(log: Log, database: Database) -> None:
    log.respond(NOON, FIRST, "CLICK")
    log.see(NOON, FIRST, SECOND)
    log.apply()
    assert not apply_late(database, WINDOWS)
    assert rows(database) == ([], 3)
    write(database, FIRST)
    apply_late(database, WINDOWS)
    assert rows(database) == ([(FIRST, "click", None), (FIRST, "shown", None)], 1)
    apply_late(database, WINDOWS)
    write(database, SECOND)
    apply_late(database, WINDOWS)
    assert rows(database) == ([(FIRST, "click", None), (FIRST, "shown", None), (SECOND, "shown", None)], 0)


def test_a_cart_that_names_its_recommendation_counts_when_that_comes(log: Log, database: Database) -> None:
    log.add(NOON, recommendation=FIRST, add_to_cart=AddToCart(items=[ProductQuantity(product_id="p1")]))
    log.add(NOON, recommendation=SECOND, add_to_cart=AddToCart(items=[ProductQuantity(product_id="p2")]))
    log.apply()
    for number in (FIRST, SECOND):
        write(database, number)
    apply_late(database, WINDOWS)
    found, waiting = rows(database)
    # Both recommend p1, so what was put into the cart after the click on the second is another product.
    assert sorted(found) == [(FIRST, "add_to_cart", None), (FIRST, "click", None), (SECOND, "click", None)]
    assert waiting == 0


def test_a_cart_that_was_credited_to_an_earlier_click_is_not_credited_again(log: Log, database: Database) -> None:
    write(database, FIRST)
    log.click(NOON, FIRST)
    log.add(
        NOON + timedelta(minutes=1),
        recommendation=SECOND,
        add_to_cart=AddToCart(items=[ProductQuantity(product_id="p1")]),
    )
    log.apply()
    write(database, SECOND)
    apply_late(database, WINDOWS)
    found, _ = rows(database)
    assert sorted(found) == [(FIRST, "add_to_cart", None), (FIRST, "click", None), (SECOND, "click", None)]


def test_a_response_to_a_lost_recommendation_does_not_wait_for_ever(
    log: Log, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    log.respond(NOON, FIRST, "CLICK")
    log.apply()
    before = EVENTS.labels("response", "recommendation_lost")._value.get()
    monkeypatch.setattr(late_recommendations, "LONGEST_WAIT", timedelta(seconds=-1))
    apply_late(database, WINDOWS)
    assert rows(database) == ([], 0)
    assert EVENTS.labels("response", "recommendation_lost")._value.get() == before + 1


def test_a_purchase_that_was_applied_before_its_click_is_credited_to_it_once(log: Log, database: Database) -> None:
    log.respond(NOON, FIRST, "CLICK")
    log.buy(NOON + timedelta(minutes=1), "order")
    log.apply()
    assert rows(database) == ([], 1)
    write(database, FIRST)
    apply_late(database, WINDOWS)
    assert rows(database) == ([(FIRST, "click", None), (FIRST, "purchase", 100)], 0)
    log.see(NOON, SECOND)
    log.apply()
    write(database, SECOND)
    apply_late(database, WINDOWS)
    assert [kind for _, kind, _ in rows(database)[0]] == ["click", "purchase", "shown"]


def test_a_purchase_before_the_click_is_not_credited_to_it(log: Log, database: Database) -> None:
    log.buy(NOON, "order")
    log.respond(NOON + timedelta(minutes=1), FIRST, "CLICK")
    log.apply()
    write(database, FIRST)
    apply_late(database, WINDOWS)
    assert rows(database) == ([(FIRST, "click", None)], 0)
