"""`python -m benchmarks.scale.growth`: the disk that events and answers take, and the time to record and drop events.

A shop of 2,000 customers and 5,000 products on SQLite records events through the coordinator's writer, as many in a
transaction as a busy coordinator has, and logs answers of ten items. What counts is the growth of the file, with the
write-ahead log copied into it. Events and answers are drawn with a fixed seed. At last retention drops the whole log of
events, and the longest of its transactions is told: so long others may have waited for the write lock.
"""

import argparse
import json
import random
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from quintet.type.v1.event_pb2 import Event
from sqlalchemy import Connection, text

from services.coordinator.event_validation import submit_event
from services.coordinator.event_writer import EventWriter
from shared.algorithms import ALGORITHM_NAMES
from shared.db import customer_updates, event_log, retention
from shared.db.batches import batches
from shared.db.customer_updates import NewCustomer
from shared.db.engine import Database
from shared.db.migrate import migrate
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList, log_recommendations
from shared.db.schema import products
from shared.events.failed import APPLYING
from shared.recommendation_tokens import RecommendationNumbers, TokenKeys

CUSTOMERS, PRODUCTS = 2_000, 5_000
AT_ONCE = 200
"""Events in a transaction, and lists: what gathers while the one before is committed."""
ITEMS, GIVERS = 10, 5
"""Items of an answer, and algorithms that give to each."""
SEED = 7
START = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = ("product_view", "home_view", "search", "category_view", "add_to_cart", "purchase", "cart_view")
SHARES = (60, 8, 8, 8, 8, 4, 4)


@dataclass(frozen=True)
class Growth:
    """What came of a run: bytes of the file by event and by answer, what recording an event cost, and dropping all."""

    bytes_per_event: float
    bytes_per_answer: float
    events_a_second: float
    cpu_microseconds_per_event: float
    longest_slice_ms: float


class TimedDatabase(Database):
    """A database that knows the longest of its write transactions: from the lock to the end of the commit."""

    longest_seconds = 0.0

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in a write transaction and take its time."""
        with super().write() as connection:
            began = perf_counter()
            yield connection
        self.longest_seconds = max(self.longest_seconds, perf_counter() - began)


def measure(events: int, answers: int, folder: Path) -> Growth:
    """Record events and log answers in a new database below `folder`, drop the events, and return what it took."""
    database = TimedDatabase(f"sqlite:///{folder / 'growth.db'}")
    try:
        _open_shop(database)
        writer = EventWriter(database, TokenKeys([bytes(32)]))
        before = _size(database)
        seconds, cpu = _record(writer, events)
        between = _size(database)
        _answer(database, answers)
        after = _size(database)
        longest = _drop_events(database, events)
    finally:
        database.close()
    return Growth(
        round((between - before) / events, 1),
        round((after - between) / answers, 1),
        round(events / seconds),
        round(cpu / events * 1e6, 1),
        round(longest * 1e3, 1),
    )


def drawn_events(count: int, seed: int = SEED) -> Iterator[Event]:
    """Yield events as shops send them: a UUID each, a session of the platform's, a few seconds apart."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    for number in range(count):
        customer = draw.randrange(CUSTOMERS)
        event = Event(
            event_id=str(uuid.UUID(int=draw.getrandbits(128), version=4)),
            customer_id=f"customer-{customer}",
            session_id=f"s-{customer:05d}-{number // 20_000}",
            **_detail(draw, number),
        )
        event.event_time.FromDatetime(START + timedelta(milliseconds=250 * number))
        yield event


def _detail(draw: random.Random, number: int) -> dict[str, Any]:
    product = f"product-{draw.randrange(PRODUCTS)}"
    kind = draw.choices(KINDS, SHARES)[0]
    details: dict[str, dict[str, object]] = {
        "product_view": {"product_id": product, "duration_seconds": float(draw.randrange(5, 90))},
        "search": {"query": f"word{draw.randrange(500)} word{draw.randrange(500)}"},
        "category_view": {"category": f"category {draw.randrange(40)}"},
        "add_to_cart": {"items": [{"product_id": product, "quantity": 1}]},
        "purchase": {
            "purchase_id": f"order-{number}",
            "items": [
                {"product_id": f"product-{draw.randrange(PRODUCTS)}", "quantity": 1, "amount": _usd(draw)}
                for _ in range(draw.randrange(1, 4))
            ],
        },
    }
    return {kind: details.get(kind, {})}


def _usd(draw: random.Random) -> dict[str, object]:
    return {"currency_code": "USD", "amount_minor": draw.randrange(100, 10_000)}


def _open_shop(database: Database) -> None:
    migrate(database)
    rows = [
        {
            "external_id": f"product-{number}",
            "name": f"Product {number}",
            "category": f"category {number % 40}",
            "price": 100 + number,
            "currency": "USD",
            "available_at": START,
            "updated_at": START,
            "change_sequence": number,
        }
        for number in range(PRODUCTS)
    ]
    with database.write() as connection:
        customer_updates.upsert(connection, [NewCustomer(f"customer-{number}") for number in range(CUSTOMERS)])
        connection.execute(products.insert(), rows)


def _record(writer: EventWriter, count: int) -> tuple[float, float]:
    """Record events and return the seconds that took and the CPU time of this process, without making them."""
    seconds = cpu = 0.0
    for some in batches(drawn_events(count), AT_ONCE):
        began, worked = perf_counter(), process_time()
        outcomes = writer.commit([submit_event(event) for event in some])
        seconds, cpu = seconds + perf_counter() - began, cpu + process_time() - worked
        if any(outcome.error or outcome.duplicate for outcome in outcomes):
            raise RuntimeError("an event was not recorded")
    return seconds, cpu


def _answer(database: Database, count: int) -> None:
    draw, numbers = random.Random(SEED), RecommendationNumbers(1)  # noqa: S311 - no secret
    for some in batches(range(count), AT_ONCE):
        with database.write() as connection:
            log_recommendations(connection, [_list(draw, number, numbers.take()) for number in some])


def _list(draw: random.Random, place: int, number: int) -> NewList:
    givers = draw.sample(sorted(ALGORITHM_NAMES), GIVERS)
    items = [
        ListItem(
            position,
            draw.randrange(1, PRODUCTS),
            draw.random(),
            givers[position % GIVERS],
            {name: draw.random() for name in givers},
            {"kind": "also_bought", "product_id": f"product-{draw.randrange(PRODUCTS)}"},
        )
        for position in range(1, ITEMS + 1)
    ]
    at = START + timedelta(milliseconds=10 * place)
    packed = PackedItems.of(items)
    key = draw.randrange(1, CUSTOMERS)
    return NewList(number, uuid.uuid4().hex, key, "HOME", at, packed, "hybrid", "20260101T120000Z-a1b2")


def _drop_events(database: TimedDatabase, count: int) -> float:
    """Drop all events by retention, as if every agent had applied them; return the seconds of the longest slice."""
    with database.write() as connection:
        last = event_log.last_sequence(connection)
        for agent in APPLYING:
            event_log.lock_cursor(connection, agent)
            event_log.move_cursor(connection, agent, last)
    database.longest_seconds = 0.0
    if retention.drop_events(database, days=-1) != count:
        raise RuntimeError("an event was not dropped")
    return database.longest_seconds


def _size(database: Database) -> int:
    """Return the bytes of the database file, with all that was committed in it."""
    with database.engine.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
        return int(pages) * int(connection.execute(text("PRAGMA page_size")).scalar_one())


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--answers", type=int, default=100_000)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        growth = measure(given.events, given.answers, Path(folder))
    figures = {
        "log.bytes_per_event": growth.bytes_per_event,
        "log.bytes_per_answer": growth.bytes_per_answer,
        "log.events_a_second": growth.events_a_second,
        "log.cpu_microseconds_per_event": growth.cpu_microseconds_per_event,
        "retention.longest_slice_ms": growth.longest_slice_ms,
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
