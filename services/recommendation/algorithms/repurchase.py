"""Repurchase: scores products the shopper bought before by how often and how long ago, and by how due they are."""

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
"""Lower bound of a score, so that a product bought long ago keeps a positive score."""


@dataclass(eq=False)
class Repurchase(Algorithm):
    """Score = frequency · due · √(repeat rate), for each product that the shopper bought.

    frequency = Σ over purchases of 0.5^(age / half-life).
    due = 1 − rhythm · 0.5^(3 · elapsed / interval), where elapsed is the time since the last purchase. The interval is
    the mean of the shopper's own intervals between purchases of the product and of one more interval: the product's
    `interval_days`. The repeat rate of a product is shrunk towards that of all products.

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
    """Time after which the weight of a purchase is halved, in days."""
    rhythm: float = 0.1
    """Share by which the score is reduced right after a purchase, 0 (not at all) to 1 (to nothing)."""
    prior: float = 5.0
    """Weight of the estimate over all products: in intervals for the interval, in buyers for the repeat rate."""

    interval_days: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: median days between purchases by one customer, shrunk."""
    repeat_rate: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: share of buyers who bought again on another day, shrunk."""

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
        """Return the scores of the products that the shopper bought."""
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
    """Return the bought products, ascending, and the score of each.

    Parameters
    ----------
    rows, times, baskets : ndarray of shape (n_purchases,)
        Product row, time in Unix seconds and basket number of each purchase, ordered by product, time and basket. A
        product counts once per basket.
    now : int
        Unix seconds.
    half_life : float
        In seconds.
    rhythm, interval_days, repeat_rate
        As in `Repurchase`.

    Returns
    -------
    products : ndarray of shape (n,), int32
    values : ndarray of shape (n,), float32
        Positive.
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
    """Return the intervals between purchases of the same product by the same customer, and counts of customers.

    Returns
    -------
    products : ndarray of shape (n_gaps,), int32
        Product of each interval between consecutive purchase days.
    gaps : ndarray of shape (n_gaps,), float64
        Length of each interval, in days.
    buyers, repeaters : ndarray of shape (n_products,), float64
        Customers who bought each product, and customers who bought it on at least two days.
    """
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
    """Return the median gap of each product, shrunk on the log scale towards the median of all gaps, in days.

    The result has shape (n_products,). If there are no gaps at all, it is 30 days for each product.
    """
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
