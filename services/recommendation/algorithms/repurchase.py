"""Repurchase: what this shopper buys again and again, and is about to run out of."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.algorithms.base import Algorithm, Interactions, Kind, Reason, ReasonKind, Shopper, Space
from services.recommendation.algorithms.checks import require_fraction, require_positive
from services.recommendation.algorithms.interactions import DAY, distinct_columns
from services.recommendation.algorithms.shopper_scores import FewScores, ShopperScores
from shared.compiled import compiled

Floats = NDArray[np.float64]

SHORTEST_INTERVAL_DAYS = 0.5
SMALLEST = np.finfo(np.float32).tiny
"""Score of what was bought so long ago that it comes to nothing."""


@dataclass(eq=False)
class Repurchase(Algorithm):
    """Time-decayed personal frequency, times how due the product is, times √ of how often it is bought again.

    frequency = Σ over purchases of 0.5^(age / half-life). A product is due when the time since the last purchase
    reaches the shopper's own interval for it, drawn to the product's median where they bought it few times:
    due = 1 − rhythm · 0.5^(3 · elapsed / interval). The repeat rate is drawn to that of all products.

    Source: Bhagat, Muralidharan, Lobzhanidze & Vishwanath, "Buy it again: modeling repeat purchase recommendations",
    KDD 2018, doi:10.1145/3219819.3219891

    Raises
    ------
    ValueError
        If a parameter is out of range.
    """

    name: ClassVar[str] = "repurchase"
    space: ClassVar[Space] = {
        "half_life_days": (30.0, 60.0, 90.0, 180.0, 365.0),
        "rhythm": (0.0, 0.1, 0.2, 0.4, 0.8),
        "prior": (1.0, 2.0, 5.0, 10.0, 20.0),
    }

    half_life_days: float = 90.0
    """Time after which a purchase counts half, in days."""
    rhythm: float = 0.1
    """How much a product bought a moment ago is held back, 0 (not at all) to 1 (wholly)."""
    prior: float = 5.0
    """Purchases' worth of the wider estimate mixed into each product's interval and repeat rate."""

    interval_days: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: median days between purchases by one customer, shrunk."""
    repeat_rate: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: share of buyers who bought again, shrunk."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(half_life_days=self.half_life_days, prior=self.prior)
        require_fraction(rhythm=self.rhythm)

    def _fit(self, data: Interactions) -> None:
        products, gaps, buyers, repeaters = _gaps(data)
        self.interval_days = _shrunk_medians(products, gaps, data.n_products, self.prior)
        overall = (repeaters.sum() + 1.0) / (buyers.sum() + 2.0)
        self.repeat_rate = ((repeaters + self.prior * overall) / (buyers + self.prior)).astype(np.float32)

    def _score(self, shopper: Shopper) -> FloatArray:
        found = self._bought(shopper)
        scores = np.zeros(self.n_products, dtype=np.float32)
        scores[found.rows] = found.values
        return scores

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        return self._bought(shopper)

    def _bought(self, shopper: Shopper) -> FewScores:
        """Return the scores of what the shopper bought."""
        bought = shopper.kinds == Kind.PURCHASE
        rows, times = shopper.products[bought], shopper.times[bought]
        order = np.lexsort((shopper.baskets[bought], times, rows))
        products, values = repurchase_scores(
            rows[order],
            times[order],
            shopper.baskets[bought][order],
            shopper.now,
            self.half_life_days * DAY,
            self.rhythm,
            self.interval_days,
            self.repeat_rate,
        )
        return FewScores(products, values, self.n_products)

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        return Reason(ReasonKind.BUY_AGAIN, (product,)) if product in shopper.bought else None


@compiled
def repurchase_scores(
    rows: Rows,
    times: Longs,
    baskets: Rows,
    now: int,
    half_life: float,
    rhythm: float,
    interval_days: FloatArray,
    repeat_rate: FloatArray,
) -> tuple[Rows, FloatArray]:
    """Return what was bought, ascending, and the score of each.

    Purchases are ordered by product, time and basket; a product counts once in a basket. `half_life` is in seconds,
    `times` and `now` are Unix seconds; the other parameters are those of `Repurchase`.
    """
    products = np.empty(len(rows), np.int32)
    values = np.empty(len(rows), np.float32)
    n, begin = 0, 0
    while begin < len(rows):
        row, frequency, count, end = rows[begin], 0.0, 0, begin
        while end < len(rows) and rows[end] == row:
            if end == begin or baskets[end] != baskets[end - 1]:
                frequency += np.exp2(-max(now - times[end], 0) / half_life)
                count += 1
            end += 1
        last = times[end - 1]
        interval = max(((last - times[begin]) / DAY + interval_days[row]) / count, SHORTEST_INTERVAL_DAYS)
        due = 1.0 - rhythm * np.exp2(-3.0 * (max(now - last, 0) / DAY) / interval)
        products[n] = row
        values[n] = max(np.float32(frequency * due * np.sqrt(repeat_rate[row])), SMALLEST)
        n += 1
        begin = end
    return products[:n], values[:n]


def _gaps(data: Interactions) -> tuple[Rows, Floats, Floats, Floats]:
    """Return product and days of each gap between purchase days of one customer; buyers and repeaters a product."""
    bought = data.kinds == Kind.PURCHASE
    days = data.times[bought] // DAY
    visits = distinct_columns(data.customers[bought], data.products[bought], days)
    again = (visits[0, 1:] == visits[0, :-1]) & (visits[1, 1:] == visits[1, :-1])
    begins = np.concatenate([[True], ~again])[: visits.shape[1]]
    second = again & begins[:-1]
    buyers, repeaters = (
        np.bincount(rows, minlength=data.n_products).astype(np.float64)
        for rows in (visits[1, begins], visits[1, 1:][second])
    )
    products, gaps = visits[1, 1:][again].astype(np.int32), np.diff(visits[2])[again]
    return products, gaps.astype(np.float64), buyers, repeaters


def _shrunk_medians(products: Rows, gaps: Floats, n_products: int, prior: float) -> FloatArray:
    """Return the median gap of each product, drawn in logarithms to that of all products; 30 days without any."""
    overall = float(np.median(gaps)) if len(gaps) else 30.0
    order = np.lexsort((gaps, products))
    counts = np.bincount(products, minlength=n_products)
    ends = np.cumsum(counts)
    medians = np.full(n_products, overall)
    seen = counts > 0
    medians[seen] = gaps[order][(ends - (counts + 1) // 2)[seen]]
    logarithm = (counts * np.log(medians) + prior * np.log(overall)) / (counts + prior)
    shrunk: FloatArray = np.exp(logarithm).astype(np.float32)
    return shrunk
