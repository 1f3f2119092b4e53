"""Recency, frequency and monetary value (RFM) of customers, and their scores and percentiles in the population."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from services.customer.clock import DAY
from services.customer.events import Events, Kind

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

AXES = ("recency", "frequency", "monetary")
SCORES = 5
MAX_SAMPLE = 1001


@dataclass(frozen=True, eq=False)
class RfmValues:
    """Recency, frequency and monetary value of n customers; a customer without a purchase has a frequency of 0."""

    recency_days: FloatArray
    """Days since the last purchase, shape (n,); NaN without a purchase."""
    frequency: FloatArray
    """Number of purchases (baskets), shape (n,)."""
    monetary: FloatArray
    """Sum of the amounts paid, in minor units, shape (n,)."""

    @property
    def active(self) -> NDArray[np.bool_]:
        """Whether each customer has a purchase, shape (n,)."""
        return self.frequency > 0

    @classmethod
    def joined(cls, parts: "Sequence[RfmValues]") -> "RfmValues":
        """Return the values of customers after each other."""
        names = [field.name for field in fields(cls)]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def where(self, customers: NDArray[np.bool_]) -> "RfmValues":
        """Return the values of some customers; the mask has shape (n,)."""
        return RfmValues(*(getattr(self, field.name)[customers] for field in fields(self)))

    def axes(self) -> dict[str, FloatArray]:
        """Return the values of each axis, oriented so that larger is better: recency is negated days."""
        return {"recency": -self.recency_days, "frequency": self.frequency, "monetary": self.monetary}


def rfm_values(customers: NDArray[np.int32], events: Events, n_customers: int, now: int) -> RfmValues:
    """Return the values of all customers at the time `now`; later events are left out.

    Parameters
    ----------
    customers
        Shape (n,), int32: the row of each event's customer, from 0 to n_customers − 1.
    now
        Unix seconds, UTC.
    """
    bought = (events.kinds == Kind.PURCHASE) & (events.times <= now)
    customers, lines = customers[bought], events.select(bought)
    last = np.full(n_customers, np.iinfo(np.int64).min)
    np.maximum.at(last, customers, lines.times)
    frequency = _baskets(customers, lines, n_customers)
    recency = np.where(frequency > 0, (now - last.astype(np.float64)) / DAY, np.nan)
    monetary = np.bincount(customers, weights=lines.amounts.astype(np.float64), minlength=n_customers)
    return RfmValues(recency, frequency, np.asarray(monetary, dtype=np.float64))


def _baskets(customers: NDArray[np.int32], lines: Events, n_customers: int) -> FloatArray:
    """Return the number of distinct baskets of each customer, shape (n_customers,)."""
    _, basket = np.unique(lines.baskets, return_inverse=True)
    pairs = np.unique(basket.astype(np.int64) * n_customers + customers)
    return np.bincount(pairs % n_customers, minlength=n_customers).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Scale:
    """A fixed distribution of one axis in a population, from which scores 1 to 5 and percentiles are computed.

    It is stored as a sorted sample: all values of a population of up to 1,001 customers, or evenly spaced quantiles of
    a larger one.
    """

    sample: FloatArray
    """Shape (m,), float64, ascending; larger is better."""

    @classmethod
    def fit(cls, values: FloatArray) -> "Scale":
        """Return the scale of `values`, shape (n,), which must not be empty."""
        size = min(len(values), MAX_SAMPLE)
        return cls(np.quantile(values, np.linspace(0.0, 1.0, size), method="closest_observation"))

    @property
    def thresholds(self) -> FloatArray:
        """The largest value that gets the score 1, 2, 3 and 4, shape (4,)."""
        steps = np.linspace(0.0, 1.0, SCORES + 1)[1:-1]
        return np.asarray(np.quantile(self.sample, steps, method="inverted_cdf"), dtype=np.float64)

    def score(self, values: FloatArray) -> IntArray:
        """Return the score of each value: 1 + the number of thresholds below it. Equal values have equal scores."""
        return 1 + np.searchsorted(self.thresholds, values, side="left")

    def percentile(self, values: FloatArray) -> FloatArray:
        """Return for each value the share of the population below it plus half the share equal to it, in [0, 1]."""
        below = np.searchsorted(self.sample, values, side="left")
        upto = np.searchsorted(self.sample, values, side="right")
        return np.asarray((below + upto) / (2.0 * len(self.sample)), dtype=np.float64)

    def score_chances(self, values: FloatArray, margin: float) -> FloatArray:
        """Return the probability of each score if a uniform error within ± `margin` is added to the percentile.

        The result has shape (n, 5).
        """
        edges = np.searchsorted(self.sample, self.thresholds, side="right") / len(self.sample)
        edges = np.concatenate([[-np.inf], edges, [np.inf]])
        position = self.percentile(values)[:, None]
        low = np.maximum(edges[:-1], position - margin)
        high = np.minimum(edges[1:], position + margin)
        return np.asarray(np.maximum(high - low, 0.0) / (2.0 * margin), dtype=np.float64)
