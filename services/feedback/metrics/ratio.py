"""The interval of a ratio of sums over customers, see `services.feedback.statistics.ratio`.

That one is imported when it is first asked: it loads scipy, which the agent does not need to serve.
"""

from dataclasses import astuple, dataclass
from math import isfinite


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
    """Return the ends of the 95 % interval of y / x by the delta method; None for fewer than two units or an x of 0."""
    from services.feedback.statistics.ratio import RatioMoments

    low, high = RatioMoments(*astuple(moments)).estimate.interval()
    return (float(low), float(high)) if isfinite(low) else None


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
