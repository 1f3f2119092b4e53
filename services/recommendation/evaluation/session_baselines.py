"""Baselines for sessions: the session's own products first, and the session neighbours of VSTAN."""

from dataclasses import dataclass
from typing import Literal, Self, TypeAlias

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import Csr, Longs, Rows, as_csr
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.interactions import DAY, Interactions
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.algorithms.sparse import ranges
from services.recommendation.evaluation.baselines import Baseline, Scores
from services.recommendation.holdout.metrics import Values
from services.recommendation.holdout.tasks import Task

LastProduct: TypeAlias = Literal["after", "first", "out"]
"""Where the last product of the session stands: after the earlier ones, before them, or nowhere."""


class RepeatFirst(Baseline):
    """The earlier products of the session, the most recent first; then the order of one algorithm.

    Where many answers are repeats this is hard to beat. The name is `repeat_first_` and the algorithm's name.

    Parameters
    ----------
    algorithm : Algorithm
        Fitted anew by `fit`.
    last : {"after", "first", "out"}
        Where the last product stands. In some data it is often met again at once, in other data it never is.
    seed : int
        Seed of the order of ties.
    """

    def __init__(self, algorithm: Algorithm, last: LastProduct = "after", seed: int = 0) -> None:
        super().__init__(seed)
        self.name = f"repeat_first_{algorithm.name}"
        self._algorithm = algorithm
        self._last = last

    def _fit(self, task: Task) -> None:
        self._algorithm.fit(task.train)

    def _scores(self, shoppers: list[Shopper]) -> Scores:
        scores = self._algorithm.score_many(shoppers).astype(np.float64)
        scores /= 1.0 + scores.max(axis=1, keepdims=True, initial=0.0)  # below 1
        for scored, shopper in zip(scores, shoppers, strict=True):
            trail = shopper.trail
            scored[trail] = 2.0 + np.arange(len(trail))
            if self._last != "first":
                scored[trail[-1:]] = 1.0 if self._last == "after" else 0.0
        return scores


@dataclass(frozen=True, eq=False)
class SessionIndex:
    """Sessions of train, the oldest first, and where each product occurs in them.

    Parameters
    ----------
    products : ndarray of shape (n_entries,), int32
        Products of all sessions, each once a session, where it occurred last.
    places : ndarray of shape (n_entries,), int64
        Place of each product in its session, from 0.
    bounds : ndarray of shape (n_sessions + 1,), int64
        `products[bounds[s]:bounds[s + 1]]` is session `s`.
    ended : ndarray of shape (n_sessions,), int64
        Time of the last event of each session.
    entries : csr_array of shape (n_products, n_sessions), float64
        1 + place of the product in the session.
    """

    products: Rows
    places: Longs
    bounds: Longs
    ended: Longs
    entries: Csr

    @classmethod
    def of(cls, train: Interactions) -> Self:
        """Return the index of the sessions (`baskets`) of train."""
        _, session = np.unique(train.baskets, return_inverse=True)
        ended = np.full(session.max(initial=-1) + 1, np.iinfo(np.int64).min)
        np.maximum.at(ended, session, train.times)
        rank = np.argsort(np.argsort(ended, kind="stable"), kind="stable")
        order = np.lexsort((train.times, rank[session]))
        sessions, products = rank[session][order], train.products[order]
        places = np.arange(len(order)) - np.searchsorted(sessions, sessions)
        kept = _last_positions(sessions * train.n_products + products)
        sessions, products, places = sessions[kept], products[kept], places[kept]
        shape = (train.n_products, len(ended))
        entries = as_csr(sp.coo_array((places + 1.0, (products, sessions)), shape=shape))
        bounds = np.searchsorted(sessions, np.arange(len(ended) + 1))
        return cls(products, places, bounds, np.sort(ended), entries)


class Vstan(Baseline):
    """Session neighbours with weights of position and time, and rare products weighted up (VSTAN).

    Source: Ludewig, Mauro, Latifi & Jannach, "Empirical analysis of session-based recommendation algorithms", UMUAI
    2021, doi:10.1007/s11257-020-09277-1; it extends STAN, Garg et al., SIGIR 2019, doi:10.1145/3331184.3331322

    Parameters
    ----------
    position_decay : float
        Steps after which an earlier product of the running session counts 1 / e.
    neighbour_decay : float
        Distance in steps, within a neighbour session from the shared product, after which a product counts 1 / e.
    recency_days : float
        Age in days after which a neighbour session counts 1 / e; not used where data has no times.
    idf_weight : float
        Scores are multiplied by 1 + idf_weight · log(sessions / sessions with the product).
    list_last : bool
        Whether the last product of the running session is listed; STAN calls it reminders.
    neighbours, sample : int
        Sessions that vote, and sessions that are looked at, the most recent with a shared product.
    seed : int
        Seed of the order of ties.
    """

    name = "vstan"

    def __init__(
        self,
        *,
        position_decay: float = 1.81,
        neighbour_decay: float = 1.81,
        recency_days: float = 40.0,
        idf_weight: float = 1.0,
        list_last: bool = True,
        neighbours: int = 500,
        sample: int = 2500,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self._position_decay = position_decay
        self._neighbour_decay = neighbour_decay
        self._recency_days = recency_days
        self._idf_weight = idf_weight
        self._list_last = list_last
        self._neighbours = neighbours
        self._sample = sample

    def _fit(self, task: Task) -> None:
        self._index = SessionIndex.of(task.train)
        n_sessions = len(self._index.ended)
        counts = np.bincount(self._index.products, minlength=task.train.n_products)
        self._gain: Values = 1.0 + self._idf_weight * np.log(max(n_sessions, 1) / np.maximum(counts, 1))
        age = (task.train.now - self._index.ended) / (DAY * self._recency_days)
        self._recency: Values = np.exp(-np.maximum(age, 0.0)) if task.timed else np.ones(n_sessions)

    def _scores(self, shoppers: list[Shopper]) -> Scores:
        scores = np.stack([self._score(shopper) for shopper in shoppers])
        if not self._list_last:
            for scored, shopper in zip(scores, shoppers, strict=True):
                scored[shopper.trail[-1:]] = 0.0
        return scores

    def _score(self, shopper: Shopper) -> Values:
        index, running = self._index, shopper.trail
        weights: Values = np.exp((np.arange(len(running)) + 1.0 - len(running)) / self._position_decay)
        lengths = np.diff(index.entries.indptr)[running]
        flat = ranges(index.entries.indptr[running].astype(np.int64), lengths.astype(np.int64))
        sessions, places = index.entries.indices[flat], index.entries.data[flat] - 1.0
        source = np.repeat(np.arange(len(running)), lengths)
        near, group = np.unique(sessions, return_inverse=True)
        similarity = np.bincount(group, weights[source], len(near)) * self._recency[near]
        similarity /= np.sqrt(np.maximum(len(running) * np.diff(index.bounds)[near], 1))
        similarity[: max(len(near) - self._sample, 0)] = 0.0  # ascending numbers are older sessions first
        shared = np.zeros(len(near), np.int64)
        shared[group] = np.arange(len(group))  # of several the last stays: the latest product of the running session
        best = np.argsort(-similarity, kind="stable")[: self._neighbours]
        votes = similarity[best] * weights[source[shared[best]]]
        return self._voted(near[best], votes, places[shared[best]])

    def _voted(self, sessions: Rows, votes: Values, at: Values) -> Values:
        """Return the scores of the products of neighbour sessions, given the place of the shared product in each."""
        index = self._index
        starts = index.bounds[sessions]
        lengths = index.bounds[sessions + 1] - starts
        flat = ranges(starts, lengths)
        distance = np.abs(index.places[flat] - np.repeat(at, lengths))
        given = np.repeat(votes, lengths) * np.exp(-distance / self._neighbour_decay)
        scores: Values = np.bincount(index.products[flat], given, len(self._gain)) * self._gain
        return scores


def _last_positions(keys: Longs) -> Longs:
    """Return the positions, ascending, at which each value of `keys` occurs last."""
    _, first = np.unique(keys[::-1], return_index=True)
    return np.sort(len(keys) - 1 - first)
