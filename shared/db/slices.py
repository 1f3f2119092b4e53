"""Delete many rows in short transactions: as many at a time as take a few hundredths of a second."""

from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Column, ColumnElement, Table, select

from shared.db.engine import Database

FIRST_ROWS, MOST_ROWS = 100, 5_000
LONGEST_SECONDS = 0.05
"""How long others may have to wait for a slice."""
AIM = 0.5
"""Share of this that a slice may take: commits vary."""
REST_SECONDS = 0.01
"""Pause after each slice: longer than writers on SQLite pause between two looks at the write lock."""


class SliceSize:
    """How many rows to delete at once: fewer after a slice that took long, more after a short one."""

    def __init__(self) -> None:
        self.rows = FIRST_ROWS

    def learn(self, rows: int, seconds: float) -> None:
        """Take in that a slice of so many rows held its locks for so long."""
        if rows < 1:
            return
        fitting = int(rows * AIM * LONGEST_SECONDS / max(seconds, 1e-6))
        self.rows = min(max(1, fitting), 2 * self.rows, MOST_ROWS)


def delete_rows(database: Database, table: Table, key: Column[Any], *conditions: ColumnElement[bool]) -> int:
    """Delete the rows of a table that meet the conditions and return how many there were.

    Rows are looked for by ascending `key` without the write lock; those that no longer meet the conditions when their
    turn comes stay.
    """
    size, deleted = SliceSize(), 0
    for keys in _keys(database, key, conditions, size):
        with database.write() as connection:
            began = monotonic()
            deleted += connection.execute(table.delete().where(key.in_(keys), *conditions)).rowcount
        size.learn(len(keys), monotonic() - began)
        sleep(REST_SECONDS)
    return deleted


def _keys(
    database: Database, key: Column[Any], conditions: tuple[ColumnElement[bool], ...], size: SliceSize
) -> Iterator[list[Any]]:
    last: Any = None
    while True:
        query = select(key).where(*conditions).order_by(key).distinct().limit(size.rows)
        with database.read() as connection:
            keys = list(connection.execute(query if last is None else query.where(key > last)).scalars())
        if not keys:
            return
        yield keys
        last = keys[-1]
