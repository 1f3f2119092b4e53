"""Partitions of the customers, applied side by side, end in the same tables as the log applied in its order."""

import random
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from quintet.type.v1.event_pb2 import Event

from shared.db import event_log, failed_events, partitions
from shared.db.driver import DriverCursor
from shared.db.engine import Connection, Database
from shared.db.event_log import CUSTOMER_CONSUMER, LoggedEvent
from shared.db.log_consumer import Applied, LogConsumer, Replayed
from shared.db.projection import decode, project
from shared.db.rebuild import rebuild_customers
from shared.db.request_reads import find_shopper
from tests.support.events import (
    add,
    add_customers,
    add_products,
    append,
    event,
    purchase,
    refund,
    remove,
    rows,
    view,
)

pytestmark = pytest.mark.postgres
PRICES = {f"p{number}": (100 * number, "USD") for number in range(1, 4)}
PEOPLE = ("ann", "ben", "cat", "dan")
DONE = (
    "browsing_history",
    "page_events",
    "cart_items",
    "purchases",
    "purchase_items",
    "sessions",
    "visitors",
    "customers",
)
KEYS = {"id", "customer_id", "session_id", "purchase_id", "registration_date", "page_actions"}

KINDS = ("view", "view", "page", "add", "remove", "buy", "refund", "browse", "log in")
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(0, 3), st.integers(1, 3), st.integers(0, 90)), min_size=1, max_size=40
)


def made(number: int, happenings: Sequence[tuple[str, int, int, int]]) -> list[Event]:
    """Return events of people whose names end with the number; orders and visitors are few, so that they meet.

    A refund of an order that is not recorded yet is not in the log: it waits for the order elsewhere.
    """
    recorded, orders = [], set()
    for each in (happening(number, *one) for one in happenings):
        if each.HasField("purchase"):
            orders.add(each.purchase.purchase_id)
        if not each.HasField("refund") or each.refund.purchase_id in orders:
            recorded.append(each)
    return recorded


def happening(number: int, kind: str, who: int, what: int, minute: int) -> Event:
    person, product = f"{PEOPLE[who]}-{number}", f"p{what}"
    visitor, order = f"visitor{what}-{number}", f"order{(who + what) % 5}-{number}"
    kinds: dict[str, Callable[[], Event]] = {
        "view": lambda: view(person, product, minute),
        "page": lambda: event(person, minute, home_view={}),
        "add": lambda: add(person, {product: 2}, minute),
        "remove": lambda: remove(person, {product: 1}, minute),
        "buy": lambda: purchase(person, order, [(product, 1, None)], minute),
        "refund": lambda: refund(person, order),
        "browse": lambda: event("", minute, visitor=visitor, product_view={"product_id": product}),
        "log in": lambda: event(person, minute, visitor=visitor, home_view={}),
    }
    return kinds[kind]()


def consumer(database: Database, count: int = 1, batch: int = 3) -> LogConsumer:
    return LogConsumer(database, CUSTOMER_CONSUMER, projected, batch, partitions=count)


def projected(connection: Connection, events: Sequence[LoggedEvent]) -> None:
    project(connection, decode(events))


def tables(database: Database, end: str = "") -> dict[str, list[str]]:
    """Return what people did whose names have the `end`, with names in place of keys that count up with the work."""
    owners = {row["customer_id"]: row["external_id"] for row in rows(database, "customers")}
    owners |= {
        row["customer_id"]: row["visitor_id"] for row in reversed(browsers(database)) if not owners[row["customer_id"]]
    }
    visits = {row["session_id"]: (row["started_at"], row["last_event_at"]) for row in rows(database, "sessions")}
    orders = {row["purchase_id"]: row for row in rows(database, "purchases")}

    def shown(row: dict[str, Any]) -> tuple[str, str]:
        order = orders.get(row.get("purchase_id", 0), {})
        owner = owners[row["customer_id"] if "customer_id" in row else order["customer_id"]]
        facts = {name: value for name, value in row.items() if name not in KEYS}
        facts |= {"order": order.get("external_id"), "visit": visits.get(row.get("session_id", 0))}
        return owner, repr(sorted(facts.items()))

    return {
        table: sorted(facts for owner, facts in map(shown, rows(database, table)) if owner.endswith(end))
        for table in DONE
    }


def browsers(database: Database) -> list[dict[str, Any]]:
    return sorted(rows(database, "visitors"), key=lambda row: row["visitor_id"])


def position(database: Database) -> int:
    with database.read() as connection:
        return event_log.cursor(connection, CUSTOMER_CONSUMER)


def end(database: Database) -> int:
    with database.read() as connection:
        return event_log.last_sequence(connection)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # examples share the databases, which grow: none is shrunk
)
@given(happenings=HAPPENINGS, count=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_any_interleaving_ends_in_the_tables_of_one_consumer(
    sqlite_database: Database,
    postgres_database: Database,
    happenings: list[tuple[str, int, int, int]],
    count: int,
    seed: int,
) -> None:
    """The examples share the databases: people, visitors and orders of each have names of their own."""
    number = len(rows(sqlite_database, "customers")) + end(sqlite_database)
    people = [f"{each}-{number}" for each in PEOPLE]
    events = made(number, happenings)
    for each in (sqlite_database, postgres_database):
        if not rows(each, "products"):
            add_products(each, PRICES)
        add_customers(each, *people)
        append(each, events)
    consumer(sqlite_database, batch=500).apply()
    replicas, turns = [consumer(postgres_database, count) for _ in range(2)], random.Random(seed)
    while position(postgres_database) < end(postgres_database):
        turns.choice(replicas).apply_batch()
    assert tables(postgres_database, f"-{number}") == tables(sqlite_database, f"-{number}")


def crowd(database: Database, people: int = 24, events: int = 1_200) -> list[str]:
    """Record events of many people and some visitors, few of whom log in; return the people."""
    names = [f"person-{number}" for number in range(people)]
    add_products(database, PRICES)
    add_customers(database, *names)
    done = []
    for number in range(events):
        who, product = names[number * 7 % people], f"p{number % 3 + 1}"
        if number % 3:
            done.append(view(who, product, number))
        elif number % 2:
            done.append(purchase(who, f"order-{number}", [(product, 1, None)], number))
        else:
            done.append(add(who, {product: 1}, number))
        if number % 100 == 50:
            done.append(event("", number, visitor=f"browser-{number}", product_view={"product_id": product}))
            done.append(event(who, number, visitor=f"browser-{number}", home_view={}))
    append(database, done)
    return names


def test_replicas_share_the_work_and_count_each_event_once(
    sqlite_database: Database, postgres_database: Database
) -> None:
    for each in (sqlite_database, postgres_database):
        crowd(each)
    consumer(sqlite_database, batch=500).apply()
    replicas = [consumer(postgres_database, 4, batch=20) for _ in range(3)]
    applied: list[Applied] = []
    threads = [threading.Thread(target=lambda each=each: applied.append(each.apply())) for each in replicas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert sum(each.events for each in applied) == end(postgres_database)
    assert min(each.events for each in applied) > 0, "each did some"
    assert tables(postgres_database) == tables(sqlite_database)


def test_who_holds_a_partition_and_dies_leaves_it_to_another(postgres_database: Database) -> None:
    crowd(postgres_database)
    with ExitStack() as stack:
        dying, living, heir = (stack.enter_context(postgres_database.engine.connect()) for _ in range(3))
        held, other = claimed(dying), claimed(living)
        assert held
        assert other
        assert {each.customer_key % 2 for each in held} != {each.customer_key % 2 for each in other}
        assert claimed(heir) == []
        dying.invalidate()
        assert claimed(heir) == held


def claimed(connection: Connection) -> list[LoggedEvent]:
    """Return the events of the first piece that has some, and keep its lock."""
    cursor = partitions.PartitionedCursor(CUSTOMER_CONSUMER, 20, 2)
    for _ in range(5):
        piece = cursor.claim(connection, 20)
        if piece is not None and piece.events:
            return list(piece.events)
        if piece is not None:
            piece.move(connection)
        connection.commit()
    return []


def test_the_number_changes_when_all_are_level(postgres_database: Database) -> None:
    names = crowd(postgres_database)
    for count in (3, 5, 1):
        consumer(postgres_database, count, batch=20).apply()
        append(postgres_database, [view(name, "p1", 2_000 + count) for name in names for _ in range(4)])
        with postgres_database.read() as connection:
            progress = partitions.read_progress(connection, CUSTOMER_CONSUMER)
            assert len(progress.parts) == count
            assert progress.is_level
    consumer(postgres_database, 1, batch=20).apply()
    assert len(rows(postgres_database, "browsing_history")) == 800 + 12 + 3 * 4 * len(names)


def test_a_bad_event_is_set_aside_and_replayed_when_all_are_level(postgres_database: Database) -> None:
    crowd(postgres_database)
    broken = {"is": True}

    def fragile(connection: Connection, events: Sequence[LoggedEvent]) -> None:
        if broken["is"] and any(each.sequence in bad for each in events):
            raise RuntimeError("a bug")
        projected(connection, events)

    with postgres_database.read() as connection:
        logged = event_log.read_after(connection, 0, 10_000)
    login = next(each.sequence for each in logged if b"browser" in each.payload and each.kind == "home_view")
    bad = {logged[100].sequence, login}
    applying = LogConsumer(postgres_database, CUSTOMER_CONSUMER, fragile, 20, partitions=4)
    applying.apply()
    with postgres_database.read() as connection:
        assert {each.sequence for each in failed_events.read(connection)} == bad
    broken["is"] = False
    with postgres_database.write() as connection:  # some are planned, and nobody has applied them yet
        partitions.divide(connection, CUSTOMER_CONSUMER, 4, end(postgres_database))
    assert applying.replay(sorted(bad)) == Replayed(2, 0)
    assert len(rows(postgres_database, "browsing_history")) == 800 + 12


def test_a_rebuild_beside_partitions_changes_nothing(postgres_database: Database) -> None:
    crowd(postgres_database)
    applying = consumer(postgres_database, 4, batch=20)
    applying.apply()
    before = tables(postgres_database)
    for _ in rebuild_customers(postgres_database):
        pass
    assert tables(postgres_database) == before


def test_what_a_partition_has_applied_is_not_read_from_the_log_again(postgres_database: Database) -> None:
    add_products(postgres_database, PRICES)
    keys = add_customers(postgres_database, "ann", "ben")
    append(postgres_database, [view(who, "p1", minute) for minute in range(10) for who in ("ann", "ben")])
    cursor = partitions.PartitionedCursor(CUSTOMER_CONSUMER, 4, 2)
    applied: list[LoggedEvent] = []
    while not applied:
        with postgres_database.write() as connection:
            piece = cursor.claim(connection, 50)
            if piece is not None:
                applied += piece.events
                projected(connection, piece.events)
                piece.move(connection)
    ahead = applied[0].customer_key
    assert {each.customer_key for each in applied} == {ahead}
    for name, key in keys.items():
        with postgres_database.read() as connection:
            version = find_shopper(DriverCursor.of(connection), name, "")
            assert version is not None
            assert position(postgres_database) < min(each.sequence for each in applied)
            assert version.applied == partitions.position_of(connection, CUSTOMER_CONSUMER, key)
            assert (version.applied > 0) == (key == ahead)
