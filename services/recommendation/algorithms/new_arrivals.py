"""New arrivals: what entered the catalogue lately, first what fits the shopper's categories."""

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

    Products added on the catalogue's first day are its opening assortment, not arrivals: when a whole catalogue is
    imported at once, nothing in it is new.

    Source (recency as a prior of its own beside relevance): Li & Croft, "Time-based language models", CIKM 2003,
    doi:10.1145/956863.956951

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "new_arrivals"

    half_life_days: float = 14.0
    """Age at which a product is half as fresh, in days."""
    window_days: float = 60.0
    """Age from which a product is not new any more, in days."""

    kind_weights: FloatArray = field(init=False, repr=False, default_factory=lambda: EVENT_WEIGHTS)
    """Learned: ndarray of shape (3,), float32: how much an event says about preferences, by `Kind`."""
    added: Longs = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), int64: when each product was added, Unix seconds."""
    category: Rows = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), int32: category code, -1 unknown."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(half_life_days=self.half_life_days, window_days=self.window_days)

    def score_with(self, added: Longs, category: Rows, shopper: Shopper) -> FloatArray:
        """Score a live catalogue: `added` and `category` as in `Interactions`, of any number of products."""
        found = self.scores_with(added, category, shopper)
        scores = np.zeros(len(added), dtype=np.float32)
        scores[found.rows] = found.values
        return scores

    def scores_with(self, added: Longs, category: Rows, shopper: Shopper, recent: Rows | None = None) -> FewScores:
        """Return the sparse scores of a live catalogue, as `score_with` takes it.

        `recent` are the rows among which new products are looked for, as `recent_rows` gave them earlier; default all.
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
        """The rows of all products by the moment when they were added, and these moments."""
        order = np.argsort(self.added, kind="stable").astype(np.int32)
        return order, self.added[order]

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        arrived = _arrived(self.added, shopper.now, self.window_days)[product]
        return Reason(ReasonKind.NEW_ARRIVAL) if arrived else None


def recent_rows(added: Longs, now: int, window_days: float) -> Rows:
    """Return the rows of the products that are new at `now`; whatever is new later, but for new rows, is among them."""
    return np.flatnonzero(_arrived(added, now, window_days)).astype(np.int32)


def _arrived(added: Longs, now: int, window_days: float) -> Mask:
    """Return which products are new: within the window, and not of the opening assortment."""
    mask: Mask = added >= _oldest(int(added.min(initial=now)), now, window_days)
    return mask


def _oldest(opened: int, now: int, window_days: float) -> int:
    """Return the moment since which what was added is new, in a shop whose first product was added at `opened`."""
    return max(now - int(window_days * DAY), min(opened, now) + DAY)


def _affinity(category: Rows, weights: FloatArray, wanted: Rows) -> FloatArray:
    """Return the share of the shopper's preferences that lies in each wanted category, 0 to 1; 0 for category -1.

    `category` and `weights` are of the products that the shopper met.
    """
    size = int(max(category.max(initial=-1), wanted.max(initial=-1))) + 2
    mass = np.bincount(category + 1, weights, size).astype(np.float32)
    mass[0] = 0.0
    share: FloatArray = mass[wanted + 1] / np.float32(max(float(mass.sum()), 1e-12))
    return share
