"""Rows of numbers of a SQLite file, by SQLite's own interface in a compiled loop: for tens of millions of rows.

Python's driver makes an object of each number and a tuple of each row, which takes five times as long as SQLite needs
to find them. The library is the one that Python's driver uses: two copies of SQLite in a process would break each
other's locks (SQLite, "How To Corrupt An SQLite Database File", section 2.2.1). The connection is one of its own.
"""

import _sqlite3  # the module behind `sqlite3`, which is linked with the library
import ctypes
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from shared.errors import Unavailable

ROW, DONE = 100, 101
READ_ONLY, ONE_THREAD = 0x1, 0x8000
BUSY_MS = 30_000
POINTER, NUMBER = ctypes.c_size_t, ctypes.c_int
Table = NDArray[Any]


class SqliteFile:
    """A connection that reads. Raises Unavailable when the file cannot be opened."""

    def __init__(self, file: Path) -> None:
        self._library = _library()
        self._handle = POINTER()
        code = self._library.sqlite3_open_v2(
            str(file).encode(), ctypes.byref(self._handle), READ_ONLY | ONE_THREAD, None
        )
        try:
            self._require(code)
        except Unavailable:
            self.close()  # SQLite makes a connection even where it cannot open the file
            raise
        self._library.sqlite3_busy_timeout(self._handle, BUSY_MS)

    def close(self) -> None:
        """Close the connection."""
        self._library.sqlite3_close_v2(self._handle)

    def rows(self, sql: str, parameters: Sequence[float], row: DTypeLike, rows_at_once: int) -> Iterator[NDArray[Any]]:
        """Yield the rows of a query in structured arrays of the type `row`, whose fields are int64 and float64.

        Raises Unavailable when they cannot be read.
        """
        statement, dtype = self._prepared(sql, parameters), np.dtype(row)
        names = dtype.names or ()
        fractional = np.array([dtype[name] == np.float64 for name in names])
        fill = _fill()
        try:
            code = ROW
            while code == ROW:
                piece = np.empty(rows_at_once, dtype)
                shape = (rows_at_once, len(names))
                whole, fractions = piece.view(np.int64).reshape(shape), piece.view(np.float64).reshape(shape)
                count, code = fill(statement.value, whole, fractions, fractional)
                if count:
                    yield piece[:count]
            self._require(code, DONE)
        finally:
            self._library.sqlite3_finalize(statement)

    def _prepared(self, sql: str, parameters: Sequence[float]) -> ctypes.c_size_t:
        statement = POINTER()
        self._require(self._library.sqlite3_prepare_v2(self._handle, sql.encode(), -1, ctypes.byref(statement), None))
        for place, value in enumerate(parameters, start=1):
            bind = self._library.sqlite3_bind_int64 if isinstance(value, int) else self._library.sqlite3_bind_double
            self._require(bind(statement, place, value))
        return statement

    def _require(self, code: int, expected: int = 0) -> None:
        if code != expected:
            raise Unavailable(f"the database cannot be read: {self._library.sqlite3_errmsg(self._handle).decode()}")


def sqlite_rows(
    file: Path, sql: str, parameters: Sequence[float], row: DTypeLike, rows_at_once: int
) -> Iterator[NDArray[Any]]:
    """Yield the rows of a query as `SqliteFile.rows` does, over a connection that is closed at the end."""
    with closing(SqliteFile(file)) as opened:
        yield from opened.rows(sql, parameters, row, rows_at_once)


@cache
def _library() -> Any:
    library = ctypes.CDLL(_sqlite3.__file__)
    for name, arguments, result in (
        ("sqlite3_open_v2", [ctypes.c_char_p, ctypes.POINTER(POINTER), NUMBER, ctypes.c_char_p], NUMBER),
        ("sqlite3_close_v2", [POINTER], NUMBER),
        ("sqlite3_busy_timeout", [POINTER, NUMBER], NUMBER),
        ("sqlite3_errmsg", [POINTER], ctypes.c_char_p),
        ("sqlite3_prepare_v2", [POINTER, ctypes.c_char_p, NUMBER, ctypes.POINTER(POINTER), ctypes.c_void_p], NUMBER),
        ("sqlite3_bind_int64", [POINTER, NUMBER, ctypes.c_int64], NUMBER),
        ("sqlite3_bind_double", [POINTER, NUMBER, ctypes.c_double], NUMBER),
        ("sqlite3_finalize", [POINTER], NUMBER),
        ("sqlite3_step", [POINTER], NUMBER),
        ("sqlite3_column_int64", [POINTER, NUMBER], ctypes.c_int64),
        ("sqlite3_column_double", [POINTER, NUMBER], ctypes.c_double),
    ):
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
    return library


@cache
def _fill() -> Any:
    """Return the loop that fills a table with the next rows of a statement; compiled by each process anew, in a second.

    It returns how many rows it filled and the last code of SQLite. The two tables are the same memory.
    """
    from numba import njit  # agents that train nothing start without the compiler

    library = _library()
    step, whole_of, fraction_of = library.sqlite3_step, library.sqlite3_column_int64, library.sqlite3_column_double

    @njit(nogil=True)
    def fill(statement: int, whole: Table, fractions: Table, fractional: Table) -> tuple[int, int]:
        for place in range(len(whole)):
            code = step(statement)
            if code != ROW:
                return place, code
            for column in range(len(fractional)):
                if fractional[column]:
                    fractions[place, column] = fraction_of(statement, column)
                else:
                    whole[place, column] = whole_of(statement, column)
        return len(whole), ROW

    return fill
