"""Compact forms of matrices: columns as gaps, entries as steps of their row, equal rows once."""

import hashlib

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Longs, Rows
from services.recommendation.algorithms.sparse import ranges
from shared.compiled import compiled

KEY_BYTES = 16
LAST_BYTE = 128
"""Bytes below end a number; the others are followed by one more."""


def columns_to_gaps(indices: AnyArray, indptr: AnyArray) -> AnyArray:
    """Return the columns of a CSR matrix as bytes: the first column of each row, then the distance to the next.

    A number is written seven bits a byte, the lowest first; the highest bit of a byte says that another one follows.

    Raises
    ------
    ValueError
        If the columns of a row do not ascend.
    """
    gaps = _gaps(indices, indptr)
    if gaps.min(initial=0) < 0:
        raise ValueError("matrix: the columns of each row must ascend")
    return _to_bytes(gaps)


def row_steps(data: FloatArray, indptr: AnyArray, dtype: type[np.integer]) -> tuple[AnyArray, FloatArray]:
    """Round the entries of each row of a CSR matrix to whole shares of the largest magnitude in the row.

    Returns
    -------
    steps : ndarray of shape (nnz,), of `dtype`
        Entry = step · scale of the row. No entry but 0 becomes 0.
    scale : ndarray of shape (n_rows,), float32
        0 for a row without entries.
    """
    most = np.iinfo(dtype).max
    scale = np.zeros(len(indptr) - 1, np.float32)
    filled = np.flatnonzero(np.diff(indptr))
    if len(filled):
        scale[filled] = np.maximum.reduceat(np.abs(data), indptr[filled]) / np.float32(most)
    return _rounded(data, indptr, scale, np.empty(len(data), dtype)), scale


def equal_rows(n_rows: int, *columns: tuple[AnyArray, AnyArray]) -> tuple[Longs, Rows]:
    """Find rows that are equal in several ragged arrays.

    Parameters
    ----------
    n_rows : int
    columns : pairs of ndarray
        Values, and where each row begins in them, shape (n_rows + 1,).

    Returns
    -------
    first : ndarray of shape (n_distinct,), int64
        The distinct rows, ascending.
    like : ndarray of shape (n_rows,), int32
        The place in `first` of the row that each row is equal to.
    """
    places: dict[bytes, int] = {}
    first: list[int] = []
    like = np.empty(n_rows, np.int32)
    for row in range(n_rows):
        digest = hashlib.blake2b(digest_size=KEY_BYTES)
        for values, starts in columns:
            digest.update(values[starts[row] : starts[row + 1]].data)
        place = places.setdefault(digest.digest(), len(first))
        if place == len(first):
            first.append(row)
        like[row] = place
    return np.array(first, np.int64), like


def entries_of(rows: Longs, indptr: AnyArray) -> Longs:
    """Return the places of the entries of the given rows of a CSR matrix, row after row."""
    starts = indptr[rows].astype(np.int64)
    return ranges(starts, indptr[rows + 1] - starts)


def starts_of(lengths: AnyArray) -> Longs:
    """Return where rows of the given lengths begin, shape (n + 1,), int64."""
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


@compiled
def gaps_to_columns(gaps: AnyArray, lengths: AnyArray) -> Rows:
    """Return the columns that `columns_to_gaps` was given, int32; `lengths` are the numbers of entries of the rows."""
    indices = np.empty(np.sum(lengths), np.int32)
    at = 0
    entry = 0
    for row in range(len(lengths)):
        column = 0
        for _ in range(lengths[row]):
            shift = 0
            while gaps[at] >= 128:
                column += (gaps[at] & 127) << shift
                shift += 7
                at += 1
            column += gaps[at] << shift
            at += 1
            indices[entry] = column
            entry += 1
    return indices


@compiled
def repeated_rows(values: AnyArray, starts: Longs, like: Rows) -> AnyArray:
    """Return the rows of a ragged array that `like` names, one behind the other, without a list of their places.

    Row r is `values` from `starts[r]` to before `starts[r + 1]`.
    """
    size = 0
    for row in like:
        size += starts[row + 1] - starts[row]
    repeated = np.empty(size, values.dtype)
    at = 0
    for row in like:
        for place in range(starts[row], starts[row + 1]):
            repeated[at] = values[place]
            at += 1
    return repeated


@compiled
def _rounded(data: FloatArray, indptr: AnyArray, scale: FloatArray, steps: AnyArray) -> AnyArray:
    for row in range(len(scale)):
        for at in range(indptr[row], indptr[row + 1]):
            near = np.rint(data[at] / scale[row]) if scale[row] > 0.0 else 0.0
            if near == 0.0 and data[at] != 0.0:
                near = 1.0 if data[at] > 0.0 else -1.0
            steps[at] = np.int64(near)
    return steps


@compiled
def _gaps(indices: AnyArray, indptr: AnyArray) -> Rows:
    gaps = np.empty(len(indices), np.int32)
    for row in range(len(indptr) - 1):
        before = 0
        for at in range(indptr[row], indptr[row + 1]):
            gaps[at] = indices[at] - before
            before = indices[at]
    return gaps


@compiled
def _to_bytes(gaps: Rows) -> AnyArray:
    size = 0
    for gap in gaps:
        size += 1
        while gap >= 128:
            gap >>= 7
            size += 1
    content = np.empty(size, np.uint8)
    at = 0
    for gap in gaps:
        while gap >= 128:
            content[at] = (gap & 127) | 128
            gap >>= 7
            at += 1
        content[at] = gap
        at += 1
    return content
