"""What came in by day: views and orders by category, events by kind. A day is counted once, when it is over.

Written by the feedback agent.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, select

from shared.db import event_receipts
from shared.db.engine import Database, replace_rows
from shared.db.event_rows import kind_of
from shared.db.metric_cells import start_of
from shared.db.schema import browsing_history, event_log, input_counts, products, purchase_items, purchases

VIEWED, BOUGHT, EVENTS = "category_viewed", "category_bought", "event_kind"
NOTHING = ""
"""Value of the row that says that a day was counted."""
LATE = timedelta(hours=1)
"""How long after its day an event still counts."""
Counts = dict[str, int]


def counts_by_day(database: Database, days: Sequence[int]) -> dict[str, dict[int, Counts]]:
    """Return counts of whole days, by dimension, day and value; a value of which there is nothing is missing.

    Days that were not counted yet are counted and stored.

    Parameters
    ----------
    database : Database
    days : sequence of int
        Days since 1970-01-01 in UTC that are over.
    """
    found: dict[str, dict[int, Counts]] = {}
    fresh: list[tuple[str, int]] = []
    for dimension, count in _DIMENSIONS.items():
        with database.read() as connection:
            counted = _stored(connection, dimension, days)
            for day in sorted(set(days) - counted.keys()):
                counted[day] = count(connection, day)
                fresh.append((dimension, day))
        found[dimension] = counted
    with database.write() as connection:
        for dimension, day in fresh:
            _store(connection, dimension, day, found[dimension][day])
    return found


def _stored(connection: Connection, dimension: str, days: Sequence[int]) -> dict[int, Counts]:
    columns = input_counts.c
    query = select(columns.day, columns.value, columns.count).where(
        columns.dimension == dimension, columns.day.in_(days)
    )
    found: dict[int, Counts] = {}
    for day, value, count in connection.execute(query):
        counts = found.setdefault(day, {})
        if value != NOTHING:
            counts[value] = count
    return found


def _store(connection: Connection, dimension: str, day: int, counts: Mapping[str, int]) -> None:
    named = {NOTHING: 0, **counts}
    rows = [{"day": day, "dimension": dimension, "value": value, "count": named[value]} for value in sorted(named)]
    replace_rows(connection, input_counts, ["day", "dimension", "value"], rows)


def _viewed(connection: Connection, day: int) -> Counts:
    view = browsing_history.c
    query = select(products.c.category, func.count()).join(products, products.c.product_id == view.product_id)
    return _counted(connection, query.where(view.view_time >= start_of(day), view.view_time < start_of(day + 1)))


def _bought(connection: Connection, day: int) -> Counts:
    query = (
        select(products.c.category, func.count())
        .select_from(purchases)
        .join(purchase_items, purchase_items.c.purchase_id == purchases.c.purchase_id)
        .join(products, products.c.product_id == purchase_items.c.product_id)
    )
    at = purchases.c.timestamp
    return _counted(connection, query.where(at >= start_of(day), at < start_of(day + 1)))


def _counted(connection: Connection, query: Select[Any]) -> Counts:
    category = products.c.category
    rows = connection.execute(query.where(category != "").group_by(category))
    return {value: int(count) for value, count in rows}


def _events(connection: Connection, day: int) -> Counts:
    columns, (start, end) = event_log.c, (start_of(day), start_of(day + 1))
    received = (event_receipts.last_before(connection, moment) for moment in (start, end + LATE))
    query = select(columns.kind, func.count()).where(
        columns.sequence > next(received),
        columns.sequence <= next(received),
        columns.occurred_at >= start,
        columns.occurred_at < end,
    )
    found: Counts = {}
    for stored, count in connection.execute(query.group_by(columns.kind)):
        found[kind_of(stored)] = found.get(kind_of(stored), 0) + int(count)
    return found


_DIMENSIONS: Mapping[str, Callable[[Connection, int], Counts]] = {VIEWED: _viewed, BOUGHT: _bought, EVENTS: _events}
