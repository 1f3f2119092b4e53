"""Candidates: the best of every algorithm, with what each algorithm says of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.reranker.ranks import Ranker

UNRANKED = 9999.0
"""Rank of a product that an algorithm has no opinion of."""
GROUP = 16
"""Columns looked at together when the largest entries of long rows are searched."""
WORTH_GROUPING = 10
"""Times that a row must be longer than what is searched of it, below which it is as quick to search all of it."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Pairs of shopper and product, by shopper and product.

    Parameters
    ----------
    n_shoppers : int
    owners : ndarray of shape (n_candidates,), int64
        Place in the list of shoppers, ascending.
    products : ndarray of shape (n_candidates,), int64
        Rows of products, ascending for each shopper.
    opinions : ndarray of shape (n_candidates, 2 · n_algorithms), float32
        For each algorithm the score as a share of its best for this shopper, and the rank among the candidates from 0.
    """

    n_shoppers: int
    owners: Longs
    products: Longs
    opinions: FloatArray

    @property
    def ranks(self) -> FloatArray:
        """Rank of each candidate with each algorithm from 0, shape (n_candidates, n_algorithms)."""
        return self.opinions[:, 1::2]

    @classmethod
    def of(cls, scores: Mapping[str, FloatArray], excluded: Sequence[Rows], depth: int) -> Self:
        """Return the union of the first `depth` of every algorithm.

        Parameters
        ----------
        scores : mapping of name to ndarray of shape (n_shoppers, n_products), float32
            As `Algorithm.score_many` gives them; entries of excluded products are set to 0 in place.
        excluded : sequence of ndarray
            Rows that must not be proposed, for each shopper.
        depth : int
            Products that each algorithm may propose.
        """
        shape = next(iter(scores.values())).shape
        owner = np.repeat(np.arange(shape[0]), [len(rows) for rows in excluded])
        left_out = (owner, np.concatenate([*excluded, np.empty(0, np.int32)]))
        keys = []
        for each in scores.values():
            each[left_out] = 0.0
            keys.append(largest(each, depth))
        owners, products = np.divmod(_distinct(np.concatenate(keys)), shape[1])
        return cls(shape[0], owners, products, _columns([each[owners, products] for each in scores.values()], owners))

    @classmethod
    def of_proposals(cls, products: Longs, scores: FloatArray) -> Self:
        """Return the candidates of one shopper from what each algorithm proposed.

        On the union of the first `depth` products of every algorithm the result equals that of `of`.

        Parameters
        ----------
        products : ndarray of shape (n_candidates,), int64
            Distinct rows of products, ascending.
        scores : ndarray of shape (n_algorithms, n_candidates), float32
            Score of each candidate with each algorithm, 0 for none.

        Raises
        ------
        ValueError
            If the products do not ascend, or the scores are not one for each product.
        """
        if (np.diff(products) <= 0).any():
            raise ValueError("products: must be distinct and ascending")
        if scores.ndim != 2 or scores.shape[1] != len(products):
            raise ValueError(f"scores: shape {scores.shape}, expected (n_algorithms, {len(products)})")
        owners = np.zeros(len(products), np.int64)
        return cls(1, owners, products, _columns(scores, owners))

    def where(self, mask: Mask) -> Self:
        """Return the candidates that `mask` (shape (n_candidates,)) selects, of as many shoppers."""
        return replace(self, owners=self.owners[mask], products=self.products[mask], opinions=self.opinions[mask])

    def lists(self, values: FloatArray, k: int) -> Rows:
        """Return the `k` candidates of largest value (shape (n_candidates,)) for each shopper, -1 for none."""
        ranks = Ranker(self.owners).ranks(values)
        chosen = ranks < k
        lists = np.full((self.n_shoppers, k), -1, np.int32)
        lists[self.owners[chosen], ranks[chosen]] = self.products[chosen]
        return lists


def largest(scores: FloatArray, k: int) -> Longs:
    """Return the places (row · n_columns + column) of the `k` largest positive entries of each row.

    The largest `k` entries lie in the `k` groups of columns with the largest maxima, so only those are searched.
    """
    n_rows, n = scores.shape
    columns = None
    if n > WORTH_GROUPING * k * GROUP:
        columns = _columns_of_the_best_groups(scores, k)
        scores = np.take_along_axis(scores, columns, 1)
    width = min(k, scores.shape[1])
    top = np.argpartition(-scores, width - 1, axis=1)[:, :width]
    positive = np.take_along_axis(scores, top, 1) > 0
    found = top if columns is None else np.take_along_axis(columns, top, 1)
    places: Longs = (found + np.arange(n_rows)[:, None] * n)[positive]
    return places


def _columns_of_the_best_groups(scores: FloatArray, k: int) -> Longs:
    """Return for each row the columns of the `k` groups with the largest maxima, and those that are in no group.

    Columns of the same place in `GROUP` equal stretches are a group: stretches are compared whole, in the order in
    which they lie in memory.
    """
    n_rows, n = scores.shape
    n_groups = n // GROUP
    best = scores[:, :n_groups].copy()
    for start in range(n_groups, GROUP * n_groups, n_groups):
        np.maximum(best, scores[:, start : start + n_groups], out=best)
    groups = np.argpartition(-best, k - 1, axis=1)[:, :k]
    columns = (groups[:, :, None] + n_groups * np.arange(GROUP)).reshape(n_rows, -1)
    rest = np.broadcast_to(np.arange(GROUP * n_groups, n), (n_rows, n - GROUP * n_groups))
    found: Longs = np.concatenate([columns, rest], axis=1)
    return found


def _distinct(keys: Longs) -> Longs:
    keys = np.sort(keys)
    distinct: Longs = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
    return distinct


def _columns(scores: Iterable[FloatArray], owners: Longs) -> FloatArray:
    """Return shares and ranks of each algorithm side by side, shape (n_candidates, 2 · n_algorithms)."""
    ranker = Ranker(owners)
    return np.stack([column for each in scores for column in _opinion(each, owners, ranker)], axis=1)


def _opinion(own: FloatArray, owners: Longs, ranker: Ranker) -> tuple[FloatArray, FloatArray]:
    """Return scores of candidates as shares of their owner's best, and ranks; the best is always a candidate."""
    best: FloatArray = np.full(owners.max(initial=-1) + 1, np.finfo(np.float32).tiny, np.float32)
    np.maximum.at(best, owners, own)
    ranks = np.where(own > 0, ranker.ranks(own), UNRANKED)
    shares: FloatArray = own / best[owners]
    return shares, ranks.astype(np.float32)
