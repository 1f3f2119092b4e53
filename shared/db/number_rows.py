"""Rows of numbers as arrays: millions of rows, without an object of SQLAlchemy for each."""

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from sqlalchemy import Connection

from shared.db.driver import PreparedQuery

ROWS_AT_ONCE = 250_000
CURSOR = "number_rows"


def number_rows(connection: Connection, query: PreparedQuery, row: DTypeLike) -> Iterator[NDArray[Any]]:
    """Yield the rows of a query in structured arrays of the type `row`, 250,000 at most at a time.

    The query has no parameters, and its columns are numbers, none of them null, in the order of the fields of `row`.
    The rows are read in the transaction of `connection`, which begins if it has not yet. One piece is in memory:
    PostgreSQL keeps the others behind a cursor of the server.
    """
    if not connection.in_transaction():
        connection.begin()
    sql, places, fixed = query.compiled(connection.dialect)
    driver: Any = connection.connection.driver_connection
    named = {"name": CURSOR} if connection.dialect.name == "postgresql" else {}
    with closing(driver.cursor(**named)) as cursor:
        if named:
            cursor.itersize = ROWS_AT_ONCE
        cursor.execute(sql, fixed if places is None else tuple(fixed[name] for name in places))
        rows = iter(cursor)
        while len(piece := np.fromiter(islice(rows, ROWS_AT_ONCE), np.dtype(row))):
            yield piece
