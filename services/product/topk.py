"""Selects the best entries of each row and returns them as a sparse matrix with the best entry first."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.product.feature_encoders import Csr, FloatArray


class Entries(NamedTuple):
    """Scored pairs of products: three arrays of the same length."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    scores: FloatArray


def best_per_row(entries: Entries, k: int) -> Entries:
    """Return the `k` best entries of each row, ordered by row, best first; ties are ordered by column."""
    order = np.lexsort((entries.columns, -entries.scores, entries.rows))
    rows = entries.rows[order]
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    kept = order[rank < k]
    return Entries(entries.rows[kept], entries.columns[kept], entries.scores[kept])


def stacked(parts: list[Entries], n: int) -> Csr:
    """Return the matrix of shape (n, n) with the entries of `parts`; the entries of a row keep their order.

    All entries of a row must be in the same part.
    """
    rows = np.concatenate([part.rows for part in parts]) if parts else np.empty(0, dtype=np.int64)
    order = np.argsort(rows, kind="stable")
    columns = np.concatenate([np.empty(0, dtype=np.int64), *(part.columns for part in parts)])[order]
    scores = np.concatenate([np.empty(0, dtype=np.float32), *(part.scores for part in parts)])[order]
    starts = np.searchsorted(rows[order], np.arange(n + 1))
    return sp.csr_matrix((scores.astype(np.float32), columns.astype(np.int32), starts.astype(np.int32)), shape=(n, n))
