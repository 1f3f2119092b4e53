"""A shop of any size to train on: an SQLite database that is filled in bulk, as an import would leave it.

Events, customers and products are those of `benchmarks.serving.generated`. An import of 50 million events checks each
of them, which takes hours that are not measured here; so the rows are written to the tables directly.
"""

import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.command import import_file, quintet
from benchmarks.quality.scaling.synthetic_data import NOW, synthetic_data
from benchmarks.serving.generated import ACTIVITY_SPREAD, REGIONS, Size, product_table
from cli.importing.shift import weeks_to_now
from services.recommendation.algorithms.interactions import DAY, Interactions, Kind
from shared.db.customer_updates import age_group

MICROSECONDS = 1_000_000
WEEK = 7 * DAY
ROWS_AT_ONCE = 500_000
DATABASE = "shop.db"
DWELL_SECONDS = 20.0
"""Mean of the exponential distribution of how long a view lasts."""
PRICES = (500, 1_000, 2_500, 5_000, 10_000)
"""Amounts of purchase lines, in minor units."""
PRAGMAS = ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=OFF", "cache_size=-2000000", "temp_store=FILE")


LEARNED = (
    "product_embeddings",
    "product_relations",
    "customer_embeddings",
    "customer_segment_memberships",
    "customer_segments",
    "model_chunks",
    "model_versions",
)
"""Tables that a training fills."""


def forget_training(file: Path) -> None:
    """Delete from the database of a shop what trainings have learned, so that the next one is the first again."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for table in LEARNED:
            connection.execute(f"DELETE FROM {table}")  # noqa: S608
        connection.execute("DELETE FROM counters WHERE name LIKE 'relations.%'")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def make_shop(size: Size, folder: Path) -> str:
    """Write the database of a shop below `folder` and return its URL. The same size gives the same shop."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / DATABASE
    for old in folder.glob(f"{file.name}*"):
        old.unlink()
    url = f"sqlite:///{file}"
    data = synthetic_data(
        size.products,
        size.seed,
        n_customers=size.customers,
        n_events=size.events,
        activity_spread=ACTIVITY_SPREAD,
    )
    rng = np.random.default_rng(size.seed + 1)
    weeks = weeks_to_now(NOW * MICROSECONDS)
    _import_products(data, rng, url, folder, weeks)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        _fill(connection, data, rng, weeks)
    quintet({"QUINTET_DATABASE_URL": url}, "migrate")
    return url


def _import_products(data: Interactions, rng: np.random.Generator, url: str, folder: Path, weeks: int) -> None:
    """Import the catalogue, which is small, as a shop does."""
    environment = {"QUINTET_DATABASE_URL": url}
    file = folder / "products.parquet"
    pq.write_table(product_table(data, rng), file)
    quintet(environment, "migrate")
    import_file(environment, "products", file, "--shift-weeks", str(weeks))
    file.unlink()


def _fill(connection: sqlite3.Connection, data: Interactions, rng: np.random.Generator, weeks: int) -> None:
    """Write customers, sessions and events, with the indexes made afterwards."""
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    indexes = _dropped_indexes(connection)
    keys = np.array([key for (key,) in connection.execute("SELECT product_id FROM products ORDER BY product_id")])
    times = (data.times + weeks * WEEK) * MICROSECONDS
    connection.execute("BEGIN")
    _insert(connection, "customers", ("customer_id", "external_id", "demographics", "registration_date"),
            _customers(data.n_customers, rng, (NOW - 400 * DAY + weeks * WEEK) * MICROSECONDS))  # fmt: skip
    _write_sessions(connection, data, times)
    _write_views(connection, data, times, keys, rng)
    _write_carts(connection, data, times, keys)
    _write_purchases(connection, data, times, keys, rng)
    connection.execute("COMMIT")
    for statement in indexes:
        connection.execute(statement)
    connection.execute("ANALYZE")


def _dropped_indexes(connection: sqlite3.Connection) -> list[str]:
    """Drop the indexes and return the statements that make them again."""
    found = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    ).fetchall()
    for name, _ in found:
        connection.execute(f'DROP INDEX "{name}"')
    return [sql for _, sql in found]


def _customers(count: int, rng: np.random.Generator, registered: int) -> Iterator[list[Any]]:
    ages, regions = rng.integers(18, 90, count), rng.integers(0, REGIONS, count)
    groups = {age: age_group(age) for age in range(18, 90)}
    for part in _parts(count):
        rows = np.arange(part.start, part.stop)
        yield [
            (rows + 1).tolist(),
            [f"c{row}" for row in rows.tolist()],
            [
                f'{{"age": {age}, "age_group": "{groups[age]}", "region": "region {region}"}}'
                for age, region in zip(ages[part].tolist(), regions[part].tolist(), strict=True)
            ],
            [registered] * len(rows),
        ]


def _write_sessions(connection: sqlite3.Connection, data: Interactions, times: NDArray[np.int64]) -> None:
    starts = np.flatnonzero(np.diff(data.baskets, prepend=-1))
    first = times[starts]
    last = np.maximum.reduceat(times, starts)
    counts = np.diff(starts, append=len(times))
    columns = (data.baskets[starts] + 1, data.customers[starts] + 1, first, last, counts)
    _insert(connection, "sessions", ("session_id", "customer_id", "started_at", "last_event_at", "event_count"),
            _pieces(columns))  # fmt: skip


def _write_views(
    connection: sqlite3.Connection,
    data: Interactions,
    times: NDArray[np.int64],
    keys: NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    chosen = np.flatnonzero(data.kinds == Kind.VIEW)
    seconds = rng.exponential(DWELL_SECONDS, len(chosen)).round()
    columns = (*_common(data, chosen, keys), times[chosen], seconds)
    _insert(connection, "browsing_history",
            ("customer_id", "product_id", "session_id", "view_time", "duration_seconds", "page_actions"),
            ([*piece, ["{}"] * len(piece[0])] for piece in _pieces(columns)))  # fmt: skip


def _write_carts(
    connection: sqlite3.Connection, data: Interactions, times: NDArray[np.int64], keys: NDArray[np.int64]
) -> None:
    chosen = np.flatnonzero(data.kinds == Kind.CART)
    none = np.zeros(len(chosen), np.int64)
    columns = (*_common(data, chosen, keys), np.ones(len(chosen)), none, none, none, none, times[chosen])
    names = ("quantity", "removed_quantity", "purchased_quantity", "purchased", "open", "added_timestamp")
    _insert(connection, "cart_items", ("customer_id", "product_id", "session_id", *names), _pieces(columns))


def _write_purchases(
    connection: sqlite3.Connection,
    data: Interactions,
    times: NDArray[np.int64],
    keys: NDArray[np.int64],
    rng: np.random.Generator,
) -> None:
    """Write what is bought in a session as one order, at the moment of its first line."""
    chosen = np.flatnonzero(data.kinds == Kind.PURCHASE)
    amounts = rng.choice(PRICES, len(chosen))
    starts = np.flatnonzero(np.diff(data.baskets[chosen], prepend=-1))
    first = chosen[starts]
    orders = data.baskets[first] + 1
    totals = np.add.reduceat(amounts, starts)
    columns = (orders, data.customers[first] + 1, orders, times[first], totals, np.zeros(len(first), np.int64))
    _insert(connection, "purchases",
            ("purchase_id", "customer_id", "session_id", "timestamp", "total_amount", "refunded_amount",
             "external_id", "currency"),
            ([*piece, [f"o-{order}" for order in piece[0]], ["USD"] * len(piece[0])] for piece in _pieces(columns)),
            )  # fmt: skip
    none = np.zeros(len(chosen), np.int64)
    lines = (data.baskets[chosen] + 1, keys[data.products[chosen]], np.ones(len(chosen)), amounts, none, none)
    _insert(connection, "purchase_items",
            ("purchase_id", "product_id", "quantity", "amount", "refunded_quantity", "refunded_amount"),
            _pieces(lines))  # fmt: skip


def _common(data: Interactions, chosen: NDArray[np.int64], keys: NDArray[np.int64]) -> tuple[NDArray[Any], ...]:
    return data.customers[chosen] + 1, keys[data.products[chosen]], data.baskets[chosen] + 1


def _pieces(columns: Iterable[NDArray[Any]]) -> Iterator[list[Any]]:
    columns = list(columns)
    for part in _parts(len(columns[0])):
        yield [column[part].tolist() for column in columns]


def _parts(count: int) -> Iterator[slice]:
    return (slice(start, min(start + ROWS_AT_ONCE, count)) for start in range(0, count, ROWS_AT_ONCE))


def _insert(connection: sqlite3.Connection, table: str, names: tuple[str, ...], pieces: Iterable[list[Any]]) -> None:
    statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608
    for piece in pieces:
        connection.executemany(statement, zip(*piece, strict=True))


if __name__ == "__main__":
    make_shop(Size(*(int(number) for number in sys.argv[1:4])), Path(sys.argv[4]))
