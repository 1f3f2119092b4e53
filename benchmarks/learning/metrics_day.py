"""How long metrics of a day of a million events take: to keep them as events stream in, and to answer.

The tables are filled as the agents leave them (sessions, orders, lists, responses, the event log); then the consumer of
the metrics goes through the whole log, and `GetMetrics` is asked for every metric, without dimensions and by each.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from time import monotonic, process_time
from typing import Any, NamedTuple

import numpy as np
from quintet.feedback.v1 import feedback_service_pb2 as pb
from quintet.type.v1.metric_pb2 import MetricQuery
from sqlalchemy import Table

from benchmarks.learning.figures import Figure, printed
from services.feedback.agent import FeedbackAgent
from services.feedback.attribution import Windows
from services.feedback.metrics.definitions import OF_LISTS, OF_SESSIONS
from services.feedback.metrics.projection import MetricsProjection
from services.feedback.servicer import FeedbackServicer
from shared.db import event_log, models, segments
from shared.db.bulk import insert_rows
from shared.db.engine import Database
from shared.db.migrate import migrate
from shared.db.product_embeddings import store_embeddings
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList, log_recommendations
from shared.db.schema import (
    customers,
    products,
    purchase_items,
    purchases,
    recommendation_outcomes,
    recommendations,
    sessions,
)
from shared.db.schema import event_log as log_table
from shared.db.segments import RFM, Segment
from shared.db.types import to_micros
from shared.recommendation_tokens import LIST_BITS, number_at

MILLION = 1_000_000
EVENTS_A_SESSION = 12
PRODUCTS, DIMENSIONS = 20_000, 64
ITEMS = 8
SEGMENTS = ("champions", "loyal", "promising", "new", "at risk", "hibernating", "lost")
PLACES = (("HOME", "home-top"), ("PRODUCT", ""), ("CART", "cart-side"), ("CATEGORY", "category-top"))
ALGORITHMS = ("ease", "content", "popular", "session_knn", "new_arrivals")
DAY = datetime(2026, 6, 1, tzinfo=UTC)
AT_ONCE = 5_000
SHOWN, CLICKED, BOUGHT, WITH_ORDER = 0.75, 0.06, 0.1, 0.04
REPEATS = 3
UNITS = {"seconds": "s", "event": "µs", "metrics.events": "events"}
"""By the last word of a figure's name."""
ABOUT = """A day of the shop: sessions, orders, lists and responses as the agents leave them, and the log of its events.
The consumer goes through the whole log; then `GetMetrics` is asked for every metric, without dimensions
(`metrics.million_events_seconds`) and by each dimension that they are kept by. The best of three."""


def figures(events: int = MILLION, seed: int = 1, url: str = "") -> dict[str, float]:
    """Return the figures by name: seconds of answers, microseconds of the consumer for each event.

    Parameters
    ----------
    events : int
        Events of the day.
    url : str
        An empty database; by default a SQLite file that goes afterwards.
    """
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(Database(url or f"sqlite:///{Path(folder) / 'day.db'}")) as database,
    ):
        migrate(database)
        Day(database, events, seed).fill()
        spent = _consume(database)
        seconds = asyncio.run(_ask(database))
    whole, *by_one = seconds.values()
    return {
        "metrics.million_events_seconds": round(whole.wall, 3),
        "metrics.million_events_cpu_seconds": round(whole.cpu, 3),
        "metrics.slowest_dimension_seconds": round(max(each.wall for each in by_one), 3),
        "metrics.slowest_dimension_cpu_seconds": round(max(each.cpu for each in by_one), 3),
        "metrics.consumer_microseconds_per_event": round(1e6 * spent / events, 1),
        "metrics.events": events,
    }


def _consume(database: Database) -> float:
    """Return the seconds that the consumer takes for the whole log, without its rests."""
    projection, began = MetricsProjection(database), monotonic()
    while projection.step():
        pass
    return monotonic() - began


class Taken(NamedTuple):
    """Seconds that an answer took, and those that this process worked."""

    wall: float
    cpu: float


async def _ask(database: Database) -> dict[str, Taken]:
    """Return the best time of an answer with all metrics, without dimensions first and then by each that they have."""
    servicer = FeedbackServicer(FeedbackAgent(database, Windows(), lambda: DAY + timedelta(days=1)))
    queries = {"nothing": MetricQuery()}
    queries |= {name: MetricQuery(dimensions=[name]) for name in dict.fromkeys((*OF_SESSIONS, *OF_LISTS))}
    taken = {}
    for name, query in queries.items():
        query.start_time.FromDatetime(DAY)
        query.end_time.FromDatetime(DAY + timedelta(days=1))
        taken[name] = min([await _seconds(servicer, query) for _ in range(REPEATS)])
    return taken


async def _seconds(servicer: FeedbackServicer, query: MetricQuery) -> Taken:
    began, worked = monotonic(), process_time()
    answer = await servicer.GetMetrics(pb.GetMetricsRequest(query=query), None)
    answer.SerializeToString()
    return Taken(monotonic() - began, process_time() - worked)


class Day:
    """A day of a shop, as its tables have it. Shoppers come evenly over the day; products are bought by rank."""

    def __init__(self, database: Database, events: int, seed: int) -> None:
        self._database = database
        self._sessions = max(1, events // EVENTS_A_SESSION)
        self._events = events
        self._customers = max(1, self._sessions * 3 // 4)
        self._draw = random.Random(seed)  # noqa: S311 - a reproducible day, no secret
        self._cumulated = list(accumulate(1 / (rank + 10) for rank in range(PRODUCTS)))
        self._sequence = 0

    def fill(self) -> None:
        """Write all tables, and say that both agents have applied the log."""
        self._catalogue(np.random.default_rng(self._draw.randrange(1 << 30)))
        self._people()
        for first in range(1, self._sessions + 1, AT_ONCE):
            self._some_sessions(range(first, min(first + AT_ONCE, self._sessions + 1)))
        with self._database.write() as connection:
            for agent in (event_log.CUSTOMER_CONSUMER, event_log.FEEDBACK_CONSUMER):
                event_log.lock_cursor(connection, agent)
                event_log.move_cursor(connection, agent, self._sequence)

    def _catalogue(self, rng: np.random.Generator) -> None:
        at = to_micros(DAY)
        columns = ("product_id", "external_id", "name", "description", "category", "subcategory", "brand", "price")
        more = ("currency", "cost", "attributes", "tags", "image_urls", "inventory_status", "recommendable")
        last = ("available_at", "updated_at", "change_sequence")
        said, more_said = ("", "c", "", ""), ("{}", "[]", "[]", "IN_STOCK", True)
        rows = [
            (key, f"p{key}", f"p{key}", *said, 1000, "USD", 600 if key % 2 else None, *more_said, at, at, key)
            for key in range(1, PRODUCTS + 1)
        ]
        models.save_model(self._database, "embedding_space", "v", b"", {})
        with self._database.write() as connection:
            insert_rows(connection, products, (*columns, *more, *last), rows)
            vectors = rng.standard_normal((PRODUCTS, DIMENSIONS)).astype(np.float32)
            store_embeddings(connection, "v", range(1, PRODUCTS + 1), vectors)

    def _people(self) -> None:
        at = to_micros(DAY)
        rows = [(key, f"c{key}", "{}", at) for key in range(1, self._customers + 1)]
        with self._database.write() as connection:
            insert_rows(
                connection, customers, ("customer_id", "external_id", "demographics", "registration_date"), rows
            )
            keys = segments.replace_segments(connection, [Segment(name, RFM, {}) for name in SEGMENTS])
            members = {row[0]: [(keys[SEGMENTS[row[0] % len(SEGMENTS)]], 0.9)] for row in rows}
            segments.replace_memberships(connection, members)

    def _some_sessions(self, keys: Sequence[int]) -> None:
        rows: dict[Table, list[tuple[Any, ...]]] = {table: [] for table in _COLUMNS}
        lists: list[NewList] = []
        for key in keys:
            self._one(key, rows, lists)
        with self._database.write() as connection:
            log_recommendations(connection, lists)
            for table, columns in _COLUMNS.items():
                insert_rows(connection, table, columns, rows[table])

    def _one(self, key: int, rows: dict[Table, list[tuple[Any, ...]]], lists: list[NewList]) -> None:
        """Add a session: views and, in most, one list that is seen, of which something may be clicked and bought."""
        who, began = 1 + key % self._customers, DAY + timedelta(seconds=86_000 * key / self._sessions)
        at = [to_micros(began + timedelta(seconds=20 * n)) for n in range(EVENTS_A_SESSION)]
        first = self._sequence + 1
        self._sequence += EVENTS_A_SESSION
        rows[log_table] += [(first + n, who, "v", moment, b"", f"e{first + n}") for n, moment in enumerate(at)]
        rows[sessions].append((key, who, None, at[0], at[-1], EVENTS_A_SESSION))
        shelf = self._draw.choices(range(1, PRODUCTS + 1), cum_weights=self._cumulated, k=2 * ITEMS)
        chosen = list(dict.fromkeys(shelf))[:ITEMS]
        number = (1 << LIST_BITS) + key
        by = [self._draw.choice(ALGORITHMS) for _ in chosen]
        items = [ListItem(n, product, 1.0, name) for n, (product, name) in enumerate(zip(chosen, by, strict=True), 1)]
        page, place = PLACES[key % len(PLACES)]
        lists.append(NewList(number, "r", who, page, began, PackedItems.of(items), "hybrid", "m", place))
        if self._draw.random() < SHOWN:
            self._responses(number, who, items, at, first, rows)
        if self._draw.random() < WITH_ORDER:
            self._order(key, who, chosen[:3], at[-1], rows)

    def _responses(
        self,
        number: int,
        who: int,
        items: Sequence[ListItem],
        at: Sequence[int],
        first: int,
        rows: dict[Table, list[tuple[Any, ...]]],
    ) -> None:
        for item in items:
            key, clicked = number_at(number, item.position), self._draw.random() < CLICKED
            marks = (True, clicked, clicked and self._draw.random() < BOUGHT)
            rows[recommendations].append((key, who, item.product_key, item.algorithm, at[0], *marks, at[1], number))
            rows[recommendation_outcomes].append((key, "shown", at[1], first + 1))
            if clicked:
                rows[recommendation_outcomes].append((key, "click", at[2], first + 2))

    def _order(
        self, key: int, who: int, bought: Sequence[int], at: int, rows: dict[Table, list[tuple[Any, ...]]]
    ) -> None:
        rows[purchases].append((key, f"o{key}", who, key, at, 1000 * len(bought), 0, "USD"))
        rows[purchase_items] += [(key, product, 1.0, 1000, 0.0, 0) for product in bought]


_COLUMNS: dict[Table, tuple[str, ...]] = {
    sessions: ("session_id", "customer_id", "external_id", "started_at", "last_event_at", "event_count"),
    log_table: ("sequence", "customer_id", "kind", "occurred_at", "payload", "event_id"),
    purchases: (
        "purchase_id",
        "external_id",
        "customer_id",
        "session_id",
        "timestamp",
        "total_amount",
        "refunded_amount",
        "currency",
    ),
    purchase_items: ("purchase_id", "product_id", "quantity", "amount", "refunded_quantity", "refunded_amount"),
    recommendations: (
        "id",
        "customer_id",
        "product_id",
        "algorithm",
        "generated_at",
        "was_shown",
        "was_clicked",
        "was_added_to_cart",
        "shown_at",
        "list_id",
    ),
    recommendation_outcomes: ("recommendation_id", "kind", "occurred_at", "event_sequence"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the figures and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning.metrics_day", description=__doc__)
    parser.add_argument("--events", type=int, default=MILLION, help="of the day (default %(default)s)")
    parser.add_argument("--url", default="", help="an empty database; default a SQLite file that goes afterwards")
    given = parser.parse_args(arguments)
    found = figures(given.events, url=given.url)
    rows = [Figure(name, value, UNITS[name.rpartition("_")[2]]) for name, value in found.items()]
    print(printed(rows, ABOUT, events=given.events))
    return 0


if __name__ == "__main__":
    sys.exit(main())
