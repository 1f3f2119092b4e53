"""Events that name what is not known yet are kept, and joined as of their own time when it comes; on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from quintet.type.v1.event_pb2 import Event, HomeView, ProductQuantity, ProductView, Purchase, PurchaseLine, Refund
from sqlalchemy import update

from services.coordinator.event_joiner import EventJoiner
from services.coordinator.event_validation import submit_event
from services.coordinator.event_writer import EventWriter
from services.coordinator.group_commit import CommitResult
from shared.db import customers, erasure, event_log, retention, unjoined_events
from shared.db import schema as tables
from shared.db.engine import Database
from shared.db.unjoined_events import Missing, Period, UnjoinedCounts
from tests.support.events import rows
from tests.support.projecting import apply_all
from tests.support.shop import add_customers, add_products
from tests.support.tokens import KEYS

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def shop(database: Database) -> Database:
    add_customers(database, "ann")
    add_products(database, "tea")
    return database


@pytest.fixture
def writer(shop: Database) -> EventWriter:
    return EventWriter(shop, KEYS, keep_unknown=True)


@pytest.fixture
def joiner(shop: Database) -> EventJoiner:
    return EventJoiner(shop)


def commit(writer: EventWriter, *events: Event) -> list[CommitResult]:
    return writer.commit([submit_event(event) for event in events])


def view(event_id: str, product: str, customer: str = "ann") -> Event:
    event = Event(event_id=event_id, customer_id=customer, product_view=ProductView(product_id=product))
    event.event_time.FromDatetime(YESTERDAY)
    return event


def order(event_id: str, name: str, *products: str, customer: str = "ann") -> Event:
    lines = [PurchaseLine(product_id=each) for each in products]
    return Event(event_id=event_id, customer_id=customer, purchase=Purchase(purchase_id=name, items=lines))


def refund(event_id: str, name: str, *products: str) -> Event:
    items = [ProductQuantity(product_id=each) for each in products]
    return Event(event_id=event_id, customer_id="ann", refund=Refund(purchase_id=name, items=items))


def logged(database: Database) -> list[str]:
    with database.read() as connection:
        return [each.event_id for each in event_log.read_after(connection, 0, 100)]


def counts(database: Database) -> UnjoinedCounts:
    with database.read() as connection:
        return unjoined_events.counts(connection)


def test_an_event_waits_for_its_product_and_counts_as_of_its_own_time(
    writer: EventWriter, joiner: EventJoiner, shop: Database
) -> None:
    [outcome] = commit(writer, view("1", "new"))
    assert (outcome.error, outcome.duplicate, outcome.unjoined) == (None, False, True)
    assert outcome.missing == (Missing("product", "new"),)
    assert joiner.step() == 0
    assert logged(shop) == []
    add_products(shop, "new")
    assert joiner.step() == 1
    assert counts(shop) == UnjoinedCounts(0, 0)
    apply_all(shop)
    [seen] = rows(shop, "browsing_history")
    assert abs(seen["view_time"] - YESTERDAY) < timedelta(milliseconds=1)
    assert joiner.step() == 0


def test_an_event_waits_for_its_customer(writer: EventWriter, joiner: EventJoiner, shop: Database) -> None:
    joiner.step()
    [outcome] = commit(writer, view("1", "tea", "later"))
    assert outcome.missing == (Missing("customer", "later"),)
    add_customers(shop, "later")
    assert joiner.step() == 1
    assert logged(shop) == ["1"]


def test_a_kept_event_is_known_by_its_id_before_and_after_it_is_joined(
    writer: EventWriter, joiner: EventJoiner, shop: Database
) -> None:
    first, again = commit(writer, view("1", "new"), view("1", "new"))
    assert (first.duplicate, again.duplicate, again.unjoined) == (False, True, True)
    [later] = commit(writer, view("1", "new"))
    assert (later.duplicate, later.unjoined) == (True, True)
    add_products(shop, "new")
    joiner.step()
    [joined] = commit(writer, view("1", "new"))
    assert (joined.duplicate, joined.unjoined) == (True, False)
    assert logged(shop) == ["1"]


def test_an_order_with_one_unknown_line_waits_whole_and_its_refund_after_it(
    writer: EventWriter, joiner: EventJoiner, shop: Database
) -> None:
    bought, back = commit(writer, order("p", "o-1", "tea", "new"), refund("r", "o-1", "new"))
    assert bought.missing == (Missing("product", "new"),)
    assert set(back.missing) == {Missing("product", "new"), Missing("purchase", "o-1")}
    [twice] = commit(writer, order("p2", "o-1", "tea"))
    assert twice.error is not None
    assert twice.error.code.name == "ALREADY_EXISTS"
    add_products(shop, "new")
    while joiner.step():
        apply_all(shop)
    joiner.step()
    apply_all(shop)
    assert logged(shop) == ["p", "r"]
    assert len(rows(shop, "purchase_items")) == 2
    assert [row["refunded_quantity"] for row in rows(shop, "purchase_items")] == [0.0, 1.0]


def test_a_refund_may_come_before_its_order(writer: EventWriter, joiner: EventJoiner, shop: Database) -> None:
    [back] = commit(writer, refund("r", "o-1"))
    assert back.missing == (Missing("purchase", "o-1"),)
    joiner.step()
    commit(writer, order("p", "o-1", "tea"))
    apply_all(shop)
    assert joiner.step() == 1
    assert logged(shop) == ["p", "r"]


def test_a_refund_that_does_not_fit_its_order_is_given_up(
    writer: EventWriter, joiner: EventJoiner, shop: Database
) -> None:
    add_customers(shop, "bob")
    commit(writer, refund("r", "o-1"), order("p", "o-1", "tea", customer="bob"))
    apply_all(shop)
    joiner.step()
    assert joiner.step() == 0
    assert logged(shop) == ["p"]
    assert counts(shop) == UnjoinedCounts(0, 1)


def test_what_waited_too_long_is_joined_only_when_that_is_asked_for(
    writer: EventWriter, joiner: EventJoiner, shop: Database
) -> None:
    commit(writer, view("1", "new"), view("2", "other"))
    assert retention.expire_unjoined_events(shop, 30) == 0
    assert retention.expire_unjoined_events(shop, -1) == 2
    add_products(shop, "new")
    assert joiner.step() == 0
    assert counts(shop) == UnjoinedCounts(0, 2)
    assert joiner.rejoin(Period(start=datetime.now(UTC) - timedelta(hours=1))) == 0, "it happened before"
    assert joiner.rejoin(Period()) == 1
    assert logged(shop) == ["1"]
    assert retention.drop_unjoined_events(shop, 30) == 0
    assert retention.drop_unjoined_events(shop, -1) == 1
    assert rows(shop, "missing_references") == []


def test_what_most_events_wait_for_is_said_with_examples(writer: EventWriter, shop: Database) -> None:
    commit(writer, *(view(f"a{number}", "much") for number in range(5)), view("b", "little", "nobody"))
    with shop.read() as connection:
        found = unjoined_events.most_missing(connection, 2)
    assert [(each.missing, each.events, each.examples) for each in found] == [
        (Missing("product", "much"), 5, ["a0", "a1", "a2"]),
        (Missing("customer", "nobody"), 1, ["b"]),
    ]


def test_a_product_that_went_again_is_missed_again(writer: EventWriter, joiner: EventJoiner, shop: Database) -> None:
    joiner.step()
    commit(writer, view("1", "new"))
    with shop.write() as connection:
        connection.execute(update(tables.missing_references).values(external_id="tea"))
        connection.execute(update(tables.products).values(change_sequence=tables.products.c.change_sequence + 100))
    assert joiner.step() == 0
    assert [row["external_id"] for row in rows(shop, "missing_references")] == ["new"]


def test_erasing_a_customer_erases_what_waits(writer: EventWriter, shop: Database) -> None:
    seen = Event(event_id="v", customer_id="ann", visitor_id="browser", home_view=HomeView())
    unknown = Event(event_id="w", visitor_id="browser", product_view=ProductView(product_id="new"))
    commit(writer, seen, view("1", "new"), view("2", "new", "somebody"), unknown)
    apply_all(shop)
    with shop.read() as connection:
        [key] = customers.resolve_customers(connection, ["ann"]).values()
        exported = [row for table, row in erasure.export(connection, key) if table == "unjoined_events"]
        assert [row["event_id"] for row in exported] == ["1", "w"]
        assert exported[0]["payload"]["product_view"] == {"product_id": "new"}
    with shop.write() as connection:
        assert erasure.erase(connection, key).rows["unjoined_events"] == 2
    assert [row["customer_id"] for row in rows(shop, "unjoined_events")] == ["somebody"]


def test_a_check_says_what_is_missing_and_writes_nothing(writer: EventWriter, shop: Database) -> None:
    assert writer.check(submit_event(view("1", "new", "nobody"))) == (
        Missing("customer", "nobody"),
        Missing("product", "new"),
    )
    assert writer.check(submit_event(view("1", "tea"))) == ()
    assert rows(shop, "unjoined_events") == []
