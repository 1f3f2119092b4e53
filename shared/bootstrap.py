"""The bootstrap of ratios of sums over units."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def resampled_ratios(dividends: Floats, divisors: Floats, *, resamples: int, seed: int) -> Floats:
    """Return the ratios of the sums of units that are drawn with replacement, as many as there are.

    All ratios, and all calls with as many units and the same seed, see the same draws.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, doi:10.1201/9780429246593, chapter 13

    Parameters
    ----------
    dividends, divisors : ndarray of shape (n_ratios, n_units), float64
        Of each ratio and unit.
    resamples : int
        Number of draws.
    seed : int
        Seed of the draws.

    Returns
    -------
    ndarray of shape (n_ratios, resamples), float64
        NaN where the sum of divisors is not above 0.
    """
    (n_ratios, n), rng = dividends.shape, np.random.default_rng(seed)
    both = np.concatenate([dividends, divisors])
    drawn = np.zeros((2 * n_ratios, resamples))
    for resample in range(resamples if n else 0):
        drawn[:, resample] = both @ np.bincount(rng.integers(0, n, n), minlength=n)
    return ratios(drawn[:n_ratios], drawn[n_ratios:])


def ratios(dividends: Floats, divisors: Floats) -> Floats:
    """Return `dividends` / `divisors`; NaN where the divisor is not above 0."""
    found: Floats = np.divide(dividends, divisors, out=np.full(dividends.shape, np.nan), where=divisors > 0)
    return found


def percentile_interval(values: Floats, level: float) -> tuple[float, float]:
    """Return the ends that hold `level` of the resampled values, shape (resamples,); NaN without any."""
    known = values[~np.isnan(values)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1.0 - level) / 2, (1.0 + level) / 2])
    return float(low), float(high)
