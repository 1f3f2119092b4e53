"""Ratios of sums over units, such as clicks / shown or revenue / sessions, and how sure they are.

What is divided are sums over events, but what is drawn by chance, and assigned to arms, are units (customers, visitors,
sessions). Events of one unit resemble each other. So the variance is computed over units, by the delta method.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from services.feedback.statistics.estimate import Estimate
from services.feedback.statistics.values import Values, plain, quotient


@dataclass(frozen=True)
class RatioMoments:
    """Sums over units of a denominator x and a numerator y, which are all that the ratio Σy / Σx needs.

    Moments of disjoint sets of units add up. With x = 1 for each unit the ratio is the mean of y.

    Parameters
    ----------
    n : float or ndarray
        Number of units.
    x, y : float or ndarray
        Sums of the denominator, which is never negative, and of the numerator.
    xx, xy, yy : float or ndarray
        Sums over units of the products of a unit's own sums.
    """

    n: Values = 0.0
    x: Values = 0.0
    y: Values = 0.0
    xx: Values = 0.0
    xy: Values = 0.0
    yy: Values = 0.0

    @classmethod
    def of(cls, x: ArrayLike, y: ArrayLike) -> "RatioMoments":
        """Return the moments of units.

        Parameters
        ----------
        x, y : array_like of shape (n,)
            Sum of the denominator and of the numerator of each unit.

        Raises
        ------
        ValueError
            If the shapes differ, or a denominator is negative.
        """
        below, above = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        if below.shape != above.shape or below.ndim != 1:
            raise ValueError(f"y: must have the shape of x, {below.shape}, and one axis, got {above.shape}")
        if below.size and below.min() < 0:
            raise ValueError(f"x: must not be negative, got {below.min()}")
        return cls(
            float(below.size),
            float(below.sum()),
            float(above.sum()),
            float(below @ below),
            float(below @ above),
            float(above @ above),
        )

    def __add__(self, other: "RatioMoments") -> "RatioMoments":
        """Return the moments of the units of both."""
        return RatioMoments(
            self.n + other.n,
            self.x + other.x,
            self.y + other.y,
            self.xx + other.xx,
            self.xy + other.xy,
            self.yy + other.yy,
        )

    @property
    def value(self) -> Values:
        """Σy / Σx; NaN where Σx is 0."""
        return quotient(self.y, self.x)

    @property
    def unit_variance(self) -> Values:
        """Variance of a unit's part in the ratio, (y − ratio · x) / mean of x: that of the ratio times n.

        It is infinite with less than two units, or where Σx is 0.

        Source: Deng, Knoblich & Lu, "Applying the Delta Method in Metric Analytics", KDD 2018,
        doi:10.1145/3219819.3219919, section 3.2
        """
        ratio = quotient(self.y, self.x, 0.0)
        squares = self.yy - 2 * ratio * self.xy + ratio * ratio * self.xx
        # Sums of products of floats may differ from a square by rounding.
        spread = quotient(np.maximum(squares, 0.0), np.subtract(self.n, 1), np.inf)
        mean = quotient(self.x, self.n, 0.0)
        return quotient(spread, np.square(mean), np.inf)

    @property
    def variance(self) -> Values:
        """Variance of the ratio; infinite with less than two units, or where Σx is 0."""
        return quotient(self.unit_variance, self.n, np.inf)

    @property
    def estimate(self) -> Estimate:
        """The ratio with its standard error."""
        return Estimate(self.value, plain(np.sqrt(self.variance)), self.n)
