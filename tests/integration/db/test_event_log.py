"""The event log keeps every event once and in order, on both databases."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from quintet.type.v1.event_pb2 import Event, Purchase
from sqlalchemy import text

from shared.db import event_log
from shared.db.engine import Database, next_count
from shared.db.event_log import NewEvent
from shared.db.migrate import alembic_config, migrate
from shared.db.revision import NEWEST, current_revision, require_current
from shared.errors import FailedPrecondition

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ORDERS = [("a", "o-1"), ("b", "o-2"), ("c", "o-3"), ("d", "o-1")]


def new_event(event_id: str) -> NewEvent:
    return NewEvent(event_id, None, "home_view", NOON, event_id.encode())


def test_events_are_read_back_in_the_order_they_were_appended(database: Database) -> None:
    with database.write() as connection:
        numbers = event_log.append(connection, [new_event("b"), new_event("a")])
    with database.read() as connection:
        logged = event_log.read_after(connection, 0, limit=10)
        assert event_log.read_after(connection, numbers["b"], limit=10) == logged[1:]
        assert event_log.last_sequence(connection) == numbers["a"]
    assert [(event.event_id, event.payload, event.occurred_at) for event in logged] == [
        ("b", b"b", NOON),
        ("a", b"a", NOON),
    ]


def test_a_repeated_event_is_left_out_within_and_across_calls(database: Database) -> None:
    with database.write() as connection:
        assert list(event_log.append(connection, [new_event("a"), new_event("a"), new_event("b")])) == ["a", "b"]
        assert event_log.append(connection, [new_event("b"), new_event("a")]) == {}
    with database.read() as connection:
        assert len(event_log.read_after(connection, 0, limit=10)) == 2


def test_an_event_that_is_still_to_come_happens_when_it_arrives(database: Database) -> None:
    before = datetime.now(UTC)
    ahead = NewEvent("a", None, "home_view", before + timedelta(hours=20), b"a")
    with database.write() as connection:
        event_log.append(connection, [ahead])
        (logged,) = event_log.read_after(connection, 0, limit=1)
    assert before <= logged.occurred_at <= datetime.now(UTC)


def test_a_failed_transaction_leaves_nothing(database: Database) -> None:
    def append_and_fail() -> None:
        with database.write() as connection:
            event_log.append(connection, [new_event("a")])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        append_and_fail()
    with database.read() as connection:
        assert event_log.last_sequence(connection) == 0


def test_the_cursor_starts_at_zero_and_moves(database: Database) -> None:
    with database.write() as connection:
        assert event_log.lock_cursor(connection, "customer") == 0
        event_log.move_cursor(connection, "customer", 7)
    with database.read() as connection:
        assert event_log.cursor(connection, "customer") == 7
        assert event_log.cursor(connection, "feedback") == 0


def test_counters_count_up_apart(database: Database) -> None:
    with database.write() as connection:
        assert [next_count(connection, "x"), next_count(connection, "x"), next_count(connection, "y")] == [1, 2, 1]


def test_the_events_that_record_an_order_are_found_by_its_id(database: Database) -> None:
    purchases = [NewEvent(name, None, "purchase", NOON, name.encode(), order_id) for name, order_id in ORDERS]
    with database.write() as connection:
        event_log.append(connection, [new_event("other"), *purchases])
        assert event_log.recorded_purchases(connection, {"o-1", "o-2", "unknown"}) == [b"a", b"b", b"d"]
        assert event_log.recorded_purchases(connection, []) == []


def test_purchases_of_an_older_log_are_found_by_their_order_after_the_migration(database: Database) -> None:
    bought = Event(customer_id="ann", purchase=Purchase(purchase_id="o-1"))
    with database.write() as connection:
        command.downgrade(alembic_config(connection), "0003")
    with database.write() as connection:
        insert = text(
            "INSERT INTO event_log (event_id, kind, occurred_at, received_at, payload)"
            " VALUES (:event_id, :kind, 0, 0, :payload)"
        )
        for kind, payload in (("purchase", bought.SerializeToString()), ("home_view", b"")):
            connection.execute(insert, {"event_id": kind, "kind": kind, "payload": payload})
    migrate(database)
    with database.read() as connection:
        (found,) = event_log.recorded_purchases(connection, ["o-1"])
    assert Event.FromString(found) == bought


def test_migrating_twice_changes_nothing(database: Database) -> None:
    assert migrate(database) == NEWEST == current_revision(database)


def test_agents_and_alembic_agree_on_the_newest_revision(database: Database) -> None:
    with database.read() as connection:
        head = ScriptDirectory.from_config(alembic_config(connection)).get_current_head()
    assert head == NEWEST


def test_an_empty_database_is_at_no_revision(tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    assert current_revision(empty) is None
    with pytest.raises(FailedPrecondition, match="the schema is at nothing, not"):
        require_current(empty)
    empty.close()
