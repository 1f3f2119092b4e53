"""Sums over weighted rows of sparse matrices, such as the neighbour lists of what a shopper met."""

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray, FloatArray, Rows
from services.recommendation.algorithms.bits import ONE, ZERO, Words, count_bits, lowest_bit
from services.recommendation.algorithms.largest import offer
from shared.compiled import compiled

ZERO_SUM = np.float32(1e-38)
"""Stands for a sum of exactly 0, where 0 says that nothing was added yet."""
LEAST_SUM = np.float32(1e-37)
"""Sums up to this are 0."""


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
    """Add rows of a CSR matrix, each times its weight, into `sums`, and mark the columns that are met.

    `sums` and `met` are those of a `Workspace`: bit c & 63 of word c >> 6 stands for column c.
    """
    for i in range(len(rows)):
        weight = weights[i]
        for at in range(indptr[rows[i]], indptr[rows[i] + 1]):
            column = indices[at]
            sums[column] += np.float32(data[at]) * weight
            met[column >> 6] |= ONE << np.uint64(column & 63)


@compiled
def take_sums(sums: FloatArray, met: Words, least: float) -> tuple[Rows, FloatArray]:
    """Return the columns met with a sum of at least `least` above 0, ascending, and their sums; clear both arrays."""
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
    """Return the value of each of the `wanted` rows, 0 for one that is not in `rows`, which ascend."""
    found = np.zeros(len(wanted), np.float32)
    for i in range(len(wanted)):
        place = first_from(rows, wanted[i])
        if place < len(rows) and rows[place] == wanted[i]:
            found[i] = values[place]
    return found


@compiled
def first_from(values: AnyArray, value: int) -> int:
    """Return the first place in ascending values that holds `value` or more."""
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
    """Return what each of the weighted rows of a CSR matrix gives to one column, shape (len(rows),)."""
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
    """Return for each weighted row of a CSR matrix its inner product with a sparse vector, shape (len(rows),)."""
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
    """Add rows as `add_rows` does; return how many columns were touched and list them in `touched`.

    `touched` has room for one entry more: it is written without a test, for a branch here is mispredicted all the time.
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
            if before + value == 0.0 and value != 0.0:  # an exact zero would be listed a second time
                sums[column] = ZERO_SUM
    return n


@compiled
def _largest_sums(sums: FloatArray, columns: Rows, best: FloatArray, chosen: Rows) -> Rows:
    """Return those of the columns, more than `chosen` has room for, whose sums are of largest magnitude."""
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
    """Return the `k` entries of largest magnitude of each row of a product of matrices, from row `begin` to `end`.

    Parameters
    ----------
    left, right : tuple of ndarray
        `indptr`, `indices` and `data` of the CSR matrices.
    begin, end : int
    k : int
    own : bool
        Whether a row's entry in the column of the same number counts.
    sums, touched : ndarray
        Scratch of a `Workspace`; `sums` is 0 before and after.

    Returns
    -------
    columns, values : ndarray of shape (n,)
        Row by row, unordered.
    lengths : ndarray of shape (end - begin,), int32
        Entries of each row.
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
