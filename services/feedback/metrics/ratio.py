"""The interval of a ratio of sums over customers.

To be replaced by `services.feedback.statistics.ratio.RatioMoments` where that is there: it has the same moments.
"""

from dataclasses import dataclass
from math import sqrt

from services.feedback.metrics.performance import Z_95


@dataclass(frozen=True)
class Moments:
    """Sums over `n` units of a denominator x and a numerator y, and of products of a unit's own sums."""

    n: int
    x: float
    y: float
    xx: float
    xy: float
    yy: float


def ratio_interval(moments: Moments) -> tuple[float, float] | None:
    """Return the ends of the 95 % interval of y / x by the delta method; None for fewer than two units or an x of 0.

    Source: Deng, Knoblich & Lu, "Applying the Delta Method in Metric Analytics", KDD 2018,
    doi:10.1145/3219819.3219919, section 3.2
    """
    if moments.n < 2 or not moments.x:
        return None
    ratio, mean = moments.y / moments.x, moments.x / moments.n
    squares = moments.yy - 2 * ratio * moments.xy + ratio * ratio * moments.xx
    # Sums of products of floats may differ from a square by rounding.
    variance = max(squares, 0.0) / (moments.n - 1) / (mean * mean) / moments.n
    return ratio - Z_95 * sqrt(variance), ratio + Z_95 * sqrt(variance)


def mean_interval(n: int, total: float, squares: float) -> tuple[float, float] | None:
    """Return the ends of the 95 % interval of a mean by its normal approximation; None for fewer than two values.

    Parameters
    ----------
    n : int
        Number of values.
    total, squares : float
        Sum of the values and of their squares.
    """
    return ratio_interval(Moments(n, n, total, n, total, squares))
