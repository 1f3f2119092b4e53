"""The choice: parameters leave their defaults only for what is better beyond chance."""

from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.holdout.intervals import RESAMPLES, Interval, resampled
from services.recommendation.holdout.metrics import Values

LEVEL = 0.95


@dataclass(frozen=True)
class Choice:
    """What is chosen among trials, and how the best of them compares with the default.

    Attributes
    ----------
    chosen : int
        Place of the trial; 0 is the default.
    best : int
        Place of the chosen trial, or of the one with the highest mean among the others; 0 without others.
    difference : Interval
        Of the best to the default, with a simultaneous interval.
    """

    chosen: int
    best: int
    difference: Interval


def choose(gains: Values, clusters: Longs, *, resamples: int = RESAMPLES, seed: int = 0) -> Choice:
    """Choose among trials that were asked the same questions.

    The best of many trials looks better than it is. So its interval is that of all differences at once: each mean
    difference to the default ± q standard errors, q being the 95 % quantile, over bootstrap resamples, of the largest
    error of any trial in standard errors. A trial is better beyond chance if its whole interval is above 0; of those
    the one with the highest mean is chosen. With one trial this is the paired bootstrap.

    Source: Romano & Wolf, "Stepwise multiple testing as formalized data snooping", Econometrica 2005,
    doi:10.1111/j.1468-0262.2005.00615.x (the studentised largest statistic, first step)

    Parameters
    ----------
    gains : ndarray of shape (n_trials, n_questions), float64
        The metric of each question, the default's first.
    clusters : ndarray of shape (n_questions,), int64
        Questions of the same number are drawn together.
    resamples, seed : int
        Of the bootstrap.
    """
    if len(gains) < 2:
        return Choice(0, 0, Interval(0.0, 0.0, 0.0))
    means, drawn = resampled(gains[1:] - gains[0], clusters, resamples=resamples, seed=seed)
    spread = drawn.std(axis=1)
    reach = _quantile(drawn, means, spread) * spread
    better = np.flatnonzero(means - reach > 0)
    best = int(better[np.argmax(means[better])]) if len(better) else int(np.argmax(means))
    low, high = means[best] - reach[best], means[best] + reach[best]
    interval = Interval(float(means[best]), float(low), float(high))
    return Choice(best + 1 if len(better) else 0, best + 1, interval)


def _quantile(drawn: Values, means: Values, spread: Values) -> float:
    """Return how many standard errors the largest error of any trial stays within, in 95 % of the resamples."""
    varies = spread > 0
    if not varies.any():
        return 0.0
    errors = np.abs(drawn[varies] - means[varies, None]) / spread[varies, None]
    return float(np.quantile(errors.max(axis=0), LEVEL))
