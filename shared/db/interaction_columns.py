"""Reads every interaction of everybody, for training: column by column, in as little memory as the values need."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import BindParameter, Column, Connection, Select

from shared.db.driver import PreparedQuery
from shared.db.number_rows import number_rows

COLUMNS = {
    "customers": np.int64,
    "products": np.int64,
    "kinds": np.int8,
    "quantities": np.float32,
    "amounts": np.int64,
    "times": np.int64,
    "sessions": np.int64,
    "purchases": np.int64,
    "durations": np.float32,
}
"""The columns of a query of interactions by name, in their order; the number of the row comes after them."""
ID = "id"
INT32 = np.iinfo(np.int32)


@dataclass(frozen=True)
class Source:
    """One kind of interactions: the columns that are read of it, and the values of the others."""

    query: PreparedQuery
    read: tuple[str, ...]
    constants: dict[str, float]
    number: Column[int]

    @classmethod
    def of(cls, query: Select[Any], left_out: Collection[str] = ()) -> "Source":
        """Return the source of a query with `COLUMNS` and the number of the row; `left_out` are not read, but 0."""
        columns: dict[str, Any] = dict(zip((*COLUMNS, ID), query.selected_columns, strict=True))
        constants: dict[str, Any] = {
            name: column.value for name, column in columns.items() if isinstance(column, BindParameter)
        }
        constants |= dict.fromkeys(left_out, 0)
        read = tuple(name for name in columns if name not in constants)
        chosen = query.with_only_columns(*(columns[name] for name in read), maintain_column_froms=True)
        return cls(PreparedQuery(chosen), read, constants, columns[ID])

    @property
    def row(self) -> np.dtype[Any]:
        """Type of a row: what the driver gives, whole numbers and others."""
        return np.dtype([(name, np.int64 if _is_whole(name) else np.float64) for name in self.read])


def read_in_order(connection: Connection, sources: Sequence[Source]) -> list[NDArray[Any]]:
    """Return `COLUMNS` of all interactions by customer, time and kind; times in the unit of the database.

    Whole numbers other than times are int32 where all of them fit. A column that no source reads takes no memory.
    """
    pieces: dict[str, list[NDArray[Any]]] = {name: [] for name in COLUMNS}
    for source in sources:
        for name, values in _of_source(connection, source):
            pieces[name].append(values)
    columns = [_joined(pieces.pop(name), dtype) for name, dtype in COLUMNS.items()]
    places = {name: place for place, name in enumerate(COLUMNS)}
    from shared.grouped_order import history_order  # compiled: agents that train nothing start without the compiler

    order = history_order(*(columns[places[name]] for name in ("customers", "times", "kinds")))
    for place, column in enumerate(columns):
        columns[place] = column if _is_constant(column) else column[order]
    return columns


def _of_source(connection: Connection, source: Source) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the columns of a kind of interactions by name, in the order of the rows' numbers."""
    pieces: dict[str, list[NDArray[Any]]] = {name: [] for name in source.read}
    count = 0
    for rows in number_rows(connection, source.query, source.row, source.number):
        count += len(rows)
        for name, read in pieces.items():
            read.append(_narrowed(name, rows[name]))
    ids = _joined(pieces.pop(ID), np.int64)
    order = None if (np.diff(ids) > 0).all() else np.argsort(ids, kind="stable")
    for name, dtype in COLUMNS.items():
        if name in pieces:
            column = _joined(pieces.pop(name), dtype)
            yield name, column if order is None else column[order]
        else:
            yield name, np.broadcast_to(np.array(source.constants[name], dtype), count)


def _narrowed(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """Return a piece of a column with the type that its values need."""
    if not _is_whole(name):
        return values.astype(np.float32)
    narrow = name != "times" and (not len(values) or INT32.min <= values.min() <= values.max() <= INT32.max)
    return values.astype(np.int32) if narrow else values.copy()


def _joined(pieces: list[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """Return the pieces of a column one after the other, and forget them; as one repeated value where all are that."""
    values = {piece[0].item() for piece in pieces if len(piece) and _is_constant(piece)}
    if len(values) == 1 and all(_is_constant(piece) for piece in pieces):
        return np.broadcast_to(np.array(values.pop(), dtype), sum(len(piece) for piece in pieces))
    wide = any(piece.dtype == np.int64 and not _is_constant(piece) for piece in pieces)
    narrow = np.dtype(dtype) == np.int64 and not wide and len(pieces) > 0
    joined = np.concatenate([piece.astype(np.int32) if narrow else piece for piece in pieces] or [np.empty(0, dtype)])
    pieces.clear()
    return joined if narrow else joined.astype(dtype, copy=False)


def _is_constant(column: NDArray[Any]) -> bool:
    """Return whether a column is one value in memory, however many rows there are."""
    return len(column) > 0 and column.strides == (0,)


def _is_whole(name: str) -> bool:
    return name not in ("quantities", "durations")
