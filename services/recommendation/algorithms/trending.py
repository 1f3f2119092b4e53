"""Trending: scores products by how far their recent interactions exceed the number expected from a base period."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Mask
from services.recommendation.algorithms.base import Algorithm, Interactions, Reason, ReasonKind, Shopper
from services.recommendation.algorithms.checks import require_positive
from services.recommendation.algorithms.interactions import DAY, distinct_columns
from services.recommendation.algorithms.shopper_scores import OrderedScores, ShopperScores


@dataclass(eq=False)
class Trending(Algorithm):
    """Excess of recent interactions, in shrunk standard deviations: (recent − expected) / √(expected + prior).

    Counts are of distinct pairs of customer and day, so that one very active customer does not make a trend. The
    expected count of a product is its count in the base period times the ratio of the total counts, recent to base.
    Products at or below the expected count get 0.

    Source of the shrinkage (a gamma prior on Poisson rates): DuMouchel, "Bayesian data mining in large frequency
    tables", The American Statistician 1999, doi:10.1080/00031305.1999.10474456

    Raises
    ------
    ValueError
        If a parameter is not positive.
    """

    name: ClassVar[str] = "trending"

    recent_days: float = 7.0
    """Length of the recent period, which ends at training, in days."""
    base_days: float = 56.0
    """Length of the base period, which ends where the recent period begins, in days."""
    prior: float = 5.0
    """Added to the expected count, in customer-days; a larger value requires more evidence for rare products."""

    trend: FloatArray = field(init=False, repr=False)
    """Learned: ndarray of shape (n_products,), float32: score of each product, the same for all shoppers."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(recent_days=self.recent_days, base_days=self.base_days, prior=self.prior)

    def _fit(self, data: Interactions) -> None:
        age = (data.now - data.times) / DAY
        recent = _daily_customers(data, age < self.recent_days)
        base = _daily_customers(data, (age >= self.recent_days) & (age < self.recent_days + self.base_days))
        expected = base * (recent.sum() / max(base.sum(), 1.0))
        surplus = (recent - expected) / np.sqrt(expected + self.prior)
        self.trend = np.maximum(surplus, 0.0).astype(np.float32)

    def _score(self, shopper: Shopper) -> FloatArray:
        return self.trend.copy()

    def _sparse_scores(self, shopper: Shopper) -> ShopperScores:
        return self._ordered

    @cached_property
    def _ordered(self) -> OrderedScores:
        return OrderedScores.of(self.trend)

    def _reason(self, shopper: Shopper, product: int) -> Reason | None:
        return Reason(ReasonKind.TRENDING) if self.trend[product] > 0 else None


def _daily_customers(data: Interactions, mask: Mask) -> FloatArray:
    """Return the number of distinct pairs of customer and day of each product, shape (n_products,), float64."""
    days = data.times[mask] // DAY
    pairs = distinct_columns(data.products[mask], data.customers[mask], days)
    return np.bincount(pairs[0], minlength=data.n_products).astype(np.float64)
