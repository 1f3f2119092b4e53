"""Weighted sums of rows of sparse matrices, such as the neighbour lists of the products in a shopper's profile."""

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Rows
from services.recommendation.algorithms.bits import ONE, ZERO, Words, count_bits, lowest_bit
from services.recommendation.algorithms.largest import offer
from services.recommendation.algorithms.prefetch import prefetch
from shared.compiled import compiled

ROWS_AHEAD = 2
"""A sum of rows asks for the memory of the row that it comes to so many rows later: 30 % faster (0 to 3 were tried)."""
ZERO_SUM = np.float32(1e-38)
"""Stored in place of a sum of exactly 0, because 0 means that nothing was added yet."""
LEAST_SUM = np.float32(1e-37)
"""Sums up to this count as 0."""


@compiled
def add_rows(
    indptr: AnyArray,
    indices: AnyArray,
    data: AnyArray,
    rows: AnyArray,
    weights: AnyArray,
    sums: FloatArray,
    met: Words,
) -> None:
    """Add rows of a CSR matrix, each times its weight, to `sums`, and mark the columns of their entries in `met`.

    `sums` and `met` are those of a `Workspace`: column c is marked if bit c & 63 of word c >> 6 is 1.
    """
    for i in range(len(rows)):
        if i + ROWS_AHEAD < len(rows):
            ahead = rows[i + ROWS_AHEAD]
            prefetch(indices, indptr[ahead], indptr[ahead + 1])
            prefetch(data, indptr[ahead], indptr[ahead + 1])
        weight = weights[i]
        for at in range(indptr[rows[i]], indptr[rows[i] + 1]):
            column = indices[at]
            sums[column] += np.float32(data[at]) * weight
            met[column >> 6] |= ONE << np.uint64(column & 63)


@compiled
def take_sums(sums: FloatArray, met: Words, least: float) -> tuple[Rows, FloatArray]:
    """Return the marked columns whose sum is positive and at least `least`, ascending, and their sums.

    Both arrays are all 0 afterwards.
    """
    n = count_bits(met)
    rows = np.empty(n, np.int32)
    values = np.empty(n, np.float32)
    count = 0
    for place in range(len(met)):
        word = met[place]
        met[place] = ZERO
        while word != ZERO:
            column = (place << 6) + lowest_bit(word)
            word &= word - ONE
            value = sums[column]
            sums[column] = 0.0
            if value > LEAST_SUM and value >= least:
                rows[count] = column
                values[count] = value
                count += 1
    return rows[:count], values[:count]


@compiled
def pick(rows: Rows, values: FloatArray, wanted: Rows) -> FloatArray:
    """Return the value of each of the `wanted` rows, or 0 if it is not in `rows`; `rows` ascend."""
    found = np.zeros(len(wanted), np.float32)
    for i in range(len(wanted)):
        place = first_from(rows, wanted[i])
        if place < len(rows) and rows[place] == wanted[i]:
            found[i] = values[place]
    return found


@compiled
def first_from(values: AnyArray, value: int) -> int:
    """Return the first position in the ascending `values` whose entry is at least `value`."""
    low, high = 0, len(values)
    while low < high:
        middle = (low + high) // 2
        if values[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def given_to(
    indptr: AnyArray, indices: AnyArray, data: AnyArray, rows: AnyArray, weights: AnyArray, column: int
) -> FloatArray:
    """Return weight · entry in `column` of each of the given rows of a CSR matrix, shape (len(rows),)."""
    given = np.zeros(len(rows), np.float32)
    for i in range(len(rows)):
        begin, end = indptr[rows[i]], indptr[rows[i] + 1]
        at = begin + first_from(indices[begin:end], column)
        if at < end and indices[at] == column:
            given[i] = np.float32(data[at]) * weights[i]
    return given


@compiled
def agreeing(
    indptr: AnyArray,
    indices: AnyArray,
    data: AnyArray,
    rows: AnyArray,
    weights: AnyArray,
    columns: AnyArray,
    column_weights: FloatArray,
) -> FloatArray:
    """Return weight · (row · vector) of each of the given rows of a CSR matrix, shape (len(rows),).

    `columns` and `column_weights` are the positions and the entries of a sparse vector.
    """
    found = np.zeros(len(rows), np.float32)
    for i in range(len(rows)):
        begin, end = indptr[rows[i]], indptr[rows[i] + 1]
        for j in range(len(columns)):
            at = begin + first_from(indices[begin:end], columns[j])
            if at < end and indices[at] == columns[j]:
                found[i] += np.float32(data[at]) * column_weights[j]
        found[i] *= weights[i]
    return found


@compiled
def _add_rows_listing(
    indptr: AnyArray,
    indices: AnyArray,
    data: AnyArray,
    rows: AnyArray,
    weights: AnyArray,
    sums: FloatArray,
    touched: Rows,
) -> int:
    """Add rows as `add_rows` does, list the columns of their entries in `touched` and return the number of columns.

    `touched` has one entry more than there are columns, because each column is written before it is known to be new. A
    branch instead would be mispredicted often.
    """
    n = 0
    for i in range(len(rows)):
        weight = weights[i]
        for at in range(indptr[rows[i]], indptr[rows[i] + 1]):
            column = indices[at]
            value = np.float32(data[at]) * weight
            before = sums[column]
            touched[n] = column
            n += (before == 0.0) & (value != 0.0)
            sums[column] = before + value
            if before + value == 0.0 and value != 0.0:  # the column would be listed again if its sum were exactly 0
                sums[column] = ZERO_SUM
    return n


@compiled
def _largest_sums(sums: FloatArray, columns: Rows, best: FloatArray, chosen: Rows) -> Rows:
    """Return the len(`chosen`) columns whose sums have the largest magnitude, unordered; there are more columns."""
    n = 0
    for column in columns:
        magnitude = abs(sums[column])
        if n < len(best) or magnitude > best[0]:
            n = offer(best, chosen, n, magnitude, column)
    return chosen


@compiled
def largest_of_product(
    left: tuple[AnyArray, AnyArray, AnyArray],
    right: tuple[AnyArray, AnyArray, AnyArray],
    begin: int,
    end: int,
    k: int,
    own: bool,
    sums: FloatArray,
    touched: Rows,
) -> tuple[Rows, FloatArray, Rows]:
    """Return the `k` entries of largest magnitude in each of the rows `begin` to `end` - 1 of left @ right.

    Parameters
    ----------
    left, right : tuple of ndarray
        `indptr`, `indices` and `data` of the CSR matrices.
    begin, end : int
        The first row, and the row after the last.
    k : int
        Number of entries per row.
    own : bool
        Whether entries on the diagonal are included.
    sums, touched : ndarray
        Scratch arrays of a `Workspace`; `sums` is all 0 before and after the call.

    Returns
    -------
    columns, values : ndarray of shape (n,)
        The entries, row by row, unordered within a row.
    lengths : ndarray of shape (end - begin,), int32
        Number of entries of each row.
    """
    columns = np.empty((end - begin) * k, np.int32)
    values = np.empty((end - begin) * k, np.float32)
    lengths = np.zeros(end - begin, np.int32)
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    total = 0
    for row in range(begin, end):
        first, last = left[0][row], left[0][row + 1]
        n = _add_rows_listing(right[0], right[1], right[2], left[1][first:last], left[2][first:last], sums, touched)
        if not own:
            sums[row] = 0.0
        for column in touched[:n] if n <= k else _largest_sums(sums, touched[:n], best, chosen):
            if abs(sums[column]) > LEAST_SUM:
                columns[total] = column
                values[total] = sums[column]
                total += 1
                lengths[row - begin] += 1
        for column in touched[:n]:
            sums[column] = 0.0
    return columns[:total].copy(), values[:total].copy(), lengths
