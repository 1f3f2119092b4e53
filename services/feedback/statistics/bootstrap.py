"""The bootstrap interval of a ratio over units, where a few units have much of the sum, such as order values."""

import numpy as np
from numpy.typing import ArrayLike

from services.feedback.statistics.estimate import LEVEL
from shared.bootstrap import percentile_interval, resampled_ratios

RESAMPLES = 2000


def bootstrap_interval(
    x: ArrayLike, y: ArrayLike, *, resamples: int = RESAMPLES, seed: int = 0, level: float = LEVEL
) -> tuple[float, float]:
    """Return the percentile interval of Σy / Σx; (NaN, NaN) without units.

    Unlike the interval of `RatioMoments` it need not be symmetric, and it needs all units rather than their moments.

    Parameters
    ----------
    x, y : array_like of shape (n,)
        Denominator, not negative, and numerator of each unit.
    resamples, seed : int
        Number of resamples of the units, and their seed.
    level : float
        Share of the resampled ratios within the interval.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    below, above = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if below.shape != above.shape:
        raise ValueError(f"y: must have the shape of x, {below.shape}, got {above.shape}")
    drawn = resampled_ratios(above[None], below[None], resamples=resamples, seed=seed)
    return percentile_interval(drawn[0], level)
