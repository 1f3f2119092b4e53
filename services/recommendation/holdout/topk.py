"""From scores to lists."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.algorithms.shopper_scores import FewScores
from services.recommendation.holdout.protocols import products_of
from services.recommendation.holdout.tasks import Task

Scores = NDArray[np.floating[Any]]

BATCH_CELLS = 2**23
"""Scores computed at a time: 32 MB."""


def top_k(scores: Scores, excluded: list[Rows], k: int, *, seed: int = 0) -> Rows:
    """Return the best products of each shopper.

    Scores that tie are ordered by a pseudo-random order of the products, the same in every call with the same `seed`
    and number of products: neither the order of the data nor that of the ids can help a list.

    Parameters
    ----------
    scores : ndarray of shape (b, n_products), float
        Higher is better; only products above 0 are listed. Not changed.
    excluded : list of b ndarrays, int32
        Rows that are left out of each list.
    k : int
        Places of a list.

    Returns
    -------
    ndarray of shape (b, k), int32
        Rows, best first; -1 where there is nothing more.
    """
    lists = np.full((len(scores), k), -1, dtype=np.int32)
    places = tie_order(scores.shape[1], seed)
    for listed, scored, left_out in zip(lists, scores, excluded, strict=True):
        best = _best(scored, left_out, k, places)
        listed[: len(best)] = best
    return lists


def top_k_of_few(scores: Sequence[FewScores], excluded: Sequence[Rows], k: int, *, seed: int = 0) -> Rows:
    """Return what `top_k` returns, from sparse scores: the time does not grow with the size of the catalogue.

    Parameters
    ----------
    scores : sequence of b FewScores
        Of each shopper, over the same products.
    excluded : sequence of b ndarrays, int32
        Rows that are left out of each list.
    k : int
        Places of a list.

    Returns
    -------
    ndarray of shape (b, k), int32
        Rows, best first; -1 where there is nothing more.
    """
    lists = np.full((len(scores), k), -1, dtype=np.int32)
    for listed, scored, left_out in zip(lists, scores, excluded, strict=True):
        listable = ~np.isin(scored.rows, left_out)
        places = tie_order(scored.n_products, seed)
        best = _ordered(scored.rows[listable], scored.values[listable], k, places)
        listed[: len(best)] = best
    return lists


@lru_cache(maxsize=4)
def tie_order(n_products: int, seed: int = 0) -> Rows:
    """Return the place of each product among products of the same score, shape (n_products,)."""
    places = np.random.default_rng(seed).permutation(n_products).astype(np.int32)
    places.flags.writeable = False
    return places


class AlgorithmRanker:
    """One algorithm alone as a ranker of the products that train saw.

    Parameters
    ----------
    algorithm : Algorithm
        Fitted anew by `fit`.
    seed : int
        Seed of the order of ties.
    """

    def __init__(self, algorithm: Algorithm, seed: int = 0) -> None:
        self.name = algorithm.name
        self.algorithm = algorithm
        self._seed = seed
        self._unseen: Mask = np.empty(0, dtype=bool)

    def fit(self, task: Task) -> None:
        """Learn from `task.train`, replacing what was learned before."""
        self.algorithm.fit(task.train)
        self._unseen = products_of(task.train) == 0

    def top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        """Return the best `k` products of each shopper, shape (len(shoppers), k), -1 where there is nothing more."""
        size = max(1, BATCH_CELLS // max(self.algorithm.n_products, 1))
        parts = [
            self._top(shoppers[start : start + size], excluded[start : start + size], k)
            for start in range(0, len(shoppers), size)
        ]
        return np.concatenate([np.empty((0, k), np.int32), *parts])

    def _top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        scores = self.algorithm.score_many(shoppers)
        scores[:, self._unseen] = 0.0
        return top_k(scores, excluded, k, seed=self._seed)


def _best(scored: Scores, left_out: Rows, k: int, places: Rows) -> Rows:
    """Return the rows of the `k` highest scores above 0, best first."""
    listable = scored > 0
    listable[left_out] = False
    rows = np.flatnonzero(listable)
    return _ordered(rows, scored[rows], k, places)


def _ordered(rows: NDArray[np.integer], scores: Scores, k: int, places: Rows) -> Rows:
    """Return those of the rows that have the `k` highest scores, best first."""
    first = _first(-scores, places[rows], k)
    order = first[np.lexsort((places[rows[first]], -scores[first]))]
    return rows[order].astype(np.int32)


def _first(costs: Scores, places: Rows, k: int) -> NDArray[np.intp]:
    """Return where the `k` lowest costs are, in any order; of those that tie at the edge, the first by place."""
    if len(costs) <= k:
        return np.arange(len(costs))
    edge = np.partition(costs, k - 1)[k - 1]
    inside, tied = np.flatnonzero(costs < edge), np.flatnonzero(costs == edge)
    free = k - len(inside)
    if len(tied) > free:
        tied = tied[np.argpartition(places[tied], free - 1)[:free]]
    return np.concatenate([inside, tied])
