"""What came of recommendations, made anew from the log, is what was there, and without purged events what never was."""

import random
from datetime import timedelta
from typing import Any

import pytest
from quintet.type.v1.event_pb2 import AddToCart, ProductQuantity, ProductView
from sqlalchemy import delete, insert, select, update

from services.feedback.attribution import Windows
from services.feedback.late_recommendations import apply_late
from services.feedback.rebuild import ResponseRebuild
from shared.attribution_rules import BESIDE
from shared.db import event_log, failed_events
from shared.db import projection as history
from shared.db.engine import Connection, Database
from shared.db.log_consumer import LogConsumer
from shared.db.schema import (
    customers,
    recommendation_lists,
    recommendation_outcomes,
    recommendations,
    visitors,
    waiting_responses,
)
from shared.db.schema import event_log as log_table
from shared.db.visitors import merge
from shared.errors import FailedPrecondition
from shared.recommendation_tokens import list_number
from shared.telemetry import RESPONSES
from tests.integration.feedback.small_shop import ANN, BOB, NOON, Log, line, marks, open_shop, outcome_rows, recommend

MINUTE = timedelta(minutes=1)
VISITOR = 3
ALL_RULES = Windows(rules=BESIDE)


@pytest.fixture
def log(database: Database) -> Log:
    with database.write() as connection:
        open_shop(connection)
        connection.execute(insert(customers).values(customer_id=VISITOR, registration_date=NOON))
        connection.execute(insert(visitors).values(visitor_id="browser", customer_id=VISITOR))
    return Log(database, windows=ALL_RULES)


def made(log: Log, product: int = 1, customer: int | None = ANN) -> int:
    with log.database.write() as connection:
        return recommend(connection, product, customer)


def content(database: Database) -> tuple[list[Any], list[Any]]:
    """Return all outcomes and marks, without keys that count up."""
    outcome, marked = recommendation_outcomes.c, recommendations.c
    columns = [column for column in outcome if column is not outcome.id]
    with database.read() as connection:
        stored = sorted(map(repr, connection.execute(select(*columns))))
        return stored, list(map(tuple, connection.execute(select(recommendations).order_by(marked.id))))


def rebuild(database: Database) -> dict[str, Any]:
    steps = list(ResponseRebuild(database, ALL_RULES).run())
    assert [each.fraction for each in steps] == sorted(each.fraction for each in steps)
    assert steps[-1].result is not None
    return steps[-1].result


def apply_history(database: Database) -> None:
    """Apply the log as the customer agent does."""

    def project(connection: Connection, events: Any) -> None:
        history.project(connection, history.decode(events))

    LogConsumer(database, "customer", project).apply()


def happen(log: Log, chance: random.Random, numbers: list[int], count: int) -> None:
    """Add events of two customers, a visitor and nobody about some recommendations."""
    orders = 0
    for minute in range(count):
        at, who = NOON + minute * MINUTE, chance.choice([ANN, BOB, VISITOR])
        number, product = chance.choice(numbers), f"p{chance.randint(1, 3)}"
        what = chance.choice(["see", "click", "click", "respond", "cart", "buy", "back", "view", "view"])
        if what == "see":
            log.see(at, *chance.sample(numbers, 3), customer=who)
        elif what == "click":
            log.click(at, number, product, who)
        elif what == "respond":
            log.respond(at, number, chance.choice(["SHOWN", "CLICK", "ADD_TO_CART", "DISMISS"]))
        elif what == "cart":
            log.add(at, who, add_to_cart=AddToCart(items=[ProductQuantity(product_id=product)]))
        elif what == "buy":
            orders += 1
            log.buy(at, f"o-{orders}", line(product, 100, 2), customer=who)
        elif what == "back" and orders:
            log.refund(at, f"o-{chance.randint(1, orders)}", **{product: 1})
        else:
            early = chance.choice([0, 0, 1, 10]) * MINUTE
            view = ProductView(
                product_id=product, duration_seconds=chance.choice([0, 2, 40]), scrolls=chance.choice([0, 3])
            )
            log.add(at - early + timedelta(seconds=chance.choice([0, 4])), who, product_view=view)


@pytest.mark.parametrize("seed", range(6))
def test_rebuilt_is_what_was_there(log: Log, seed: int) -> None:
    chance = random.Random(seed)
    numbers = [made(log, chance.randint(1, 3), chance.choice([ANN, BOB, VISITOR, None])) for _ in range(12)]
    for _ in range(3):
        happen(log, chance, numbers, 40)
        log.apply()
        apply_history(log.database)
    before = content(log.database)
    assert any("'linear'" in row for row in before[0]), "no test without what it is about"
    assert any(row.endswith(", 2.0)") or row.endswith(", 40.0)") for row in before[0]), "nor without graded clicks"
    assert rebuild(log.database)["agent"] == "feedback"
    assert content(log.database) == before
    with log.database.write() as connection:
        connection.execute(delete(recommendation_outcomes))
        connection.execute(update(recommendations).values(was_clicked=False, clicked_at=None, was_dismissed=True))
    rebuild(log.database)
    assert content(log.database) == before


@pytest.mark.parametrize("seed", range(6))
def test_without_events_that_are_gone_it_is_as_if_they_had_never_been(log: Log, seed: int) -> None:
    chance = random.Random(seed)
    numbers = [made(log, chance.randint(1, 3), chance.choice([ANN, BOB, VISITOR, None])) for _ in range(12)]
    happen(log, chance, numbers, 40)
    log.record()
    with log.database.write() as connection:
        gone = [each.sequence for each in event_log.read_after(connection, 0, 500) if chance.random() < 0.4]
        rows = list(connection.execute(select(log_table).where(log_table.c.sequence.in_(gone))))
        connection.execute(delete(log_table).where(log_table.c.sequence.in_(gone)))
    log.apply()
    apply_history(log.database)
    never = content(log.database)
    with log.database.write() as connection:
        for table in (recommendation_outcomes, recommendations):
            connection.execute(delete(table))
        for name in ("purchase_items", "purchases", "cart_items", "browsing_history", "page_events", "sessions"):
            connection.execute(delete(log_table.metadata.tables[name]))
        connection.execute(delete(log_table.metadata.tables["event_cursors"]))
        connection.execute(insert(log_table), [dict(row._mapping) for row in rows])
    Log(log.database, windows=ALL_RULES).apply()
    apply_history(log.database)
    with log.database.write() as connection:
        connection.execute(delete(log_table).where(log_table.c.sequence.in_(gone)))
    rebuild(log.database)
    assert content(log.database) == never


def test_responses_are_not_counted_again(log: Log) -> None:
    log.click(NOON, made(log))
    log.apply()
    before = RESPONSES.labels("click")._value.get()
    rebuild(log.database)
    assert RESPONSES.labels("click")._value.get() == before


def test_what_is_applied_while_the_log_is_read_counts_once(log: Log) -> None:
    first, second = made(log), made(log, 2)
    log.click(NOON, first)
    log.apply()
    steps = ResponseRebuild(log.database, ALL_RULES).run()
    next(steps)
    log.respond(NOON, first, "DISMISS")
    log.respond(NOON, second, "CLICK")
    log.apply()
    list(steps)
    with log.database.read() as connection:
        assert marks(connection, first) == {"shown", "clicked", "dismissed"}
        assert outcome_rows(connection) == [(first, "click", None), (first, "dismiss", None), (second, "click", None)]


def test_a_visitor_who_logs_in_meanwhile_is_made_anew_with_the_customer(log: Log) -> None:
    own, theirs = made(log), made(log, 2, VISITOR)
    log.click(NOON, own)
    log.click(NOON, theirs, "p2", VISITOR)
    log.apply()
    before = content(log.database)[0]
    steps = ResponseRebuild(log.database, ALL_RULES).run()
    next(steps)
    with log.database.write() as connection:
        connection.execute(delete(recommendation_outcomes))
        merge(connection, VISITOR, ANN)
    list(steps)
    assert content(log.database)[0] == before


def test_a_response_that_waits_for_its_recommendation_counts_once(log: Log) -> None:
    shown = made(log)
    with log.database.write() as connection:
        late = recommend(connection, 2)
        lists = recommendation_lists.c.id
        connection.execute(delete(recommendation_lists).where(lists == list_number(late)))
    log.see(NOON, shown, late)
    log.apply()
    with log.database.read() as connection:
        assert len(list(connection.execute(select(waiting_responses)))) == 1
    with log.database.write() as connection:
        assert recommend(connection, 2) == late
    rebuild(log.database)
    apply_late(log.database, ALL_RULES)
    with log.database.read() as connection:
        assert outcome_rows(connection) == [(shown, "shown", None), (late, "shown", None)]


def test_it_refuses_when_events_of_stored_outcomes_are_gone_for_their_age(log: Log) -> None:
    log.click(NOON, made(log))
    log.apply()
    with log.database.write() as connection:
        event_log.note_trimmed(connection, 1)
    before = content(log.database)
    with pytest.raises(FailedPrecondition, match="number 1"):
        rebuild(log.database)
    assert content(log.database) == before


def test_an_event_that_was_set_aside_stays_so(log: Log) -> None:
    number = made(log)
    log.append("feedback", NOON, None, b"\xff")
    log.click(NOON, number)
    log.apply()
    before = content(log.database)
    rebuild(log.database)
    assert content(log.database) == before
    with log.database.read() as connection:
        assert [each.sequence for each in failed_events.read(connection, "feedback", limit=5)] == [1]
