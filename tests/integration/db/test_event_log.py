"""The event log keeps every event once and in order, on both databases."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from quintet.type.v1.event_pb2 import Event, HomeView, Purchase
from quintet.type.v1.recommendation_pb2 import Feedback
from sqlalchemy import text

from shared.db import customer_updates, customers, event_log, event_receipts
from shared.db.customer_updates import NewCustomer
from shared.db.engine import Database, next_count
from shared.db.event_log import NewEvent
from shared.db.migrate import alembic_config, migrate
from shared.db.revision import NEWEST, current_revision, require_workable
from shared.db.types import from_micros
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
    def bought(session: str) -> bytes:
        return Event(session_id=session, purchase=Purchase(purchase_id="o")).SerializeToString()

    purchases = [NewEvent(name, None, "purchase", NOON, bought(name), order_id) for name, order_id in ORDERS]
    with database.write() as connection:
        event_log.append(connection, [new_event("other"), *purchases])
        found = event_log.recorded_purchases(connection, {"o-1", "o-2", "unknown"})
        assert [each.session_id for each in found] == ["a", "b", "d"]
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
    assert found == bought


def test_an_older_log_keeps_its_events_and_what_refers_to_them(database: Database) -> None:
    with database.write() as connection:
        command.downgrade(alembic_config(connection), "0011")
        plain = text(
            "INSERT INTO event_log (event_id, kind, occurred_at, received_at, payload)"
            " VALUES (:event_id, 'home_view', 5, 120000000, :payload)"
        )
        for name in ("old-1", "old-2", "erased"):
            connection.execute(plain, {"event_id": name, "payload": b""})
        connection.execute(text("DELETE FROM event_log WHERE event_id = 'erased'"))
        connection.execute(text("INSERT INTO waiting_responses VALUES (9, 1, 0)"))
        connection.execute(text("INSERT INTO failed_events VALUES ('customer', 2, 'home_view', 'KeyError', 0, 0, 1)"))
    migrate(database)
    with database.write() as connection:
        assert event_log.append(connection, [new_event("old-2"), new_event("new")]) == {"new": 4}
        logged = event_log.read_after(connection, 0, 10)
        assert [(each.sequence, each.event_id, each.kind) for each in logged] == [
            (1, "old-1", "home_view"),
            (2, "old-2", "home_view"),
            (4, "new", "home_view"),
        ]
        assert event_log.known_ids(connection, ["old-1", "new", "erased"]) == {"old-1", "new"}
        for table, count in (("waiting_responses", 1), ("failed_events", 1), ("event_receipts", 2)):
            assert connection.execute(text(f"SELECT COUNT(*) FROM {table}")).scalar_one() == count  # noqa: S608
        connection.execute(text("DELETE FROM event_log WHERE sequence = 1"))
        assert connection.execute(text("SELECT COUNT(*) FROM waiting_responses")).scalar_one() == 0


def test_a_compact_row_says_once_what_the_event_says(database: Database) -> None:
    with database.write() as connection:
        customer_updates.upsert(connection, [NewCustomer("ann")])
        [key] = customers.resolve_customers(connection, ["ann"]).values()
        events = [
            Event(event_id="plain", customer_id="ann", session_id="s", home_view=HomeView()),
            Event(event_id="both", customer_id="ann", visitor_id="v", home_view=HomeView()),
        ]
        new = [NewEvent(each.event_id, key, "home_view", NOON, each.SerializeToString()) for each in events]
        event_log.append(connection, new)
        first, second = (Event.FromString(each.payload) for each in event_log.read_after(connection, 0, 10))
        assert first == Event(session_id="s", home_view=HomeView())
        assert second == Event(customer_id="ann", visitor_id="v", home_view=HomeView())
        feedback = Feedback(feedback_id="f", recommendation_id="5", customer_id="ann")
        event_log.append(connection, [NewEvent("feedback\x1ff", None, "feedback", NOON, feedback.SerializeToString())])
        [last] = event_log.read_after(connection, 2, 10)
        assert (last.event_id, last.kind) == ("feedback\x1ff", "feedback")
        assert Feedback.FromString(last.payload) == Feedback(recommendation_id="5", customer_id="ann")


def test_rows_can_be_written_for_a_release_that_reads_plain_ones(database: Database) -> None:
    event = Event(event_id="e", customer_id="ann", home_view=HomeView())
    with database.write() as connection:
        event_log.append(connection, [NewEvent("e", None, "home_view", NOON, event.SerializeToString())], plainly=True)
        [row] = connection.execute(text("SELECT event_id, kind, payload, received_at FROM event_log"))
        assert (row.event_id, row.kind, Event.FromString(bytes(row.payload))) == ("e", "home_view", event)
        assert row.received_at is not None
        assert event_log.append(connection, [new_event("e")]) == {}


def test_the_time_of_receipt_is_known_to_the_minute(database: Database) -> None:
    minute = 60_000_000
    with database.write() as connection:
        event_log.append(connection, [new_event("a")])
        connection.execute(text("DELETE FROM event_receipts"))
        for sequence, now in ((1, minute), (5, minute + minute // 2), (7, 2 * minute), (9, 10 * minute)):
            event_receipts.note(connection, sequence, now)
        found = [event_receipts.last_before(connection, from_micros(int(each * minute))) for each in (1, 2.5, 3, 10)]
        assert found == [0, 6, 8, 8]
        assert event_receipts.last_before(connection, from_micros(12 * minute)) == 1, "the log ends there"
        event_receipts.forget(connection, 8)
        assert event_receipts.last_before(connection, from_micros(10 * minute)) == 8


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
        require_workable(empty)
    empty.close()
