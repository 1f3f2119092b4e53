"""A consumer applies the log in order and each event once: after errors, with replicas, and past a poison event."""

import asyncio
import itertools
import re
import sqlite3
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import psycopg
import pytest
from sqlalchemy import select
from sqlalchemy.exc import DatabaseError, OperationalError

from shared.db import event_log, failed_events, log_consumer
from shared.db.engine import Connection, Database, next_count
from shared.db.event_faults import is_of_event, reason_of
from shared.db.event_log import LoggedEvent, NewEvent
from shared.db.failed_events import FailedEvent
from shared.db.log_consumer import Applied, LogConsumer, Replayed
from shared.db.revision import WORKS_FROM
from shared.db.schema import counters
from shared.db.types import to_micros
from shared.errors import Unavailable
from shared.events.catch_up import CatchUp
from shared.telemetry import BACKGROUND_ERRORS, EVENTS_BEHIND, EVENTS_SET_ASIDE

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def count_each(connection: Connection, events: Sequence[LoggedEvent]) -> None:
    for event in events:
        next_count(connection, event.event_id)
        if event.payload == b"poison":
            raise RuntimeError("a bug")


def fill(database: Database, *payloads: bytes) -> int:
    events = [NewEvent(f"e{n}", None, "home_view", NOON, payload) for n, payload in enumerate(payloads)]
    with database.write() as connection:
        return max(event_log.append(connection, events).values())


def record(database: Database, *names: str) -> None:
    with database.write() as connection:
        event_log.append(connection, [NewEvent(name, None, "home_view", NOON, b"") for name in names])


def counted(database: Database) -> dict[str, int]:
    with database.read() as connection:
        of_events = counters.c.name != WORKS_FROM
        return {row.name: row.value for row in connection.execute(select(counters).where(of_events))}


def set_aside(name: str) -> float:
    return EVENTS_SET_ASIDE.labels(name)._value.get()


def failures(database: Database, consumer: str) -> list[FailedEvent]:
    with database.read() as connection:
        return failed_events.read(connection, consumer)


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The rests that consumers took, in seconds; nobody sleeps."""
    taken: list[float] = []
    monkeypatch.setattr(log_consumer, "sleep", taken.append)
    return taken


def test_everything_is_applied_once(database: Database) -> None:
    last = fill(database, *[b""] * 7)
    consumer = LogConsumer(database, "customer", count_each, batch=3)
    assert consumer.apply() == Applied(last, 7)
    assert consumer.apply() == Applied(last, 0)
    assert counted(database) == {f"e{n}": 1 for n in range(7)}
    assert EVENTS_BEHIND.labels("customer")._value.get() == 0


def test_a_consumer_that_is_behind_rests_only_while_events_are_recorded(
    sqlite_database: Database, rests: list[float]
) -> None:
    fill(sqlite_database, *[b""] * 6)
    consumer = LogConsumer(sqlite_database, "customer", count_each, batch=2)
    assert consumer.apply_batch()
    assert consumer.apply_batch()
    assert rests == [], "nobody records"
    record(sqlite_database, "new-1", "new-2", "new-3")
    assert consumer.apply_batch()
    assert len(rests) == 1
    assert 0 < rests[0] <= log_consumer.LONGEST_STREAM_REST_SECONDS
    consumer.apply()
    record(sqlite_database, "new-4")
    consumer.apply()
    assert len(rests) == 1, "a consumer that keeps up does not rest"


def test_a_consumer_does_not_rest_for_what_its_caller_records(sqlite_database: Database, rests: list[float]) -> None:
    fill(sqlite_database, *[b""] * 3)
    consumer = LogConsumer(sqlite_database, "customer", count_each, batch=2)
    consumer.apply()
    record(sqlite_database, "own-1", "own-2", "own-3")
    assert consumer.apply(own=3).events == 3
    assert rests == []
    record(sqlite_database, "own-4", "own-5", "of-somebody-else")
    consumer.apply(own=2)
    assert len(rests) == 1


@pytest.mark.parametrize(("recorded", "longest"), [(40, "LONGEST_STREAM_REST_SECONDS"), (3, "LONGEST_REST_SECONDS")])
def test_a_consumer_leaves_a_stream_it_cannot_follow_most_of_the_time(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, rests: list[float], recorded: int, longest: str
) -> None:
    clock = itertools.count(1.0, 0.5)  # a batch takes half a second, and another passes until the next begins
    monkeypatch.setattr(log_consumer, "monotonic", lambda: next(clock))
    fill(sqlite_database, *[b""] * 50)
    consumer = LogConsumer(sqlite_database, "customer", count_each, batch=10)
    consumer.apply_batch()
    record(sqlite_database, *map(str, range(recorded)))
    consumer.apply_batch()
    assert rests == [getattr(log_consumer, longest)]


def test_who_waits_for_an_answer_does_not_wait_for_a_rest(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    resting, answered = threading.Event(), threading.Event()

    def rest(_seconds: float) -> None:
        resting.set()
        assert answered.wait(10)

    monkeypatch.setattr(log_consumer, "sleep", rest)
    last = fill(sqlite_database, *[b""] * 6)
    consumer = LogConsumer(sqlite_database, "customer", count_each, batch=2)
    consumer.apply_batch()
    record(sqlite_database, "new")
    with ThreadPoolExecutor(1) as pool:
        behind = pool.submit(consumer.apply_batch)
        assert resting.wait(10)
        consumer.apply_now(last, 10)
        answered.set()
        assert behind.result()
    assert len(counted(sqlite_database)) >= 6


def test_no_batch_is_begun_without_patience(sqlite_database: Database) -> None:
    last = fill(sqlite_database, b"", b"")
    LogConsumer(sqlite_database, "customer", count_each).apply_now(last, -1)
    assert not counted(sqlite_database)


def test_applying_up_to_a_number_stops_after_the_batch_that_holds_it(database: Database) -> None:
    last = fill(database, *[b""] * 7)
    consumer = LogConsumer(database, "customer", count_each, batch=2)
    assert consumer.apply(last - 4) == Applied(last - 3, 4)
    assert consumer.apply(last - 5) == Applied(last - 3, 0)
    assert consumer.apply(last + 100) == Applied(last + 100, 3), "what the log no longer has is nothing to wait for"


def test_a_batch_at_a_time_says_whether_there_is_more(database: Database) -> None:
    fill(database, *[b""] * 5)
    consumer = LogConsumer(database, "customer", count_each, batch=2)
    assert [consumer.apply_batch() for _ in range(4)] == [True, True, False, False]
    assert len(counted(database)) == 5


def test_a_poison_event_is_set_aside_with_its_reason_and_leaves_nothing(database: Database) -> None:
    last = fill(database, b"", b"", b"poison", b"", b"poison")
    consumer = LogConsumer(database, "poisoned", count_each, batch=4)
    before = set_aside("poisoned")
    assert consumer.apply() == Applied(last, 5)
    assert counted(database) == {"e0": 1, "e1": 1, "e3": 1}
    assert set_aside("poisoned") - before == 2
    kept = failures(database, "poisoned")
    assert [each.sequence for each in kept] == [last - 2, last]
    assert {(each.kind, each.attempts) for each in kept} == {("home_view", 1)}
    assert all(each.reason.startswith("RuntimeError at shared.db.log_consumer:") for each in kept)
    with database.read() as connection:
        assert failed_events.counts(connection) == {"poisoned": 2}
        assert failed_events.read(connection, "somebody else") == []
        assert [each.sequence for each in failed_events.read(connection, after=(last - 2, "poisoned"))] == [last]


@pytest.mark.parametrize("bad", [[17], [0, 1, 2], [63], [5, 40]])
def test_a_poison_event_costs_few_transactions(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, bad: list[int]
) -> None:
    fill(sqlite_database, *[b"poison" if number in bad else b"" for number in range(64)])
    consumer = LogConsumer(sqlite_database, "customer", count_each)
    begun: list[int] = []
    write = sqlite_database.write
    monkeypatch.setattr(sqlite_database, "write", lambda: begun.append(1) or write())
    consumer.apply()
    assert len(counted(sqlite_database)) == 64 - len(bad)
    assert len(begun) <= 2 * 7 * len(bad) + 2, "each is found by halving"


def test_a_batch_at_a_time_says_that_there_is_more_after_a_poison_event(database: Database) -> None:
    fill(database, b"", b"poison", b"", b"")
    consumer = LogConsumer(database, "customer", count_each)
    rounds = 1
    while consumer.apply_batch():
        rounds += 1
    assert rounds > 1
    assert sorted(counted(database)) == ["e0", "e2", "e3"]


def test_a_replay_applies_once_what_was_set_aside_and_counts_what_fails_again(database: Database) -> None:
    last = fill(database, b"", b"poison", b"poison")
    cured: set[str] = set()

    def project(connection: Connection, events: Sequence[LoggedEvent]) -> None:
        count_each(connection, [event._replace(payload=b"") if event.event_id in cured else event for event in events])

    consumer = LogConsumer(database, "customer", project)
    consumer.apply()
    cured.add("e1")
    wanted = range(1, last + 1)
    assert consumer.replay(wanted) == Replayed(1, 1)
    assert counted(database) == {"e0": 1, "e1": 1}
    assert [(each.sequence, each.attempts) for each in failures(database, "customer")] == [(last, 2)]
    assert consumer.replay([last - 1]) == Replayed(0, 0), "it is applied already"
    cured.add("e2")
    assert consumer.replay(wanted) == Replayed(1, 0)
    assert counted(database) == {"e0": 1, "e1": 1, "e2": 1}
    assert failures(database, "customer") == []


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OperationalError("SELECT 1", {}, sqlite3.OperationalError("disk I/O error")),
        DatabaseError("SELECT 1", {}, sqlite3.DatabaseError("database disk image is malformed")),
        sqlite3.OperationalError("database or disk is full"),
        psycopg.errors.AdminShutdown(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_is_not_the_events_fault_sets_nothing_aside_and_is_tried_again(
    sqlite_database: Database, error: Exception
) -> None:
    last = fill(sqlite_database, b"", b"")
    trouble = [error]

    def project(connection: Connection, events: Sequence[LoggedEvent]) -> None:
        count_each(connection, events)
        if trouble and events[-1].sequence == last:
            raise trouble[0]

    consumer = LogConsumer(sqlite_database, "customer", project)
    with pytest.raises(Exception):  # noqa: B017, PT011 - any: the cursor is what matters
        consumer.apply()
    assert failures(sqlite_database, "customer") == []
    trouble.clear()
    assert consumer.apply().sequence == last
    assert counted(sqlite_database) == {"e0": 1, "e1": 1}


def test_the_reason_names_our_code_and_no_values() -> None:
    with pytest.raises(ValueError, match="2026") as caught:
        to_micros(datetime(2026, 1, 1))  # noqa: DTZ001 - naive on purpose
    assert is_of_event(caught.value)
    assert re.fullmatch(r"ValueError at shared\.db\.types:\d+", reason_of(caught.value))
    assert reason_of(KeyError("ann@example.com")) == "KeyError at unknown"


def test_a_call_that_nobody_waits_for_begins_no_batch_and_holds_no_thread(sqlite_database: Database) -> None:
    last = fill(sqlite_database, *[b""] * 6)
    begun, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection, events: Sequence[LoggedEvent]) -> None:
        begun.set()
        assert go_on.wait(10)
        count_each(connection, events)

    consumer = LogConsumer(sqlite_database, "customer", slow, batch=2)
    assert consumer.apply(until=time.monotonic() - 1).events == 0
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(consumer.apply, until=time.monotonic() + 60)
        assert begun.wait(10)
        abandoned = pool.submit(consumer.apply, until=time.monotonic() + 0.01)
        assert abandoned.result(10).events == 0, "it does not wait for the one that is at work"
        go_on.set()
        assert first.result(10) == Applied(last, 6)


def test_an_unreachable_database_skips_nothing(sqlite_database: Database) -> None:
    fill(sqlite_database, b"", b"")

    def unreachable(_connection: Connection, _events: Sequence[LoggedEvent]) -> None:
        raise OperationalError("SELECT 1", {}, sqlite3.OperationalError("database is locked"))

    def buggy_then_unreachable(connection: Connection, events: Sequence[LoggedEvent]) -> None:
        if len(events) > 1:
            raise RuntimeError
        unreachable(connection, events)

    for project in (unreachable, buggy_then_unreachable):
        with pytest.raises(Unavailable):
            LogConsumer(sqlite_database, "customer", project).apply()
    with sqlite_database.read() as connection:
        assert event_log.cursor(connection, "customer") == 0


def test_replicas_share_the_work_without_doubling(database: Database) -> None:
    fill(database, *[b""] * 60)
    replicas = [LogConsumer(database, "customer", count_each, batch=4) for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        events = sum(applied.events for applied in pool.map(lambda replica: replica.apply(), replicas))
    assert events == 60
    assert set(counted(database).values()) == {1}
    assert len(counted(database)) == 60


async def test_catching_up_goes_on_after_an_error_and_stops_cleanly() -> None:
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()
    calls: list[int] = []

    def step() -> bool:
        calls.append(len(calls))
        if len(calls) == 2:
            raise RuntimeError("the database is away")
        if len(calls) == 4:
            loop.call_soon_threadsafe(enough.set)
        return len(calls) == 1

    errors = BACKGROUND_ERRORS.labels("tested", "catch_up")
    before = errors._value.get()
    catch_up = CatchUp("tested", step, pause_seconds=0.001)
    catch_up.start()
    await asyncio.wait_for(enough.wait(), 5)
    await catch_up.stop()
    await catch_up.stop()
    done = len(calls)
    assert done >= 4
    assert errors._value.get() - before == 1
    await asyncio.sleep(0)
    assert len(calls) == done
