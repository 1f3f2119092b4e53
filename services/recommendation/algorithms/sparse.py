"""Sparse matrix functions that the item-to-item algorithms share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import AnyArray, Csr, FloatArray, Longs, Rows, as_csr
from services.recommendation.algorithms.interactions import Interactions, decay
from services.recommendation.algorithms.row_sums import largest_of_product
from services.recommendation.algorithms.workspace import workspace

BLOCK_ROWS = 2048
"""Rows of a matrix product that are computed at a time; it limits the memory before entries are dropped."""


def preferences(data: Interactions, half_life_days: float) -> Csr:
    """Return the preference of each customer for each product that they interacted with.

    Returns
    -------
    csr_array of shape (n_customers, n_products), float32
        `confidence` of the sum of time-decayed event weights. The largest weight of the kinds that occur is 1.
    """
    weights = data.relative_weights[data.kinds] * decay(data.now - data.times, half_life_days)
    matrix = as_csr(sp.coo_array((weights, (data.customers, data.products)), shape=(data.n_customers, data.n_products)))
    matrix.data = confidence(matrix.data)
    matrix.eliminate_zeros()
    return matrix


def evened(matrix: Csr) -> Csr:
    """Return `matrix` divided by the root mean square of its entries.

    Constants that are added to squared entries, such as a ridge weight, then mean the same for all data.
    """
    mean = float(np.mean(np.square(matrix.data, dtype=np.float64))) if matrix.nnz else 1.0
    even = matrix.copy()
    even.data = matrix.data / np.float32(np.sqrt(mean))
    return even


def confidence(weights: FloatArray) -> FloatArray:
    """Return log(1 + weight), so that the tenth event with a product adds less than the first."""
    return np.log1p(weights)


def combine(matrix: Csr, rows: Rows, weights: FloatArray) -> "Contributions":
    """Return the entries of the given rows of `matrix`, each times the weight of its row; other rows are not read.

    Parameters
    ----------
    matrix : csr_array of shape (n, m), float32
    rows : ndarray of shape (k,), int32
    weights : ndarray of shape (k,), float32
    """
    starts = matrix.indptr[rows].astype(np.int64)
    lengths = matrix.indptr[rows + 1] - starts
    flat = ranges(starts, lengths)
    values = matrix.data[flat] * np.repeat(weights, lengths)
    return Contributions(matrix.indices[flat], values, matrix.shape[1])


def stacked(parts: Sequence[tuple[Rows, FloatArray]], n_columns: int) -> Csr:
    """Return a matrix from the columns and the values of each row.

    Returns
    -------
    csr_array of shape (len(parts), n_columns), float32
    """
    ends = np.cumsum([0, *(len(columns) for columns, _ in parts)])
    columns = np.concatenate([np.empty(0, np.int32), *(columns for columns, _ in parts)])
    values = np.concatenate([np.empty(0, np.float32), *(values for _, values in parts)])
    return as_csr(sp.csr_array((values, columns, ends), shape=(len(parts), n_columns)))


@dataclass(frozen=True, eq=False)
class Contributions:
    """Weighted entries of some rows of a matrix with `n_columns` columns; a column may occur several times."""

    columns: Rows
    values: FloatArray
    n_columns: int

    def dense(self) -> FloatArray:
        """Return the sum of the entries of each column, shape (n_columns,), float32."""
        if not len(self.columns):
            return np.zeros(self.n_columns, dtype=np.float32)
        return np.bincount(self.columns, self.values, self.n_columns).astype(np.float32)


def top_k_product(left: Csr, right: Csr, k: int, *, drop_diagonal: bool = False) -> Csr:
    """Return `left @ right` with only the `k` entries of largest magnitude of each row, computed block by block.

    Parameters
    ----------
    left : csr_array of shape (n, u), float32
    right : csr_array of shape (u, m), float32
    k : int
        Number of entries kept in each row.
    drop_diagonal : bool
        Whether to leave out the entries on the diagonal.

    Returns
    -------
    csr_array of shape (n, m), float32
    """

    n_rows, n_columns = left.shape[0], right.shape[1]
    factors = plain(left), plain(right)

    def of(start: int) -> tuple[Rows, FloatArray, Rows]:
        scratch, end = workspace(n_columns), min(start + BLOCK_ROWS, n_rows)
        wanted, own = min(k, n_columns), not drop_diagonal
        return largest_of_product(*factors, start, end, wanted, own, scratch.sums, scratch.touched)

    blocks = parallel.each(of, range(0, n_rows, BLOCK_ROWS))
    columns = np.concatenate([np.empty(0, np.int32), *(block[0] for block in blocks)])
    values = np.concatenate([np.empty(0, np.float32), *(block[1] for block in blocks)])
    indptr = np.cumsum(np.concatenate([np.zeros(1, np.int64), *(block[2] for block in blocks)]))
    return as_csr(sp.csr_array((values, columns, indptr), shape=(n_rows, n_columns)))


def plain(matrix: Csr) -> tuple[Longs, Rows, FloatArray]:
    """Return `indptr`, `indices` and `data` of a matrix, always with the same types.

    The compiled functions are compiled again for each combination of types.
    """
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.int32, copy=False), matrix.data


def top_k_rows(matrix: Csr, k: int) -> Csr:
    """Return `matrix` with only the `k` entries of largest magnitude in each row, without zeros.

    Of entries with equal magnitude it is not defined which are kept.
    """
    magnitude = np.abs(matrix.data)
    keep = magnitude > 0
    for row in np.flatnonzero(np.diff(matrix.indptr) > k):
        begin, end = matrix.indptr[row], matrix.indptr[row + 1]
        order = np.argpartition(-magnitude[begin:end], k - 1)
        keep[begin + order[k:]] = False
    return kept_entries(matrix, keep)


def kept_entries(matrix: Csr, keep: AnyArray) -> Csr:
    """Return `matrix` with only the stored entries that `keep` (shape (nnz,), bool) selects."""
    kept = np.flatnonzero(keep)
    parts = (matrix.data[kept], matrix.indices[kept], np.searchsorted(kept, matrix.indptr))
    return as_csr(sp.csr_array(parts, shape=matrix.shape))


def scaled(matrix: Csr, rows: FloatArray | None = None, columns: FloatArray | None = None) -> Csr:
    """Return a copy of `matrix` with its rows and columns multiplied by the given factors."""
    data = matrix.data.copy()
    if rows is not None:
        data *= np.repeat(rows, np.diff(matrix.indptr))
    if columns is not None:
        data *= columns[matrix.indices]
    return as_csr(sp.csr_array((data, matrix.indices, matrix.indptr), shape=matrix.shape))


def inverse(values: FloatArray) -> FloatArray:
    """Return 1 / value for each value, or 0 if the value is not above 0."""
    inverted: FloatArray = np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)
    return inverted


def ranges(starts: Longs, lengths: Longs) -> Longs:
    """Return the concatenation of the ranges start, …, start + length - 1, shape (sum of lengths,)."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    flat: Longs = np.arange(total) + np.repeat(starts - (ends - lengths), lengths)
    return flat
