"""Substitutes: for each product, the products with the most similar embeddings by cosine."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from services.product.clusters import cluster
from services.product.feature_encoders import Csr, FloatArray
from services.product.topk import Entries, best_per_row, stacked

EXACT_UP_TO = 100_000
"""Up to this number of distinct embeddings, each is compared with all others.

The work grows with the square of the number: a million products would take hours of CPU time.
"""
SEARCHED_CLUSTERS = 16
"""Clusters that are compared with each product in a larger catalogue.

With a million products there are 1,000 clusters, and 16 of them have 99.7 % of the 20 best substitutes.
"""
GROUPED = 64
"""Number of columns per group; the search for a row's best scores takes the maximum of each group first."""


def similar_products(
    embeddings: FloatArray,
    category: NDArray[np.int32] | None = None,
    k: int = 50,
    *,
    same_category_bonus: float = 0.1,
    eligible: NDArray[np.bool_] | None = None,
    block: int = 256,
    exact_up_to: int = EXACT_UP_TO,
    progress: Callable[[float], None] = lambda _: None,
) -> Csr:
    """Return the `k` best substitutes of each product, computed in blocks of rows.

    The score is (cosine + bonus if both have the same category) / (1 + bonus), so at most 1. Only positive scores
    count. With up to `exact_up_to` distinct embeddings the result is exact. In a larger catalogue each product is
    compared with the products of the nearest clusters only. Memory beyond the result is about `block` · n · 4 bytes.

    Parameters
    ----------
    embeddings
        Shape (n, d), float32, rows of length 1 or zero. A product with a row of zeros has no substitutes and is not a
        substitute.
    category
        Shape (n,), int32, codes. A negative code is unknown and equals no other code. With None there is no bonus.
    k
        Largest number of substitutes per product.
    same_category_bonus
        Added to the cosine of two products of the same category, in cosine units; not negative.
    eligible
        Shape (n,), bool: products that may appear as a substitute. Other products still get substitutes. With None all
        products may appear.
    block
        Number of rows that are scored together.
    exact_up_to
        Largest number of distinct embeddings for which each is compared with all.
    progress
        Called after each block with the share of the work that is done, up to 1.

    Returns
    -------
    csr_matrix of shape (n, n), float32
        Row i has the scores of the substitutes of product i, **best first** (not sorted by column); ties are ordered
        by column. A product is not its own substitute.

    Raises
    ------
    ValueError
        If a shape, `k`, `block` or the bonus is out of range.
    """
    n = len(embeddings)
    codes = np.full(n, -1, dtype=np.int32) if category is None else category
    _check(n, codes, eligible, k, block, same_category_bonus)
    order = np.argsort(codes, kind="stable")
    known = np.any(embeddings != 0, axis=1)
    rows = order[known[order]]
    # Products with the same embedding and category have the same substitutes, apart from themselves. So one search
    # serves them all, with one more substitute than requested.
    first, like = _equal_rows(embeddings[rows], codes[rows])
    shown = np.ones(len(rows), dtype=np.bool_) if eligible is None else eligible[rows]
    parts, done = [], 0
    # The products of matrices are small: on a busy machine several threads would wait for each other at each of them.
    with threadpool_limits(1 if len(first) > exact_up_to else None):
        for searched, columns in _compared(embeddings[rows], first, shown, exact_up_to):
            search = _Search(embeddings, codes, rows[columns], k + 1, same_category_bonus, block)
            for start in range(0, len(searched), block):
                parts.append(search.best(rows[searched[start : start + block]]))
                done += len(searched[start : start + block])
                progress(done / len(first))
    return stacked([_of_each(rows, rows[first][like], stacked(parts, n), k)] if len(rows) else [], n)


def _compared(
    vectors: FloatArray, first: NDArray[np.int64], shown: NDArray[np.bool_], exact_up_to: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield pairs of rows to search for and the rows to compare them with, both ascending.

    Each row of `first` is searched for once.
    """
    if len(first) <= exact_up_to:
        yield first, np.flatnonzero(shown)
        return
    is_first = np.zeros(len(vectors), dtype=np.bool_)
    is_first[first] = True
    clusters = cluster(vectors, SEARCHED_CLUSTERS)
    for number, members in enumerate(clusters.members):
        near = clusters.near(number)
        yield members[is_first[members]], near[shown[near]]


def _equal_rows(embeddings: FloatArray, codes: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct pairs of embedding and code.

    Returns
    -------
    first : ndarray of shape (n_distinct,), int64
        Position of the first row of each distinct pair, ascending.
    like : ndarray of shape (n,), int64
        Index into `first` of each row's pair.
    """
    table = np.column_stack([embeddings.view(np.int32), codes])
    keys = np.ascontiguousarray(table).view(np.dtype((np.void, table.shape[1] * table.itemsize))).ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[group]


def _of_each(rows: NDArray[np.int64], like: NDArray[np.int64], found: Csr, k: int) -> Entries:
    """Return the `k` best entries of each of `rows`: those found for its equal in `like`, without the row itself."""
    starts = found.indptr[like].astype(np.int64)
    counts = found.indptr[like + 1] - starts
    owners = np.repeat(rows, counts)
    at = np.arange(len(owners)) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
    columns, scores = found.indices[at].astype(np.int64), found.data[at]
    others = columns != owners
    return best_per_row(Entries(owners[others], columns[others], scores[others]), k)


def _check(
    n: int, codes: NDArray[np.int32], eligible: NDArray[np.bool_] | None, k: int, block: int, bonus: float
) -> None:
    if len(codes) != n:
        raise ValueError(f"category: must have one code per product, got {len(codes)} for {n} products")
    if eligible is not None and len(eligible) != n:
        raise ValueError(f"eligible: must have one entry per product, got {len(eligible)} for {n} products")
    for name, value in (("k", k), ("block", block)):
        if value < 1:
            raise ValueError(f"{name}: must be positive, got {value}")
    if bonus < 0:
        raise ValueError(f"same_category_bonus: must not be negative, got {bonus}")


class _Search:
    """Scores blocks of rows against all columns.

    All blocks use the same buffer, because allocating one per block would take longer than the multiplication.
    """

    def __init__(
        self,
        embeddings: FloatArray,
        codes: NDArray[np.int32],
        columns: NDArray[np.int64],
        k: int,
        bonus: float,
        block: int,
    ) -> None:
        width = max(-(-len(columns) // GROUPED), 1) * GROUPED
        self._embeddings, self._codes, self._columns, self._k = embeddings, codes, columns, k
        self._bonus = np.float32(bonus / (1.0 + bonus))
        self._targets = np.zeros((embeddings.shape[1], width), dtype=np.float32)
        self._targets[:, : len(columns)] = embeddings[columns].T / np.float32(1.0 + bonus)
        self._buffer = np.empty((block, width), dtype=np.float32)

    def best(self, rows: NDArray[np.int64]) -> Entries:
        """Return the best columns of `rows`, each row itself included; rows and columns must be ordered by code."""
        scores = np.matmul(self._embeddings[rows], self._targets, out=self._buffer[: len(rows)])
        self._add_bonus(scores, rows)
        row, column = _candidates(scores, self._k)
        found = Entries(rows[row], self._columns[column], np.minimum(scores[row, column], np.float32(1.0)))
        return best_per_row(found, self._k)

    def _add_bonus(self, scores: FloatArray, rows: NDArray[np.int64]) -> None:
        """Add the bonus to pairs of equal codes; codes are sorted, so the pairs of a code are a rectangle."""
        row_codes, column_codes = self._codes[rows], self._codes[self._columns]
        for code in np.unique(row_codes[row_codes >= 0]):
            top, bottom = np.searchsorted(row_codes, [code, code + 1])
            left, right = np.searchsorted(column_codes, [code, code + 1])
            scores[top:bottom, left:right] += self._bonus


def _candidates(scores: FloatArray, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows and columns of positive scores that include each row's `k` best.

    The columns are divided into groups of `GROUPED`. The k-th largest of the groups' maxima is a lower bound of the
    k-th largest score, so computing maxima replaces a selection over the whole row. The columns of a group are equally
    spaced, so that the maxima of adjacent groups are computed by vector instructions.
    """
    groups = scores.reshape(len(scores), GROUPED, -1)
    maxima = groups.max(axis=1, initial=0.0)
    bound = np.full(len(scores), np.finfo(np.float32).tiny)
    if maxima.shape[1] > k:
        bound = np.maximum(np.partition(maxima, -k, axis=1)[:, -k], bound)
    row, group = np.nonzero(maxima >= bound[:, None])
    entry, member = np.nonzero(groups[row, :, group] >= bound[row][:, None])
    return row[entry], member * maxima.shape[1] + group[entry]
