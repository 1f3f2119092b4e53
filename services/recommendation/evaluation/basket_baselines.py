"""Baselines for baskets: neighbours by how often and how recently they take each product."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import Csr, Longs, Mask, Rows, as_csr
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.evaluation.baselines import Baseline, Scores, popularity_below_one
from services.recommendation.holdout.metrics import Values
from services.recommendation.holdout.tasks import Task

TIE_SHARE = 1e-9
"""How much popularity adds to a score: enough to order products that nobody near took, too little for others."""


@dataclass(frozen=True, eq=False)
class BasketLines:
    """Which products are in which of a shopper's baskets, each product once a basket.

    Parameters
    ----------
    owners, products : ndarray of shape (n_lines,), int32
        Row of the shopper and of the product.
    ages : ndarray of shape (n_lines,), int64
        Baskets of the same shopper that came after the line's basket.
    counts : ndarray of shape (n_owners,), int64
        Baskets of each shopper.
    n_products : int
    """

    owners: Rows
    products: Rows
    ages: Longs
    counts: Longs
    n_products: int

    @classmethod
    def of_train(cls, train: Interactions, target: Kind) -> Self:
        """Return the lines of the target kind of all customers of train."""
        of = train.kinds == target
        events = np.stack([train.customers[of], train.baskets[of], train.products[of], train.times[of]])
        return cls._of(events.astype(np.int64), train.n_customers, train.n_products)

    @classmethod
    def of_shoppers(cls, shoppers: Sequence[Shopper], target: Kind, n_products: int) -> Self:
        """Return the lines of the target kind of shoppers; a running session is one more basket, the latest."""
        parts = [_events_of(owner, shopper, target) for owner, shopper in enumerate(shoppers)]
        return cls._of(np.concatenate([np.empty((4, 0), np.int64), *parts], axis=1), len(shoppers), n_products)

    @classmethod
    def _of(cls, events: Longs, n_owners: int, n_products: int) -> Self:
        """Return the lines of events: owner, basket, product and time, shape (4, n_events)."""
        events = events[:, np.lexsort((events[2], events[1], events[0]))]
        events = events[:, _changes(events[:3])]
        first = _changes(events[:2])  # lines of a basket stand together
        of_line = np.cumsum(first) - 1
        owners = events[0][first]
        ended = np.full(len(owners), np.iinfo(np.int64).min)
        np.maximum.at(ended, of_line, events[3])
        newest_first = np.lexsort((-events[1][first], -ended, owners))
        ages = np.empty(len(owners), np.int64)
        ages[newest_first] = np.arange(len(owners)) - np.searchsorted(owners, owners)
        counts = np.bincount(owners, minlength=n_owners)
        return cls(events[0].astype(np.int32), events[2].astype(np.int32), ages[of_line], counts, n_products)

    def matrix(self, weights: Values) -> Csr:
        """Return the sum of the weights of the lines, shape (n_owners, n_products), float64."""
        shape = (len(self.counts), self.n_products)
        return as_csr(sp.coo_array((weights, (self.owners, self.products)), shape=shape))


class TifuKnn(Baseline):
    """Temporal item frequency of the shopper, mixed with that of the nearest customers (TIFU-kNN).

    A shopper's baskets are divided into groups of equal size, of which the earliest may be smaller. A vector is the
    mean over groups of the mean over baskets, with weights that decay within a group and from group to group.
    Neighbours are the nearest by Euclidean distance; a shopper whom train knows is one of them.

    Source: Hu, He, Gao & Zhang, "Modeling personalized item frequency information for next-basket recommendation",
    SIGIR 2020, doi:10.1145/3397271.3401066

    Parameters
    ----------
    own_share : float
        Weight of the shopper's own vector, 0 to 1; the neighbours' mean has the rest.
    basket_decay, group_decay : float
        Weight of each earlier basket of a group, and of each earlier group, against the next, 0 to 1.
    groups, neighbours : int
        Groups of baskets, at most, and customers that count.
    seed : int
        Seed of the order of ties.
    """

    name = "tifu_knn"

    def __init__(
        self,
        *,
        own_share: float = 0.7,
        basket_decay: float = 0.9,
        group_decay: float = 0.7,
        groups: int = 7,
        neighbours: int = 300,
        seed: int = 0,
    ) -> None:
        super().__init__(seed)
        self._own_share = own_share
        self._basket_decay = basket_decay
        self._group_decay = group_decay
        self._groups = groups
        self._neighbours = neighbours

    def _fit(self, task: Task) -> None:
        every = self.vectors(BasketLines.of_train(task.train, task.target))
        self._vectors = as_csr(every[np.diff(every.indptr) > 0])
        self._transposed = as_csr(self._vectors.T)
        self._norms = np.asarray(self._vectors.multiply(self._vectors).sum(axis=1)).ravel()
        self._popularity = TIE_SHARE * popularity_below_one(task)

    def _scores(self, shoppers: list[Shopper]) -> Scores:
        own = self.vectors(BasketLines.of_shoppers(shoppers, self._target, len(self._popularity)))
        distances = self._norms - 2.0 * (own @ self._transposed).toarray()
        count = min(self._neighbours, len(self._norms))
        near = np.argpartition(distances, count - 1, axis=1)[:, :count] if count else np.empty((len(shoppers), 0), int)
        rows = np.repeat(np.arange(len(shoppers)), count)
        shares = np.full(near.size, (1.0 - self._own_share) / max(count, 1))
        mixed = sp.coo_array((shares, (rows, near.ravel())), shape=distances.shape).tocsr() @ self._vectors
        scores: Scores = (self._own_share * own + mixed).toarray() + self._popularity
        return scores

    def vectors(self, lines: BasketLines) -> Csr:
        """Return the temporal item frequencies of shoppers, shape (n_owners, n_products), float64."""
        n_baskets = lines.counts[lines.owners]
        size = -(-n_baskets // self._groups)
        group, within = lines.ages // size, lines.ages % size
        in_group = np.minimum(size, n_baskets - group * size)
        n_groups = -(-n_baskets // size)
        weights = self._basket_decay**within / in_group * self._group_decay**group / n_groups
        return lines.matrix(weights)


class UpCf(Baseline):
    """User-based collaborative filtering over recent personal popularity (UP-CF).

    A customer's popularity of a product is the share of their latest baskets with it. Scores are the sum over the
    customers of train of similarity^locality times popularity; similarity is the asymmetric cosine of the sets of
    products. A shopper whom train knows counts with similarity 1.

    Source: Faggioli, Polato & Aiolli, "Recency aware collaborative filtering for next basket recommendation", UMAP
    2020, doi:10.1145/3340631.3394850

    Parameters
    ----------
    recent : int
        Latest baskets of a customer that count; 0 for all.
    locality : float
        Exponent of the similarity; larger leaves the nearest only.
    asymmetry : float
        Exponent of the size of the shopper's own set; that of the other customer has 1 − asymmetry.
    seed : int
        Seed of the order of ties.
    """

    name = "up_cf"

    def __init__(self, *, recent: int = 0, locality: float = 5.0, asymmetry: float = 0.25, seed: int = 0) -> None:
        super().__init__(seed)
        self._recent = recent
        self._locality = locality
        self._asymmetry = asymmetry

    def _fit(self, task: Task) -> None:
        lines = BasketLines.of_train(task.train, task.target)
        sets, shares = _sets(lines), self.popularities(lines)
        some = np.diff(sets.indptr) > 0
        self._sets, self._shares_transposed = as_csr(sets[some].T), as_csr(shares[some].T)
        self._scale = np.diff(sets.indptr)[some] ** (1.0 - self._asymmetry)
        self._popularity = TIE_SHARE * popularity_below_one(task)

    def _scores(self, shoppers: list[Shopper]) -> Scores:
        own = _sets(BasketLines.of_shoppers(shoppers, self._target, len(self._popularity)))
        size = np.maximum(np.diff(own.indptr), 1)[:, None] ** self._asymmetry
        similar = ((own @ self._sets).toarray() / (size * self._scale)) ** self._locality
        scores: Scores = (self._shares_transposed @ similar.T).T + self._popularity
        return scores

    def popularities(self, lines: BasketLines) -> Csr:
        """Return the share of each shopper's latest baskets with each product, shape (n_owners, n_products)."""
        baskets = lines.counts if not self._recent else np.minimum(lines.counts, self._recent)
        counts = lines.ages < baskets[lines.owners]
        return lines.matrix(counts / baskets[lines.owners])


def _sets(lines: BasketLines) -> Csr:
    """Return 1 for each product of each shopper, shape (n_owners, n_products), float64."""
    sets = lines.matrix(np.ones(len(lines.owners)))
    sets.data[:] = 1.0
    return sets


def _events_of(owner: int, shopper: Shopper, target: Kind) -> Longs:
    """Return owner, basket, product and time of a shopper's events of the target kind, shape (4, n_events)."""
    of = shopper.kinds == target
    products = np.concatenate([shopper.products[of], shopper.session])
    baskets = np.concatenate([shopper.baskets[of], np.full(len(shopper.session), -1)])
    times = np.concatenate([shopper.times[of], np.full(len(shopper.session), shopper.now + 1)])
    return np.stack([np.full(len(products), owner), baskets, products, times]).astype(np.int64)


def _changes(columns: Longs) -> Mask:
    """Return which columns differ from the one before, shape (n,); the first one does."""
    n = columns.shape[1]
    changes: Mask = np.append(np.ones(min(n, 1), bool), (columns[:, 1:] != columns[:, :-1]).any(axis=0))
    return changes[:n]
