"""New arrivals: scores recently added products by freshness and by the shopper's preference for their category."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.algorithms.base import Algorithm, Interactions, Reason, ReasonKind, Shopper
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.interactions import DAY, EVENT_WEIGHTS
from services.recommendation.algorithms.largest import offer, ranked
from services.recommendation.algorithms.shopper_scores import ShopperScores
from shared.compiled import compiled


@dataclass(frozen=True, eq=False)
class Arrivals:
    """The new products of a catalogue at a moment. What is new at a later moment is among them, until rows are added.

    Parameters
    ----------
    newest : ndarray of shape (n,), int32
        Their rows, by falling time.
    times : ndarray of shape (n,), int64
        When each was added, in Unix seconds.
    opened : int
        When the shop's first product was added, in Unix seconds.
    """

    newest: Rows
    times: Longs
    opened: int

    @classmethod
    def of(cls, added: Longs, now: int, window_days: float) -> "Arrivals":
        """Return those of a catalogue whose products were `added` at these times."""
        opened = int(added.min(initial=now))
        return cls._ordered(np.flatnonzero(added >= _oldest(opened, now, window_days)), added, opened)

    @classmethod
    def at_any_time(cls, added: Longs) -> "Arrivals":
        """Return all products, of which some were new at any moment."""
        return cls._ordered(np.arange(len(added)), added, int(added.min(initial=0)))

    @classmethod
    def _ordered(cls, rows: Longs, added: Longs, opened: int) -> "Arrivals":
        newest = rows[np.argsort(-added[rows], kind="stable")].astype(np.int32)
        return cls(newest, added[newest], opened)


@dataclass(frozen=True, eq=False)
class ArrivalScores:
    """The scores of new products for one shopper.

    Parameters
    ----------
    arrivals : Arrivals
        What was new at `now` or before.
    added, category : ndarray of shape (n_products,)
        As in `Interactions`.
    shares : ndarray, float32
        Share of the shopper's preferences in each category, by its code plus 1.
    now : int
        Time of the request in Unix seconds.
    half_life : float
        Of freshness, in seconds.
    oldest : int
        Time from which a product is new, in Unix seconds.
    """

    arrivals: Arrivals
    added: Longs
    category: Rows
    shares: FloatArray
    now: int
    half_life: float
    oldest: int

    def top(self, k: int, allowed: Mask) -> tuple[Rows, FloatArray]:
        newest, times = self.arrivals.newest, self.arrivals.times
        asked = (self.category, self.shares, self.now, self.half_life, self.oldest)
        return _largest(newest, times, *asked, allowed, k)

    def at(self, rows: Rows) -> FloatArray:
        return _scores(rows, self.added, self.category, self.shares, self.now, self.half_life, self.oldest)


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
        return self.scores_with(added, category, shopper).at(np.arange(len(added), dtype=np.int32))

    def scores_with(
        self, added: Longs, category: Rows, shopper: Shopper, arrivals: Arrivals | None = None
    ) -> ArrivalScores:
        """Return the scores of `score_with` in sparse form.

        `arrivals` are the new products of the catalogue at an earlier time. By default they are found here.
        """
        shopper.require_within(len(added))
        if arrivals is None:
            arrivals = Arrivals.of(added, shopper.now, self.window_days)
        oldest = _oldest(arrivals.opened, shopper.now, self.window_days)
        rows, weights = shopper.weights(kind_weights=self.kind_weights)
        half_life = self.half_life_days * DAY
        return ArrivalScores(
            arrivals, added, category, _shares(category[rows], weights), shopper.now, half_life, oldest
        )

    def _fit(self, data: Interactions) -> None:
        self.kind_weights = data.relative_weights
        self.added = data.added.astype(np.int64)
        self.category = data.category.astype(np.int32)

    def _score(self, shopper: Shopper) -> FloatArray:
        return self.score_with(self.added, self.category, shopper)

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        return self.scores_with(self.added, self.category, shopper, self._all)

    @cached_property
    def _all(self) -> Arrivals:
        """All products, because shoppers are asked for at any time."""
        return Arrivals.at_any_time(self.added)

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        arrived = self.added[product] >= _oldest(self._all.opened, shopper.now, self.window_days)
        return Reason(ReasonKind.NEW_ARRIVAL) if arrived else None


def _oldest(opened: int, now: int, window_days: float) -> int:
    """Return the earliest time, in Unix seconds, at which a product must have been added to be new at `now`.

    `opened` is the time at which the shop's first product was added.
    """
    return max(now - int(window_days * DAY), min(opened, now) + DAY)


def _shares(category: Rows, weights: FloatArray) -> FloatArray:
    """Return the share of the shopper's preferences in each category, by its code plus 1; 0 for category -1.

    `category` and `weights` belong to the products that the shopper interacted with. Categories beyond the largest code
    among them have no share.
    """
    mass = np.bincount(category + 1, weights, 1).astype(np.float32)
    mass[0] = 0.0
    shares: FloatArray = mass / np.float32(max(float(mass.sum()), 1e-12))
    return shares


@compiled
def _value(added: int, category: int, shares: FloatArray, now: int, half_life: float) -> float:
    """Return the score of a new product; `half_life` is in seconds."""
    share = shares[category + 1] if category + 1 < len(shares) else np.float32(0.0)
    return _freshness(added, now, half_life) * ((np.float32(1.0) + share) / np.float32(2.0))  # type: ignore[return-value]


@compiled
def _freshness(added: int, now: int, half_life: float) -> float:
    """Return 0.5^(age / half-life). A product of a later time is as fresh as one of now."""
    return np.float32(np.exp2(max(now - added, 0) * (-1.0 / half_life)))  # type: ignore[return-value]


@compiled
def _largest(
    newest: Rows,
    times: Longs,
    category: Rows,
    shares: FloatArray,
    now: int,
    half_life: float,
    oldest: int,
    allowed: Mask,
    k: int,
) -> tuple[Rows, FloatArray]:
    """Return the `k` allowed products with the largest scores, and these scores, largest first.

    `newest` has the products by falling time, `times` these times. The search ends where no older product can be among
    the `k`, however well it fits the shopper.
    """
    best = np.empty(k, np.float32)
    chosen = np.empty(k, np.int32)
    n = 0
    most = (np.float32(1.0) + np.max(shares)) / np.float32(2.0)
    for place in range(len(newest)):
        if times[place] < oldest or (n == k and _freshness(times[place], now, half_life) * most <= best[0]):
            break
        row = newest[place]
        if allowed[row]:
            n = offer(best, chosen, n, _value(times[place], category[row], shares, now, half_life), row)
    return ranked(best[:n], chosen[:n])


@compiled
def _scores(
    rows: Rows, added: Longs, category: Rows, shares: FloatArray, now: int, half_life: float, oldest: int
) -> FloatArray:
    """Return the score of each product, shape (len(rows),); 0 for what is not new."""
    found = np.zeros(len(rows), np.float32)
    for i in range(len(rows)):
        row = rows[i]
        if added[row] >= oldest:
            found[i] = _value(added[row], category[row], shares, now, half_life)
    return found
