"""Facts and aggregates as tables for analysts: rows of a period, some thousands at a time."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Float, FromClause, Select, String, select

from shared.db.engine import Database
from shared.db.metric_cells import start_of
from shared.db.schema import metric_cell_amounts, metric_cells, session_amounts, session_facts
from shared.db.types import UtcTime

CELLS, CELL_AMOUNTS, SESSIONS, SESSION_AMOUNTS = "cells", "cell_amounts", "sessions", "session_amounts"
ROWS_AT_ONCE = 10_000

_AMOUNTS = metric_cell_amounts.join(metric_cells, metric_cells.c.cell_id == metric_cell_amounts.c.cell_id)
_SPENT = session_amounts.join(session_facts, session_facts.c.session_id == session_amounts.c.session_id)
_TABLES: dict[str, tuple[FromClause, ColumnElement[int], Sequence[ColumnElement[Any]]]] = {
    CELLS: (metric_cells, metric_cells.c.day, list(metric_cells.c)),
    CELL_AMOUNTS: (_AMOUNTS, metric_cells.c.day, [metric_cells.c.day, *metric_cell_amounts.c]),
    SESSIONS: (session_facts, session_facts.c.day, list(session_facts.c)),
    SESSION_AMOUNTS: (_SPENT, session_facts.c.day, [session_facts.c.day, *session_amounts.c]),
}
"""By name what is read, the day that decides, and the columns."""


def columns_of(table: str) -> dict[str, str]:
    """Return the names of a table's columns with their kinds: `date`, `time`, `text`, `integer` or `number`."""
    _, _, columns = _TABLES[table]
    return {column.name: _kind(column) for column in columns}


def rows_of(database: Database, table: str, start: int, end: int) -> Iterator[list[Sequence[Any]]]:
    """Yield the rows of a table from a day to before another, in the order of days and keys; days become dates."""
    source, day, columns = _TABLES[table]
    keys = [column for column in columns if getattr(column, "primary_key", False)]
    query: Select[Any] = select(*columns).select_from(source).where(day >= start, day < end).order_by(day, *keys)
    place = [column.name for column in columns].index("day")
    with database.read() as connection:
        for some in connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query).partitions():
            yield [(*row[:place], start_of(row[place]).date(), *row[place + 1 :]) for row in some]


def _kind(column: ColumnElement[Any]) -> str:
    if column.key == "day":
        return "date"
    kinds = ((UtcTime, "time"), (String, "text"), (Float, "number"))
    return next((name for kind, name in kinds if isinstance(column.type, kind)), "integer")
