"""What is made anew from the log is what was there: also with late, repeated and shared events, on both databases."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quintet.type.v1.event_pb2 import Event

from shared.db import event_log, failed_events, rebuild
from shared.db.engine import Database
from shared.db.schema import browsing_history, metadata
from shared.errors import FailedPrecondition
from tests.support.events import (
    add,
    add_customers,
    add_products,
    append,
    event,
    happened,
    purchase,
    refund,
    remove,
    rows,
    view,
)

KEYS = {"id", "session_id", "purchase_id"}
TABLES = ("browsing_history", "page_events", "cart_items", "purchases", "purchase_items", "sessions", "customers")


def content(database: Database) -> dict[str, Any]:
    """Return all rows of the projection and of visitors, without the keys that count up."""
    kept = {
        table: sorted(
            str({name: value for name, value in row.items() if name not in KEYS}) for row in rows(database, table)
        )
        for table in TABLES
    }
    return kept | {"visitors": rows(database, "visitors")}


def rebuilt(database: Database) -> dict[str, Any]:
    assert all(done <= of for done, of in rebuild.rebuild_customers(database))
    return content(database)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["anna", "ben"]),
        st.sampled_from(["view", "add", "remove", "buy", "back", "search", "login", "visit"]),
        st.integers(0, 200),
    ),
    min_size=1,
    max_size=14,
)


def made(steps: Sequence[tuple[str, str, int]]) -> list[Event]:
    """Return the events, without refunds of orders not known yet: the log takes those when the order is known."""
    events: list[Event] = []
    for number, step in enumerate(steps):
        made_now = _made(number, *step)
        ordered = {each.purchase.purchase_id for each in events}
        if made_now.WhichOneof("detail") != "refund" or made_now.refund.purchase_id in ordered:
            events.append(made_now)
    return events


def _made(number: int, who: str, what: str, minute: int) -> Event:
    order = f"{who}-{minute % 5}"
    return {
        "view": lambda: view(who, "p1", minute),
        "add": lambda: add(who, {"p1": 2}, minute),
        "remove": lambda: remove(who, {"p1": 1}, minute),
        "buy": lambda: purchase(who, order, [("p1", 1, 100), ("p2", 2, 300)], minute),
        "back": lambda: refund(who, order, {"p1": 1}),
        "search": lambda: event(who, minute, search={"query": "tea"}),
        "login": lambda: view(who, "p2", minute, visitor="browser"),
        "visit": lambda: event("", minute, visitor="browser", product_view={"product_id": "p1"}),
    }[what]()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, batch=st.integers(1, 5))
def test_rebuilt_is_what_was_there(sqlite_database: Database, steps: list[tuple[str, str, int]], batch: int) -> None:
    with sqlite_database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name not in ("counters", "products"):
                connection.execute(table.delete())
    add_customers(sqlite_database, "anna", "ben")
    if not rows(sqlite_database, "products"):
        add_products(sqlite_database, {"p1": (100, "USD"), "p2": (150, "USD")})
    events = made(steps)
    for start in range(0, len(events), batch):
        happened(sqlite_database, *events[start : start + batch])
    before = content(sqlite_database)
    assert rebuilt(sqlite_database) == before


@pytest.fixture
def shop(database: Database) -> Database:
    add_customers(database, "anna", "ben")
    add_products(database, {"p1": (100, "USD")})
    return database


def test_lost_rows_come_back_and_what_is_not_applied_yet_comes_once(shop: Database) -> None:
    happened(shop, view("anna", "p1"), view("ben", "p1"), purchase("ben", "o", [("p1", 1, 100)]))
    before = content(shop)
    append(shop, [view("anna", "p1", 5)])
    with shop.write() as connection:
        connection.execute(browsing_history.delete())
    assert rebuilt(shop) == before


def test_a_refund_by_somebody_else_stays_with_the_order(shop: Database) -> None:
    happened(shop, purchase("anna", "o", [("p1", 1, 100)]), refund("ben", "o"))
    before = content(shop)
    assert "'refunded_amount': 100" in before["purchases"][0]
    assert rebuilt(shop) == before


def test_it_refuses_when_old_events_are_gone(shop: Database) -> None:
    happened(shop, view("anna", "p1"))
    with shop.write() as connection:
        event_log.note_trimmed(connection, 1)
    before = content(shop)
    with pytest.raises(FailedPrecondition, match="number 1"):
        list(rebuild.rebuild_customers(shop))
    assert content(shop) == before


def test_an_event_that_fails_leaves_the_rows_and_one_that_failed_before_is_applied(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened(shop, view("anna", "p1"))
    before = content(shop)
    with shop.write() as connection:
        failed_events.set_aside(connection, "customer", event_log.read_after(connection, 0, 1)[0], "KeyError")
    with monkeypatch.context() as broken:
        broken.setattr(rebuild, "project", lambda *_: {}["a bug"])
        with pytest.raises(FailedPrecondition, match="KeyError"):
            list(rebuild.rebuild_customers(shop))
    assert content(shop) == before
    assert len(rows(shop, "failed_events")) == 1
    assert rebuilt(shop) == before
    assert rows(shop, "failed_events") == []
