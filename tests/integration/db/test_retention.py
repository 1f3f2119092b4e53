"""Each growing table has a policy: what is older goes, and nothing that is needed still."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quintet.type.v1.event_pb2 import Event
from sqlalchemy import delete, insert, update

from shared.consent import Consent
from shared.db import consents, customers, failed_events, job_runs, retention, slices
from shared.db import event_log as log
from shared.db.engine import Database
from shared.db.event_log import NewEvent
from shared.db.schema import event_log, event_receipts
from shared.db.schema import job_runs as runs
from tests.support.events import add_customers, add_products, append, event, happened, purchase, rows, view
from tests.support.slow_rows import slow_rows

NOW = datetime.now(UTC)


@pytest.fixture(autouse=True)
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "FIRST_ROWS", 2)
    monkeypatch.setattr(slices, "REST_SECONDS", 0.0)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def happened_ago(database: Database, *days: float) -> None:
    """Have ann view a product, and search, so many days ago."""
    for each in days:
        for made in (view("ann", "tea"), event("ann", search={"query": "tea"})):
            made.event_time.FromDatetime(ago(each))
            happened(database, made)


@pytest.fixture
def shop(database: Database) -> Database:
    add_customers(database, "ann")
    add_products(database, {"tea": (100, "USD")})
    return database


def test_only_what_is_older_than_its_policy_goes(shop: Database) -> None:
    happened_ago(shop, 0, 89, 91, 92, 93, 400)
    assert retention.drop_views(shop, 90) == 4
    assert retention.drop_views(shop, 90) == 0
    assert len(rows(shop, "browsing_history")) == 2
    assert retention.drop_page_events(shop, 92) == 3
    assert len(rows(shop, "page_events")) == 3


def test_sessions_go_when_nothing_refers_to_them(shop: Database) -> None:
    happened_ago(shop, 0, 200, 300)
    bought = purchase("ann", "o-1", [("tea", 1, 100)])
    bought.event_time.FromDatetime(ago(300))
    happened(shop, bought)
    assert retention.drop_sessions(shop, 90) == 0
    retention.drop_views(shop, 90)
    retention.drop_page_events(shop, 90)
    assert retention.drop_sessions(shop, 90) == 1
    assert len(rows(shop, "sessions")) == 2
    assert len(rows(shop, "purchases")) == 1


def visited(database: Database, visitor: str, days: float, **detail: Any) -> None:
    """Have a visitor who is no customer do something so many days ago; a search unless said."""
    made = Event(event_id=f"{visitor} {days}", visitor_id=visitor, **(detail or {"search": {"query": "tea"}}))
    made.event_time.FromDatetime(ago(days))
    happened(database, made)


def known_visitors(database: Database) -> set[str]:
    return {row["visitor_id"] for row in rows(database, "visitors")}


def test_visitors_go_with_the_last_row_about_them(shop: Database) -> None:
    for visitor in ("gone", "agreed", "became ann", "here"):
        visited(shop, visitor, 0.5 if visitor == "here" else 300)
    visited(shop, "bought", 300, purchase={"purchase_id": "o", "items": [{"product_id": "tea"}]})
    with shop.write() as connection:
        agreed = customers.known_visitors(connection, ["agreed"])["agreed"]
        consents.store(connection, agreed, Consent(train=True), NOW)
    visited(shop, "became ann", 298, home_view={}, customer_id="ann")
    retention.drop_page_events(shop, 90)
    retention.drop_sessions(shop, 90)
    assert retention.drop_visitors(shop, 90) == 0, "the log has their events"
    with shop.write() as connection:
        connection.execute(delete(event_log))
    before = len(rows(shop, "customers"))
    assert retention.drop_visitors(shop, 400) == 0
    assert retention.drop_visitors(shop, 90) == 1
    assert known_visitors(shop) == {"agreed", "became ann", "here", "bought"}
    assert len(rows(shop, "customers")) == before - 1
    visited(shop, "gone", 0)
    assert "gone" in known_visitors(shop), "who comes back begins anew"


def received(database: Database, *days: float) -> list[int]:
    """Append events that were received so many days ago, and return their numbers."""
    numbers = []
    with database.write() as connection:
        for each in days:
            new = NewEvent(f"e-{len(numbers)}", None, "home_view", ago(each), b"")
            [number] = log.append(connection, [new]).values()
            numbers.append(number)
            connection.execute(delete(event_receipts).where(event_receipts.c.first_sequence == number))
            connection.execute(insert(event_receipts).values(first_sequence=number, received_at=ago(each)))
    return numbers


def apply_to(database: Database, consumer: str, sequence: int) -> None:
    with database.write() as connection:
        log.lock_cursor(connection, consumer)
        log.move_cursor(connection, consumer, sequence)


def kept(database: Database) -> list[int]:
    return [row["sequence"] for row in rows(database, "event_log")]


def test_the_log_keeps_what_the_slowest_agent_has_yet_to_apply(database: Database) -> None:
    numbers = received(database, 500, 450, 420, 390, 0)
    assert retention.drop_events(database, 400) == 0, "nobody has applied anything"
    apply_to(database, "customer", numbers[-1])
    assert retention.drop_events(database, 400) == 0, "the feedback agent has applied nothing"
    apply_to(database, "feedback", numbers[1])
    assert retention.drop_events(database, 400) == 2
    assert kept(database) == numbers[2:]
    apply_to(database, "feedback", numbers[-1])
    assert retention.drop_events(database, 400) == 1
    assert kept(database) == numbers[3:]
    with database.read() as connection:
        assert log.trimmed(connection) == numbers[2]


def test_an_event_that_was_set_aside_stays_in_the_log_while_it_can_be_replayed(database: Database) -> None:
    numbers = received(database, 500, 450)
    for consumer in ("customer", "feedback"):
        apply_to(database, consumer, numbers[-1])
    with database.write() as connection:
        failed_events.set_aside(connection, "customer", log.read_after(connection, 0, 1)[0], "KeyError")
    assert retention.drop_events(database, 400) == 1
    assert kept(database) == numbers[:1]
    assert retention.drop_failed_events(database, 1) == 0
    assert retention.drop_failed_events(database, -1) == 1
    assert retention.drop_events(database, 400) == 1


def test_the_last_run_of_each_kind_of_job_stays(database: Database) -> None:
    with database.write() as connection:
        for number in range(3):
            job_runs.start(connection, f"train-{number}", "train_models")
            job_runs.succeed(connection, f"train-{number}", {})
            at = ago(200 - number)
            connection.execute(
                update(runs).where(runs.c.job_id == f"train-{number}").values(started_at=at, ended_at=at)
            )
        job_runs.start(connection, "maintain", "maintenance")
    assert retention.drop_job_runs(database, 90) == 2
    assert [row["job_id"] for row in rows(database, "job_runs")] == ["maintain", "train-2"]


def test_a_slice_is_as_large_as_its_time_allows() -> None:
    size = slices.SliceSize()
    size.rows = 1_000
    size.learn(1_000, 0.5)
    assert size.rows == 50, "it took ten times the longest, so half of a tenth is taken next"
    size.learn(50, 0.0001)
    assert size.rows == 100, "it grows twofold at most"
    size.learn(100, 1e9)
    assert size.rows == 1
    for _ in range(20):
        size.learn(size.rows, 0.0)
    assert size.rows == slices.MOST_ROWS


def test_no_slice_holds_the_lock_for_long(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock says that a row takes a millisecond: slices become as small as that asks for."""
    append(shop, [event("ann", minute / 1000, search={"query": "tea"}) for minute in range(300)])
    while any(row["sequence"] == 0 for row in rows(shop, "event_cursors")) or not rows(shop, "page_events"):
        happened(shop, event("ann", 1, search={"query": "tea"}))
    sizes = slow_rows(monkeypatch)
    monkeypatch.setattr(slices, "FIRST_ROWS", 100)
    gone = retention.drop_page_events(shop, -1)
    assert gone == sum(sizes) >= 300
    assert set(sizes[1:-1]) == {25}, "half of 50 milliseconds"
