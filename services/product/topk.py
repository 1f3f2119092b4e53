"""The best entries of each row, as a matrix that lists them best first."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from services.product.feature_encoders import Csr, FloatArray


class Entries(NamedTuple):
    """Scored pairs of products: three arrays of one length."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    scores: FloatArray


def best_per_row(entries: Entries, k: int) -> Entries:
    """Return the `k` best entries of each row, by row, best first, equal scores by column."""
    order = np.lexsort((entries.columns, -entries.scores, entries.rows))
    rows = entries.rows[order]
    starts = np.flatnonzero(np.diff(rows, prepend=-1))
    rank = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    kept = order[rank < k]
    return Entries(entries.rows[kept], entries.columns[kept], entries.scores[kept])


def stacked(parts: list[Entries], n: int) -> Csr:
    """Return the matrix of shape (n, n) with the entries of `parts`; entries of one row keep their order.

    Each row must lie within one part.
    """
    rows = np.concatenate([part.rows for part in parts]) if parts else np.empty(0, dtype=np.int64)
    order = np.argsort(rows, kind="stable")
    columns = np.concatenate([np.empty(0, dtype=np.int64), *(part.columns for part in parts)])[order]
    scores = np.concatenate([np.empty(0, dtype=np.float32), *(part.scores for part in parts)])[order]
    starts = np.searchsorted(rows[order], np.arange(n + 1))
    return sp.csr_matrix((scores.astype(np.float32), columns.astype(np.int32), starts.astype(np.int32)), shape=(n, n))
