"""Change many rows in short transactions: as many at a time as take a few hundredths of a second."""

from collections.abc import Callable, Iterator, Sequence
from time import monotonic, sleep
from typing import Any, TypeVar

from sqlalchemy import Column, ColumnElement, Table, select

from shared.db.engine import Connection, Database

Item = TypeVar("Item")
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


def in_slices(items: Sequence[Item], work: Callable[[Sequence[Item]], None]) -> Iterator[int]:
    """Do the work, a transaction, for some items at a time, rest after each, and yield how many are done."""
    size, done = SliceSize(), 0
    while done < len(items):
        some = items[done : done + size.rows]
        began = monotonic()
        work(some)
        size.learn(len(some), monotonic() - began)
        done += len(some)
        yield done
        sleep(REST_SECONDS)


def delete_rows(
    database: Database,
    table: Table,
    key: Column[Any],
    *conditions: ColumnElement[bool],
    dependents: Sequence[Column[Any]] = (),
) -> int:
    """Delete the rows of a table that meet the conditions and return how many there were.

    Rows are looked for by ascending `key` without the write lock; those that no longer meet the conditions when their
    turn comes stay. Rows of other tables that refer to them by one of the columns `dependents` go with them.
    """
    size, deleted = SliceSize(), 0
    for keys in _keys(database, key, conditions, size):
        with database.write() as connection:
            began = monotonic()
            if dependents:
                keys = _locked(connection, key, keys, conditions)
            for column in dependents:
                connection.execute(column.table.delete().where(column.in_(keys)))
            deleted += connection.execute(table.delete().where(key.in_(keys), *conditions)).rowcount
        size.learn(len(keys), monotonic() - began)
        sleep(REST_SECONDS)
    return deleted


def _locked(
    connection: Connection, key: Column[Any], keys: list[Any], conditions: tuple[ColumnElement[bool], ...]
) -> list[Any]:
    """Return those of the rows that meet the conditions still. Nobody can add a row that refers to them any more."""
    connection.execute(select(key).where(key.in_(keys)).with_for_update())
    return list(connection.execute(select(key).where(key.in_(keys), *conditions)).scalars())


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
