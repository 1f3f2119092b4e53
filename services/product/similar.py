"""Substitutes: for each product the most similar others, by cosine of their embeddings."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from services.product.clusters import cluster
from services.product.feature_encoders import Csr, FloatArray
from services.product.topk import Entries, best_per_row, stacked

EXACT_UP_TO = 100_000
"""Products that are all compared with each other. The work grows with the square: a million take hours of CPU time."""
SEARCHED_CLUSTERS = 16
"""Clusters, of a thousand in a million products, that are searched: they hold 99.8 % of the 20 best substitutes."""
GROUPED = 64
"""Number of columns whose maximum is taken together when looking for a row's best."""


def similar_products(
    embeddings: FloatArray,
    category: NDArray[np.int32] | None = None,
    k: int = 50,
    *,
    same_category_bonus: float = 0.1,
    eligible: NDArray[np.bool_] | None = None,
    block: int = 256,
    exact_up_to: int = EXACT_UP_TO,
) -> Csr:
    """Return for each product its `k` best substitutes, in blocks of rows.

    The score is (cosine + bonus if both are of one category) / (1 + bonus), so at most 1; only positive scores count.
    They are the best of all in a catalogue of up to `exact_up_to` different embeddings, and in a larger one the best of
    the clusters that are near. Memory beyond the result is about `block` · n · 4 bytes.

    Parameters
    ----------
    embeddings
        Shape (n, d), float32, rows of length 1 or zero. A zero row has no substitutes and is none.
    category
        Shape (n,), int32, codes; negative is unknown and shares its category with nothing. None: no bonus.
    k
        Most substitutes a product gets.
    same_category_bonus
        Added to the cosine of two products of one category, in cosine units; not negative.
    eligible
        Shape (n,), bool: products that may appear as a substitute. Every product gets substitutes. None: all may.
    block
        Rows that are scored together.
    exact_up_to
        Different embeddings up to which each is compared with all.

    Returns
    -------
    csr_matrix of shape (n, n), float32
        Row i holds the scores of the substitutes of product i, **best first** (not sorted by column), equal scores by
        row number. Never the product itself.

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
    # Products of one description have the same substitutes, but for themselves: searched once, with one to spare.
    first, like = _equal_rows(embeddings[rows], codes[rows])
    shown = np.ones(len(rows), dtype=np.bool_) if eligible is None else eligible[rows]
    parts = []
    # The products of matrices are small: on a busy machine several threads would wait for each other at each of them.
    with threadpool_limits(1 if len(first) > exact_up_to else None):
        for searched, columns in _compared(embeddings[rows], first, shown, exact_up_to):
            search = _Search(embeddings, codes, rows[columns], k + 1, same_category_bonus, block)
            parts += [search.best(rows[searched[start : start + block]]) for start in range(0, len(searched), block)]
    return stacked([_of_each(rows, rows[first][like], stacked(parts, n), k)] if len(rows) else [], n)


def _compared(
    vectors: FloatArray, first: NDArray[np.int64], shown: NDArray[np.bool_], exact_up_to: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield rows that are searched for and the rows they are compared with, both ascending; each of `first` once."""
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
    """Return the places, ascending, of the first rows of each embedding and code, and which of them each row equals."""
    table = np.column_stack([embeddings.view(np.int32), codes])
    keys = np.ascontiguousarray(table).view(np.dtype((np.void, table.shape[1] * table.itemsize))).ravel()
    _, first, group = np.unique(keys, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[group]


def _of_each(rows: NDArray[np.int64], like: NDArray[np.int64], found: Csr, k: int) -> Entries:
    """Return the `k` best of each row, which are those of the row that it is `like`, without itself."""
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
    """Scores blocks of rows against all columns in one buffer: a new one per block would cost more than the product."""

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
        """Return the best of `rows`, themselves among them; rows and columns are in the order of their codes."""
        scores = np.matmul(self._embeddings[rows], self._targets, out=self._buffer[: len(rows)])
        self._add_bonus(scores, rows)
        row, column = _candidates(scores, self._k)
        found = Entries(rows[row], self._columns[column], np.minimum(scores[row, column], np.float32(1.0)))
        return best_per_row(found, self._k)

    def _add_bonus(self, scores: FloatArray, rows: NDArray[np.int64]) -> None:
        """Add the bonus where codes agree. Codes are sorted, so each code is one rectangle of `scores`."""
        row_codes, column_codes = self._codes[rows], self._codes[self._columns]
        for code in np.unique(row_codes[row_codes >= 0]):
            top, bottom = np.searchsorted(row_codes, [code, code + 1])
            left, right = np.searchsorted(column_codes, [code, code + 1])
            scores[top:bottom, left:right] += self._bonus


def _candidates(scores: FloatArray, k: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return places of positive scores that include each row's `k` best.

    The k-th largest of the maxima of groups of columns is a lower bound of the k-th largest score, so one pass of
    maxima replaces a selection over the whole row. A group is a comb of columns, for maxima of whole vectors at a time.
    """
    groups = scores.reshape(len(scores), GROUPED, -1)
    maxima = groups.max(axis=1, initial=0.0)
    bound = np.full(len(scores), np.finfo(np.float32).tiny)
    if maxima.shape[1] > k:
        bound = np.maximum(np.partition(maxima, -k, axis=1)[:, -k], bound)
    row, group = np.nonzero(maxima >= bound[:, None])
    entry, member = np.nonzero(groups[row, :, group] >= bound[row][:, None])
    return row[entry], member * maxima.shape[1] + group[entry]
