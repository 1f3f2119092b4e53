"""New arrivals: scores recently added products by freshness and by the shopper's preference for their category."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.algorithms.base import Algorithm, Interactions, Reason, ReasonKind, Shopper
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.interactions import DAY, EVENT_WEIGHTS, decay
from services.recommendation.algorithms.shopper_scores import FewScores, ShopperScores


@dataclass(eq=False)
class NewArrivals(Algorithm):
    """Freshness times fit: 0.5^(age / half-life) · (1 + share of the shopper's preferences in the category) / 2.

    Products that were added within a day of the catalogue's first product are not new: they are the assortment that
    the shop opened with. So no product is new after a whole catalogue was imported at once.

    Source (recency as a prior that multiplies relevance): Li & Croft, "Time-based language models", CIKM 2003,
    doi:10.1145/956863.956951

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "new_arrivals"

    half_life_days: float = 14.0
    """Age at which the freshness of a product is 0.5, in days."""
    window_days: float = 60.0
    """Age beyond which a product is no longer new, in days."""

    kind_weights: FloatArray = field(init=False, repr=False, default_factory=lambda: EVENT_WEIGHTS)
    """Learned: ndarray of shape (3,), float32: weight of an event by `Kind`."""
    added: Longs = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), int64: time at which each product was added, in Unix seconds."""
    category: Rows = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), int32: category code of each product, -1 if unknown."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(half_life_days=self.half_life_days, window_days=self.window_days)

    def score_with(self, added: Longs, category: Rows, shopper: Shopper) -> FloatArray:
        """Score the products of the current catalogue, shape (n,), float32.

        `added` and `category` are as in `Interactions`, for any number n of products.
        """
        found = self.scores_with(added, category, shopper)
        scores = np.zeros(len(added), dtype=np.float32)
        scores[found.rows] = found.values
        return scores

    def scores_with(self, added: Longs, category: Rows, shopper: Shopper, recent: Rows | None = None) -> FewScores:
        """Return the scores of `score_with` in sparse form.

        `recent` are the rows in which new products are searched, as `recent_rows` returned them for an earlier time.
        By default they are computed here.
        """
        shopper.require_within(len(added))
        if recent is None:
            recent = recent_rows(added, shopper.now, self.window_days)
        arrived = recent[added[recent] >= shopper.now - int(self.window_days * DAY)]
        values = np.empty(0, np.float32)
        if len(arrived):
            rows, weights = shopper.weights(kind_weights=self.kind_weights)
            fit = (1.0 + _affinity(category[rows], weights, category[arrived])) / 2.0
            values = (decay(shopper.now - added[arrived], self.half_life_days) * fit).astype(np.float32)
        return FewScores(arrived, values, len(added))

    def _fit(self, data: Interactions) -> None:
        self.kind_weights = data.relative_weights
        self.added = data.added.astype(np.int64)
        self.category = data.category.astype(np.int32)

    def _score(self, shopper: Shopper) -> FloatArray:
        return self.score_with(self.added, self.category, shopper)

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        rows, added = self._by_time
        first = np.searchsorted(added, _oldest(int(added[0]) if len(added) else 0, shopper.now, self.window_days))
        return self.scores_with(self.added, self.category, shopper, np.sort(rows[first:]))

    @cached_property
    def _by_time(self) -> tuple[Rows, Longs]:
        """The rows of all products, ordered by the time at which they were added, and these times."""
        order = np.argsort(self.added, kind="stable").astype(np.int32)
        return order, self.added[order]

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        arrived = _arrived(self.added, shopper.now, self.window_days)[product]
        return Reason(ReasonKind.NEW_ARRIVAL) if arrived else None


def recent_rows(added: Longs, now: int, window_days: float) -> Rows:
    """Return the rows, ascending, of the products that are new at `now`.

    A product of today's rows that is new at a later time is also new now, so the result can be reused until rows are
    added.
    """
    return np.flatnonzero(_arrived(added, now, window_days)).astype(np.int32)


def _arrived(added: Longs, now: int, window_days: float) -> Mask:
    """Return which products are new: added within the window and not part of the opening assortment."""
    mask: Mask = added >= _oldest(int(added.min(initial=now)), now, window_days)
    return mask


def _oldest(opened: int, now: int, window_days: float) -> int:
    """Return the earliest time, in Unix seconds, at which a product must have been added to be new at `now`.

    `opened` is the time at which the shop's first product was added.
    """
    return max(now - int(window_days * DAY), min(opened, now) + DAY)


def _affinity(category: Rows, weights: FloatArray, wanted: Rows) -> FloatArray:
    """Return the share of the shopper's preferences in each wanted category, 0 to 1; 0 for category -1.

    `category` and `weights` belong to the products that the shopper interacted with.
    """
    size = int(max(category.max(initial=-1), wanted.max(initial=-1))) + 2
    mass = np.bincount(category + 1, weights, size).astype(np.float32)
    mass[0] = 0.0
    share: FloatArray = mass[wanted + 1] / np.float32(max(float(mass.sum()), 1e-12))
    return share
