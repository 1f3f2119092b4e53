"""Candidates: the best products of every algorithm, with the scores and ranks that each algorithm gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.algorithms.shopper_scores import ShopperScores
from services.recommendation.reranker.ranks import candidate_columns, ranks_in_groups, tie_hash, tie_hashes
from services.recommendation.reranker.scorers import proposers
from shared.compiled import compiled

T = TypeVar("T", bound=np.integer)

DEPTH = 100
"""Products that each algorithm proposes: in training, evaluation and serving."""
SMALLEST_POSITIVE = np.nextafter(np.float32(0), np.float32(1))
NONE: Rows = np.empty(0, np.int32)
BLOCK = 64
"""Entries compared with an edge together: most blocks have none above it and are passed over."""
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
    score_columns : ndarray of shape (2 · n_algorithms, n_candidates), float32
        For each algorithm a row with the scores as shares of its best for this shopper, and a row with the ranks among
        the shopper's candidates from 0, `UNRANKED` where the algorithm gives no score.
    """

    n_shoppers: int
    owners: Longs
    products: Longs
    score_columns: FloatArray

    @property
    def ranks(self) -> FloatArray:
        """Rank of each candidate with each algorithm from 0, shape (n_candidates, n_algorithms)."""
        return self.score_columns[1::2].T

    @classmethod
    def of(cls, scores: Mapping[str, FloatArray], excluded: Sequence[Rows], depth: int) -> Self:
        """Return the union of the first `depth` products of every algorithm that proposes any.

        `ranks.tie_hash` decides which of equal scores come first, here and wherever candidates are ranked.

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
        for each in scores.values():
            each[left_out] = 0.0
        keys = [largest(scores[name], depth) for name in proposers(scores)]
        owners, products = np.divmod(_distinct(np.concatenate(keys)), shape[1])
        chosen = np.stack([each[owners, products] for each in scores.values()])
        return cls(shape[0], owners, products, candidate_columns(chosen, owners, products))

    @classmethod
    def of_sparse(
        cls,
        scores: Mapping[str, Sequence[ShopperScores]],
        there: Mask,
        excluded: Sequence[Rows],
        depth: int,
        also: Sequence[Rows] = (),
    ) -> Self:
        """Return what `of` gives, but for which of equal scores are the last that an algorithm proposes.

        The time does not grow with the size of the catalogue times that of all algorithms, as it does for `of`.

        Parameters
        ----------
        scores : mapping of name to sequence of ShopperScores
            Of each shopper.
        there : ndarray of shape (n_products,), bool
            Products that may be proposed.
        excluded : sequence of ndarray
            Rows that must not be proposed, for each shopper.
        depth : int
            Products that each algorithm may propose.
        also : sequence of ndarray
            Rows that are candidates whoever proposes them, for each shopper; empty for none.
        """
        allowed = there.copy()
        products, tables = [], []
        names = proposers(scores)
        proposing = [place for place, name in enumerate(scores) if name in names]
        for left_out, named, *of_shopper in zip(
            excluded, also or [NONE] * len(excluded), *scores.values(), strict=True
        ):
            allowed[left_out] = False
            proposed = [of_shopper[place].top(depth, allowed)[0] for place in proposing]
            rows = _distinct(np.concatenate([*proposed, named]))
            products.append(rows)
            tables.append(np.stack([each.at(rows) for each in of_shopper]))
            allowed[left_out] = there[left_out]
        owners = np.repeat(np.arange(len(products)), [len(rows) for rows in products])
        joined = np.concatenate([*products, np.empty(0, np.int64)], dtype=np.int64)
        chosen = np.concatenate([np.empty((len(scores), 0), np.float32), *tables], axis=1)
        return cls(len(products), owners, joined, candidate_columns(chosen, owners, joined))

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
        columns = candidate_columns(np.ascontiguousarray(scores, np.float32), owners, products)
        return cls(1, owners, products, columns)

    def where(self, mask: Mask) -> Self:
        """Return the candidates that `mask` (shape (n_candidates,)) selects, of as many shoppers."""
        columns = self.score_columns[:, mask]
        return replace(self, owners=self.owners[mask], products=self.products[mask], score_columns=columns)

    def ranks_by(self, values: FloatArray) -> Longs:
        """Return the rank of each candidate among its shopper's from 0 by values, shape (n_candidates,).

        The largest value has rank 0.
        """
        return ranks_in_groups(np.ascontiguousarray(values, np.float32), self.owners, self.products)

    def lists(self, values: FloatArray, k: int) -> Rows:
        """Return the `k` candidates of largest value (shape (n_candidates,)) for each shopper, -1 for none."""
        ranks = self.ranks_by(values)
        chosen = ranks < k
        lists = np.full((self.n_shoppers, k), -1, np.int32)
        lists[self.owners[chosen], ranks[chosen]] = self.products[chosen]
        return lists


def largest(scores: FloatArray, k: int) -> Longs:
    """Return the places (row · n_columns + column) of the `k` largest positive entries of each row, ascending.

    Of equal entries at the edge, those whose column has the smallest `tie_hash` are taken.
    """
    edges = np.maximum(_kth_largest(scores, k), SMALLEST_POSITIVE)
    return _places_from(scores, edges, _last_hashes(scores, edges, k), k)


def _kth_largest(scores: FloatArray, k: int) -> FloatArray:
    """Return the `k`-th largest entry of each row, the smallest where there are fewer.

    The largest `k` entries lie in the `k` groups of columns with the largest maxima, so only those are searched.
    """
    if scores.shape[1] > WORTH_GROUPING * k * GROUP:
        scores = np.take_along_axis(scores, _columns_of_the_best_groups(scores, k), 1)
    place = max(scores.shape[1] - k, 0)
    edges: FloatArray = np.partition(scores, place, axis=1)[:, place]
    return edges


def _last_hashes(scores: FloatArray, edges: FloatArray, k: int) -> NDArray[np.uint64]:
    """Return for each row the largest hash of the columns with the value of the edge that are among the `k` taken."""
    last = np.full(len(scores), np.iinfo(np.uint64).max, np.uint64)
    larger, at_least = _counts(scores, edges)
    for row in np.flatnonzero(at_least > k).tolist():
        hashes = tie_hashes(np.flatnonzero(scores[row] == edges[row]))
        place = k - int(larger[row]) - 1
        last[row] = np.partition(hashes, place)[place]
    return last


@compiled
def _counts(scores: FloatArray, edges: FloatArray) -> tuple[Longs, Longs]:
    """Return how many entries of each row are larger than its edge, and how many at least as large."""
    n_rows, n = scores.shape
    larger, at_least = np.zeros(n_rows, np.int64), np.zeros(n_rows, np.int64)
    for row in range(n_rows):
        for column in range(n):
            larger[row] += scores[row, column] > edges[row]
            at_least[row] += scores[row, column] >= edges[row]
    return larger, at_least


@compiled
def _places_from(scores: FloatArray, edges: FloatArray, last_hashes: NDArray[np.uint64], k: int) -> Longs:
    """Return the places of the entries above the edge of their row, and of those at the edge up to the last hash."""
    n_rows, n = scores.shape
    places = np.empty(n_rows * k, np.int64)
    found = 0
    for row in range(n_rows):
        edge = edges[row]
        for begin in range(0, n, BLOCK):
            end = min(begin + BLOCK, n)
            any_there = False
            for column in range(begin, end):
                any_there |= scores[row, column] >= edge
            if any_there:
                for column in range(begin, end):
                    score = scores[row, column]
                    if score > edge or (score == edge and tie_hash(column) <= last_hashes[row]):
                        places[found] = row * n + column
                        found += 1
    return places[:found]


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


def _distinct(keys: NDArray[T]) -> NDArray[T]:
    keys = np.sort(keys)
    distinct: NDArray[T] = keys[np.append(True, keys[1:] != keys[:-1])[: len(keys)]]
    return distinct
