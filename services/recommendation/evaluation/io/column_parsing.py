"""Columns of texts or numbers as arrays, all rows at once; what cannot be used is named by file, row and column."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask
from services.recommendation.evaluation.io.tables import Column
from shared.errors import InvalidArgument
from shared.values import COMPACT_DATE, LARGEST_MICROS, LARGEST_MILLIS, LARGEST_SECONDS, MILLION, BadValue, time_parser

MOST_UNITS = 1_000_000
NOT_A_NUMBER = "is not a number"
_EXACT_TIME = time_parser(UTC)


@dataclass(frozen=True, eq=False)
class Place:
    """A column of a file, for messages; `rows` are the numbers, from 0, that the rows of the array have in the file."""

    path: Path
    column: str
    rows: Longs

    def fault(self, row: int, value: object, problem: str) -> NoReturn:
        """Raise InvalidArgument for the value in a row of the array; the message counts the rows of the file from 1."""
        raise InvalidArgument.of(f"{self.path}, row {self.rows[row] + 1}, column {self.column}", value, problem)

    def require(self, good: Mask, column: Column, problem: str) -> None:
        """Raise InvalidArgument for the first row that is not `good`, if there is one."""
        if not good.all():
            row = int(np.argmin(good))
            self.fault(row, column[row].as_py(), problem)


def texts(column: Column, place: Place) -> Column:
    """Return a column as texts without blanks around them, null where nothing is left; whole numbers lose `.0`.

    Raises
    ------
    InvalidArgument
        If a value is a list, an object or the like.
    """
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_floating(kind):
        column = _without_fraction(column)
    try:
        trimmed = pc.utf8_trim_whitespace(column.cast(pa.string()))
    except pa.ArrowException:
        place.fault(0, column[0].as_py(), "must be a text or a number")
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def coded(column: Column) -> tuple[Column, Longs]:
    """Return the distinct values of a column in the order they come up, and where among them each row's value is."""
    distinct = pc.unique(column)
    return distinct, pc.index_in(column, distinct).to_numpy().astype(np.int64)


def present(column: Column) -> Mask:
    """Return which rows of a column have a value."""
    mask: Mask = pc.is_valid(column).to_numpy(zero_copy_only=False)
    return mask


def numbers(column: Column, place: Place) -> NDArray[np.float64]:
    """Return a column as numbers, NaN where it is empty.

    Raises
    ------
    InvalidArgument
        If a value is not a finite number.
    """
    if not _is_number(column.type):
        column = texts(column, place)
    try:
        found = column.cast(pa.float64())
    except pa.ArrowException:
        found = pa.chunked_array([[_number(each.as_py(), row, place) for row, each in enumerate(column)]], pa.float64())
    values: NDArray[np.float64] = found.to_numpy(zero_copy_only=False).astype(np.float64)
    place.require(np.isfinite(values) | _empty(column), column, NOT_A_NUMBER)
    return values


def quantities(found: NDArray[np.float64], column: Column, place: Place) -> FloatArray:
    """Return how many units the numbers of a column say, 1 where that is empty.

    Raises
    ------
    InvalidArgument
        If a value is not from 0 to 1,000,000.
    """
    units = np.where(np.isnan(found), 1.0, found)
    place.require((units >= 0) & (units <= MOST_UNITS), column, f"must be from 0 to {MOST_UNITS:,}")
    return units.astype(np.float32)


def micros(column: Column, place: Place) -> Longs:
    """Return moments in microseconds since 1970 (UTC).

    ISO 8601, dates, and Unix time in seconds, milliseconds or microseconds, distinguished by their size, as in the
    interchange files; what has no zone is UTC.

    Raises
    ------
    InvalidArgument
        If a value is empty or not a moment.
    """
    place.require(~_empty(column), column, "is required")
    if pa.types.is_temporal(column.type):
        return _longs(
            column.cast(pa.timestamp("us", column.type.tz if pa.types.is_timestamp(column.type) else None), safe=False)
        )
    if _is_number(column.type):
        return _unix(column, place)
    column = texts(column, place)
    place.require(~_empty(column), column, "is required")
    return _text_micros(column, place)


def _text_micros(column: Column, place: Place) -> Longs:
    compact = pc.any(pc.equal(pc.utf8_length(column), COMPACT_DATE)).as_py()
    kinds = (pa.timestamp("us", "UTC"), pa.timestamp("us")) if compact else (pa.int64(), *_ISO)
    for kind in kinds:
        try:
            found = column.cast(kind)
        except pa.ArrowException:
            continue
        return _unix(found, place) if kind == pa.int64() else _longs(found)
    return _one_by_one(column, place)


def _unix(column: Column, place: Place) -> Longs:
    values = column.cast(pa.float64() if not pa.types.is_integer(column.type) else pa.int64()).to_numpy()
    size = np.abs(values)
    unit = np.where(size < LARGEST_SECONDS, MILLION, np.where(size < LARGEST_MILLIS, 1_000, 1))
    place.require(size < LARGEST_MICROS // unit, column, "is not a time before the year 10000")
    found: Longs = (values * unit).astype(np.int64)
    return found


def _one_by_one(column: Column, place: Place) -> Longs:
    """Return moments of any notation: slower, and the first that is none is found."""
    distinct, codes = coded(column)
    moments = [_moment(each, lambda value: column.index(value).as_py(), place) for each in distinct.to_pylist()]
    found: Longs = np.array(moments, dtype=np.int64)[codes]
    return found


def _moment(value: str, row: Callable[[str], int], place: Place) -> int:
    try:
        return _EXACT_TIME(value) or 0
    except BadValue as error:
        place.fault(row(value), value, str(error))


def _number(value: Any, row: int, place: Place) -> float | None:
    try:
        return None if value is None else float(value)
    except ValueError:
        place.fault(row, value, NOT_A_NUMBER)


def _without_fraction(column: Column) -> Column:
    values = column.cast(pa.float64())
    missing = pc.or_kleene(pc.is_null(values), pc.is_nan(values))
    values = pc.if_else(missing, pa.scalar(None, pa.float64()), values)
    try:
        return values.cast(pa.int64())
    except pa.ArrowException:  # some have a fraction
        return values


def _longs(column: Column) -> Longs:
    found: Longs = column.cast(pa.int64()).to_numpy()
    return found


def _empty(column: Column) -> Mask:
    missing: Mask = pc.is_null(column, nan_is_null=pa.types.is_floating(column.type)).to_numpy()
    return missing


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


_ISO = (pa.timestamp("us", "UTC"), pa.timestamp("us"))
