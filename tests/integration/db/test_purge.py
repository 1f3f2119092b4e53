"""After a purge everything says the same as if the events had never been recorded, on both databases."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from quintet.type.v1.event_pb2 import Event

from shared.db import event_log, event_receipts, failed_events, unjoined_events
from shared.db.engine import Database
from shared.db.event_filter import EventFilter
from shared.db.purge import EventPurge
from shared.db.schema import customers, metadata
from shared.db.unjoined_events import Missing, Period, UnjoinedEvent
from shared.errors import FailedPrecondition
from tests.integration.db.test_rebuild import content, made
from tests.support.events import (
    NOON,
    add,
    add_customers,
    add_products,
    append,
    happened,
    purchase,
    refund,
    rows,
    view,
)


def purge(database: Database, **wanted: Any) -> EventPurge:
    """Delete the events that meet a filter."""
    one = EventPurge(database, EventFilter(**wanted))
    assert list(one.find())[-1:] in ([], [1.0])
    one.require_possible()
    list(one.delete())
    return one


def counts(one: EventPurge) -> dict[str, int]:
    return {kind: count.events for kind, count in one.found.kinds.items()}


def empty(database: Database) -> None:
    """Forget all that happened; customers and visitors stay, with their keys."""
    with database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name not in ("counters", "products", "customers", "visitors"):
                connection.execute(table.delete())
        connection.execute(customers.update().values(last_active=None))
    if not rows(database, "customers"):
        add_customers(database, "anna", "ben")
        add_products(database, {"p1": (100, "USD"), "p2": (150, "USD")})


def named(event: Event) -> set[str]:
    kind = event.WhichOneof("detail") or ""
    items = getattr(getattr(event, kind), "items", ())
    return {item.product_id for item in items} | ({event.product_view.product_id} - {""})


FILTERS: list[tuple[dict[str, Any], Callable[[Event], bool]]] = [
    (
        {"kinds": frozenset({"product_view", "search"})},
        lambda each: each.WhichOneof("detail") in ("product_view", "search"),
    ),
    ({"kinds": frozenset({"purchase"})}, lambda each: each.HasField("purchase")),
    ({"customer_id": "anna"}, lambda each: each.customer_id == "anna"),
    ({"product_id": "p2"}, lambda each: "p2" in named(each)),
    ({"visitor_id": "browser"}, lambda each: each.visitor_id == "browser"),
    ({"period": Period(NOON)}, lambda each: True),
]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["anna", "ben"]),
        st.sampled_from(["view", "add", "remove", "buy", "back", "search", "visit"]),
        st.integers(0, 200),
    ),
    min_size=1,
    max_size=14,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, which=st.sampled_from(FILTERS))
def test_a_purge_leaves_what_the_other_events_give(
    sqlite_database: Database,
    steps: list[tuple[str, str, int]],
    which: tuple[dict[str, Any], Callable[[Event], bool]],
) -> None:
    wanted, is_meant = which
    events = made(steps)
    assume(events)
    empty(sqlite_database)
    happened(sqlite_database, *events)
    one = purge(sqlite_database, **wanted)
    after, waiting = content(sqlite_database), len(rows(sqlite_database, "unjoined_events"))
    gone = [each for each in events if is_meant(each)]
    assert sum(counts(one).values()) == len(gone)
    orders = {each.purchase.purchase_id for each in gone if each.HasField("purchase")}
    refunds = [each for each in events if each.refund.purchase_id in orders and not is_meant(each)]
    assert waiting == len(refunds)
    empty(sqlite_database)
    left = [each for each in events if not is_meant(each) and each not in refunds]
    if left:
        happened(sqlite_database, *left)
    assert after == content(sqlite_database)


@pytest.fixture
def shop(database: Database) -> Database:
    add_customers(database, "anna", "ben")
    add_products(database, {"p1": (100, "USD"), "p2": (150, "USD")})
    return database


def test_finding_changes_nothing_and_gives_examples(shop: Database) -> None:
    happened(shop, *(view("anna", "p1", minute, event_id=f"v-{minute}") for minute in range(12)), add("ben", {"p1": 1}))
    before = content(shop)
    one = EventPurge(shop, EventFilter(product_id="p1"))
    assert list(one.find()) == [1.0]
    assert counts(one) == {"product_view": 12, "add_to_cart": 1}
    assert one.found.kinds["product_view"].examples == [f"v-{minute}" for minute in range(10)]
    assert (len(one.found.customers), content(shop)) == (2, before)


def test_ids_of_events_and_orders_are_free_again(shop: Database) -> None:
    order = purchase("anna", "o", [("p1", 1, 100)])
    happened(shop, order)
    purge(shop, customer_id="anna")
    assert rows(shop, "purchases") == []
    happened(shop, order)
    assert [row["external_id"] for row in rows(shop, "purchases")] == ["o"]


def test_a_refund_of_a_purged_order_waits_for_it_with_all_it_said(shop: Database) -> None:
    happened(shop, purchase("anna", "o", [("p1", 1, 100)]), refund("ben", "o"))
    purge(shop, kinds=frozenset({"purchase"}))
    assert rows(shop, "event_log") == []
    with shop.read() as connection:
        [kept] = unjoined_events.read(connection, [row["id"] for row in rows(shop, "unjoined_events")])
        [missing] = unjoined_events.most_missing(connection, 5)
    event = Event.FromString(kept.payload)
    assert (event.customer_id, event.event_id, event.refund.purchase_id) == ("ben", kept.event_id, "o")
    assert missing.missing == Missing("purchase", "o")


def test_events_that_wait_are_purged_too_and_new_ones_stay(shop: Database) -> None:
    event = view("nobody-yet", "p1")
    with shop.write() as connection:
        kept = UnjoinedEvent(event.event_id, "product_view", "nobody-yet", "", None, NOON, event.SerializeToString())
        unjoined_events.keep(connection, [kept])
    happened(shop, view("anna", "p1"))
    one = EventPurge(shop, EventFilter(kinds=frozenset({"product_view"})))
    list(one.find())
    append(shop, [view("anna", "p2", 5)])
    one.require_possible()
    list(one.delete())
    assert counts(one) == {"product_view": 2}
    assert rows(shop, "unjoined_events") == []
    assert len(rows(shop, "event_log")) == 1


def test_attributes_tell_sources_apart(shop: Database) -> None:
    bad, good = view("anna", "p1"), view("anna", "p1", 1)
    bad.attributes["source"], good.attributes["source"] = "beta", "shop"
    happened(shop, bad, good)
    assert counts(purge(shop, attributes={"source": "beta"})) == {"product_view": 1}
    assert len(rows(shop, "browsing_history")) == 1


def test_it_is_refused_where_older_events_of_the_customer_are_gone(shop: Database) -> None:
    happened(shop, view("anna", "p1"), view("ben", "p1", 1))
    with shop.write() as connection:
        event_log.note_trimmed(connection, 1)
        event_receipts.forget(connection, 1)
        connection.execute(metadata.tables["event_log"].delete().where(metadata.tables["event_log"].c.sequence == 1))
    before = content(shop)
    with pytest.raises(FailedPrecondition, match="number 1"):
        purge(shop, kinds=frozenset({"product_view"}))
    assert content(shop) == before
    assert len(rows(shop, "event_log")) == 1


def test_an_event_that_was_set_aside_does_not_hold_a_purge_up(shop: Database) -> None:
    happened(shop, view("anna", "p1"), view("anna", "p2", 1))
    with shop.write() as connection:
        failed_events.set_aside(connection, "customer", event_log.read_after(connection, 1, 1)[0], "KeyError")
    purge(shop, product_id="p1")
    assert rows(shop, "browsing_history") == []
    assert [row["sequence"] for row in rows(shop, "failed_events")] == [2]
