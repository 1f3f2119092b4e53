"""Statements through the database's driver, for the path of a request.

SQLAlchemy compiles each statement once for each database; running it skips SQLAlchemy's own work for each execution,
which is 20 times the work of SQLite for a look-up by key. Values come back as the driver gives them: moments are
microseconds since 1970, and JSON should be cast to text, because the drivers differ.
"""

import json
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from sqlalchemy import (
    Column,
    CompoundSelect,
    Connection,
    Dialect,
    Select,
    String,
    and_,
    any_,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from shared.db.batches import batches

ROWS_AT_ONCE = 5_000


class PreparedQuery:
    """A SELECT that is compiled once for each kind of database. Its parameters are `bindparam`s without `expanding`."""

    def __init__(self, statement: Select[Any] | CompoundSelect[Any]) -> None:
        self._statement = statement
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None, dict[str, Any]]] = {}

    def compiled(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None, dict[str, Any]]:
        """Return the SQL, the names of its parameters by place (None where they have names), and the fixed values."""
        known = self._compiled.get(dialect.name)
        if known is None:
            compiled = self._statement.compile(dialect=dialect)
            places = tuple(compiled.positiontup) if compiled.positiontup else None
            fixed = {name: value for name, value in compiled.params.items() if value is not None}
            known = self._compiled[dialect.name] = (compiled.string, places, fixed)
        return known


class DriverCursor:
    """Runs prepared queries through a cursor of the driver."""

    def __init__(self, cursor: Any, dialect: Dialect) -> None:
        self._cursor = cursor
        self._dialect = dialect

    @classmethod
    def of(cls, connection: Connection) -> "DriverCursor":
        """Return a cursor in the transaction of `connection`, which begins if it has not yet."""
        if not connection.in_transaction():
            connection.begin()
        return cls(connection.connection.cursor(), connection.dialect)

    def fetch(self, query: PreparedQuery, **values: Any) -> list[tuple[Any, ...]]:
        """Return all rows of `query`."""
        self._execute(query, values)
        rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        return rows

    def stream(self, query: PreparedQuery, **values: Any) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of `query`; some thousands at a time are in memory."""
        return chain.from_iterable(self.pieces(query, **values))

    def pieces(self, query: PreparedQuery, **values: Any) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows of `query` in lists of some thousands."""
        self._execute(query, values)
        while rows := self._cursor.fetchmany(ROWS_AT_ONCE):
            yield rows

    def _execute(self, query: PreparedQuery, values: dict[str, Any]) -> None:
        sql, places, fixed = query.compiled(self._dialect)
        given = {**fixed, **values}
        self._cursor.execute(sql, given if places is None else tuple(given[name] for name in places))

    def first(self, query: PreparedQuery, **values: Any) -> tuple[Any, ...] | None:
        """Return the first row of `query`; None for no row."""
        return next(iter(self.fetch(query, **values)), None)


class PreparedLookup:
    """A SELECT of the rows whose `column` is one of any number of values. All values are one parameter."""

    def __init__(self, statement: Select[Any], column: Column[Any]) -> None:
        values = bindparam("values", type_=String)
        listed = select(func.json_each(values).table_valued("value").c.value)
        self._sqlite = PreparedQuery(statement.where(column.in_(listed)))
        wanted = bindparam("values", type_=ARRAY(column.type))
        self._postgresql = PreparedQuery(statement.where(column == any_(wanted)))

    def fetch(
        self, connection: Connection, values: Collection[str] | Collection[int], **others: Any
    ) -> list[tuple[Any, ...]]:
        """Return all rows, in no order unless the statement has one; without values none is looked for.

        `others` are further parameters of the statement.
        """
        if not values:
            return []
        query, listed = self._for(connection, values)
        return DriverCursor.of(connection).fetch(query, values=listed, **others)

    def pieces(self, connection: Connection, values: Collection[int]) -> Iterator[list[tuple[Any, ...]]]:
        """Yield the rows that `fetch` returns in lists of some thousands."""
        query, listed = self._for(connection, values)
        return DriverCursor.of(connection).pieces(query, values=listed)

    def _for(self, connection: Connection, values: Collection[Any]) -> tuple[PreparedQuery, Any]:
        """Return the statement for a kind of database, and the values as its parameter."""
        if connection.dialect.name == "postgresql":
            return self._postgresql, list(values)
        return self._sqlite, json.dumps(list(values))


class PreparedBlobs:
    """A SELECT of the rows whose binary `column` is one of any number of values."""

    SIZES = (1, 16, 200)
    """Values of a statement on SQLite, where they cannot be one parameter; the last ones are repeated to fill it."""

    def __init__(self, statement: Select[Any], column: Column[Any]) -> None:
        self._names = [f"value_{place}" for place in range(self.SIZES[-1])]
        wanted = [bindparam(name, type_=column.type) for name in self._names]
        self._sqlite = {size: PreparedQuery(statement.where(column.in_(wanted[:size]))) for size in self.SIZES}
        self._postgresql = PreparedQuery(statement.where(column == any_(bindparam("values", type_=ARRAY(column.type)))))

    def fetch(self, connection: Connection, values: Collection[bytes]) -> list[tuple[Any, ...]]:
        """Return all rows, in no order; without values none is looked for. Each value is given once."""
        if not values:
            return []
        cursor = DriverCursor.of(connection)
        if connection.dialect.name == "postgresql":
            return cursor.fetch(self._postgresql, values=list(values))
        return list(chain.from_iterable(self._piece(cursor, some) for some in batches(values, self.SIZES[-1])))

    def _piece(self, cursor: DriverCursor, some: list[bytes]) -> list[tuple[Any, ...]]:
        size = next(size for size in self.SIZES if size >= len(some))
        filled = some + some[-1:] * (size - len(some))
        return cursor.fetch(self._sqlite[size], **dict(zip(self._names, filled, strict=False)))


class PreparedPairs:
    """A SELECT of the rows whose two columns, a key and a text, are one of any number of pairs."""

    def __init__(self, statement: Select[Any], key: Column[Any], name: Column[Any]) -> None:
        pairs = func.json_each(bindparam("pairs", type_=String)).table_valued("value")
        is_key, is_name = (func.json_extract(pairs.c.value, literal_column(f"'$[{place}]'")) for place in (0, 1))
        self._sqlite = PreparedQuery(statement.join_from(key.table, pairs, and_(key == is_key, name == is_name)))
        lists = (bindparam("keys", type_=ARRAY(key.type)), bindparam("names", type_=ARRAY(name.type)))
        wanted = func.unnest(*lists).table_valued("key", "name").render_derived()
        self._postgresql = PreparedQuery(
            statement.join_from(key.table, wanted, and_(key == wanted.c.key, name == wanted.c.name))
        )

    def fetch(self, connection: Connection, pairs: Collection[tuple[int, str]]) -> list[tuple[Any, ...]]:
        """Return all rows, in no order; without pairs none is looked for. Each pair is given once."""
        if not pairs:
            return []
        cursor = DriverCursor.of(connection)
        if connection.dialect.name == "postgresql":
            keys, names = zip(*pairs, strict=True)
            return cursor.fetch(self._postgresql, keys=list(keys), names=list(names))
        return cursor.fetch(self._sqlite, pairs=json.dumps(list(pairs)))
