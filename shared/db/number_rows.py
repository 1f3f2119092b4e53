"""Rows of numbers as arrays: millions of rows, without an object of SQLAlchemy for each."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from sqlalchemy import Column, Connection, func, select

from shared.db.driver import PreparedQuery
from shared.db.sqlite_rows import sqlite_rows

ROWS_AT_ONCE = 250_000
LARGE = 1_000_000
"""Number of the newest row from which a file is read by SQLite's own interface, which takes a second to prepare."""
CURSOR = "number_rows"


def number_rows(
    connection: Connection, query: PreparedQuery, row: DTypeLike, number: Column[int] | None = None
) -> Iterator[NDArray[Any]]:
    """Yield the rows of a query in structured arrays of the type `row`, 250,000 at most at a time.

    The query has no parameters, and its columns are numbers, none of them null, in the order of the fields of `row`.
    The rows are read in the transaction of `connection`, which begins if it has not yet. One piece is in memory:
    PostgreSQL keeps the others behind a cursor of the server.

    Parameters
    ----------
    number : Column, optional
        The column of the query that numbers the rows of a table in the order in which they came. With it many rows of a
        SQLite file are read five times as fast, over a connection of their own: rows that the transaction does not see
        are left out by their numbers, but what was changed or deleted since it began shows.
    """
    if not connection.in_transaction():
        connection.begin()
    sql, places, fixed = query.compiled(connection.dialect)
    parameters = fixed if places is None else tuple(fixed[name] for name in places)
    file, newest = connection.engine.url.database, _newest(connection, number)
    if number is not None and file and newest >= LARGE:
        bounded = f"SELECT * FROM ({sql}) WHERE {number.name} <= ?"  # noqa: S608 - both are of this package
        yield from sqlite_rows(Path(file), bounded, (*parameters, newest), row, ROWS_AT_ONCE)
        return
    driver: Any = connection.connection.driver_connection
    named = {"name": CURSOR} if connection.dialect.name == "postgresql" else {}
    with closing(driver.cursor(**named)) as cursor:
        if named:
            cursor.itersize = ROWS_AT_ONCE
        cursor.execute(sql, parameters)
        rows = iter(cursor)
        while len(piece := np.fromiter(islice(rows, ROWS_AT_ONCE), np.dtype(row))):
            yield piece


def _newest(connection: Connection, number: Column[int] | None) -> int:
    """Return the number of the newest row that the transaction sees in a SQLite file; 0 in another database."""
    if number is None or connection.dialect.name != "sqlite":
        return 0
    return int(connection.execute(select(func.max(number))).scalar() or 0)
