"""Simple baselines that need no model: best-sellers, what the shopper takes most often, what viewers go on to buy."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.holdout.pairs import Pairs
from services.recommendation.holdout.protocols import products_of
from services.recommendation.holdout.tasks import Task
from services.recommendation.holdout.topk import BATCH_CELLS, top_k

Scores = NDArray[Any]


class Baseline(ABC):
    """Ranks by scores of all products; those that train never saw are not listed.

    Parameters
    ----------
    seed : int
        Seed of the order of ties and of what is learned by chance.
    """

    name: str

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._unseen: Mask = np.empty(0, dtype=bool)
        self._target = Kind.PURCHASE

    def fit(self, task: Task) -> None:
        """Learn from `task.train`, replacing what was learned before."""
        self._unseen = products_of(task.train) == 0
        self._target = task.target
        self._fit(task)

    def top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        """Return the best `k` products of each shopper, shape (len(shoppers), k), -1 where there is nothing more."""
        size = max(1, BATCH_CELLS // max(len(self._unseen), 1))
        parts = [
            self._top(shoppers[start : start + size], excluded[start : start + size], k)
            for start in range(0, len(shoppers), size)
        ]
        return np.concatenate([np.empty((0, k), np.int32), *parts])

    def _top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        scores = self._scores(shoppers)
        scores[:, self._unseen] = 0.0
        return top_k(scores, excluded, k, seed=self.seed)

    @abstractmethod
    def _fit(self, task: Task) -> None: ...

    @abstractmethod
    def _scores(self, shoppers: list[Shopper]) -> Scores:
        """Return scores of shape (len(shoppers), n_products); only those above 0 are listed."""


class MostPopular(Baseline):
    """The products with the most customers of the kind that is asked for."""

    name = "most_popular"

    def _fit(self, task: Task) -> None:
        self._popularity = popularity(task)

    def _scores(self, shoppers: list[Shopper]) -> Scores:
        return np.tile(self._popularity, (len(shoppers), 1))


class PersonalFrequency(Baseline):
    """The products that the shopper took in the most baskets, and in this session; best-sellers break ties."""

    name = "personal_frequency"

    def _fit(self, task: Task) -> None:
        self._popularity = popularity_below_one(task)

    def _scores(self, shoppers: list[Shopper]) -> Scores:
        scores = np.tile(self._popularity, (len(shoppers), 1))
        for scored, shopper in zip(scores, shoppers, strict=True):
            taken = shopper.kinds == self._target
            lines = np.unique(np.stack([shopper.baskets[taken], shopper.products[taken]]), axis=1)[1]
            scored += np.bincount(np.concatenate([lines, shopper.session]), minlength=len(scored))
        return scores


class BuysPerView(Baseline):
    """What the shopper met but did not take, by how often those who met the product took it; then best-sellers.

    The rate of a product is its events of the target kind over its other events, counted over all customers.
    """

    name = "buys_per_view"

    def _fit(self, task: Task) -> None:
        self._rate = target_rate(task.train, task.target)
        self._popularity = popularity_below_one(task)

    def _scores(self, shoppers: list[Shopper]) -> Scores:
        scores = np.tile(self._popularity, (len(shoppers), 1))
        for scored, shopper in zip(scores, shoppers, strict=True):
            taken = shopper.products[shopper.kinds == self._target]
            met = np.setdiff1d(np.concatenate([shopper.products, shopper.session]), taken)
            scored[met] = 1.0 + self._rate[met]
        return scores


def target_rate(train: Interactions, target: Kind) -> NDArray[np.float64]:
    """Return the events of the target kind over the other events of each product, shape (n_products,).

    A product without other events counts as one that has one.
    """
    is_target = train.kinds == target
    taken, others = (np.bincount(train.products[each], minlength=train.n_products) for each in (is_target, ~is_target))
    rate: NDArray[np.float64] = taken / np.maximum(others, 1)
    return rate


def popularity_below_one(task: Task) -> NDArray[np.float64]:
    """Return `popularity` scaled below 1, so that it decides nothing but ties of whole numbers."""
    customers = popularity(task)
    scaled: NDArray[np.float64] = customers / (customers.max(initial=0.0) + 1.0)
    return scaled


def popularity(task: Task) -> NDArray[np.float64]:
    """Return how many customers had an event of the target kind with each product, shape (n_products,).

    Where train has no such event, of any kind.
    """
    train = task.train
    asked = train.kinds == task.target
    pairs = Pairs.of(train, asked if asked.any() else slice(None))
    return np.bincount(pairs.products, minlength=train.n_products).astype(np.float64)
