"""Drift of the response: whether a day's rate, such as clicks / shown, differs from that of the days before.

Days differ by more than the binomial distribution says. The dispersion is estimated from the reference days (Pearson's
χ² over its degrees of freedom, at least 1), and the day is tested by Student's t.

Source: McCullagh & Nelder, "Generalized Linear Models", 2nd edition 1989, doi:10.1007/978-1-4899-3242-6, section 4.5
on over-dispersion
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from services.feedback.drift.population import LEAST_DAYS

LEAST_EXPECTED = 10.0
"""Responses expected on the day, below which nothing is said: the normal approximation does not hold."""


@dataclass(frozen=True)
class Change:
    """A rate on a day, and before.

    Parameters
    ----------
    rate, before : float
        On the day and over the reference days, 0 to 1.
    p_value : float
        Two-sided, of no change.
    dispersion : float
        How many times the binomial variance the days vary by.
    """

    rate: float
    before: float
    p_value: float
    dispersion: float

    @property
    def relative(self) -> float:
        """The change as a share of the rate before."""
        return self.rate / self.before - 1


def rate_change(responses: ArrayLike, trials: ArrayLike, day_responses: float, day_trials: float) -> Change | None:
    """Return how a day's rate differs from that of the days before; None where too little is known.

    Parameters
    ----------
    responses, trials : array_like of shape (n_days,)
        Of each day before: what was responded to, and what it is a share of.
    day_responses, day_trials : float
        Of the day.

    Raises
    ------
    ValueError
        If shapes differ, a count is negative, or there are more responses than trials on a day.
    """
    y, x = np.asarray(responses, np.float64), np.asarray(trials, np.float64)
    if y.shape != x.shape or y.ndim != 1:
        raise ValueError(f"trials: must have the shape of responses, {y.shape}, got {x.shape}")
    if min(y.min(initial=0.0), day_responses) < 0 or (y > x).any() or day_responses > day_trials:
        raise ValueError("responses: must lie between 0 and the trials of their day")
    y, x = y[x > 0], x[x > 0]
    if len(x) < LEAST_DAYS:
        return None
    before = y.sum() / x.sum()
    binomial = before * (1 - before)
    if before * day_trials < LEAST_EXPECTED or binomial <= 0:
        return None
    dispersion = max(float(((y - before * x) ** 2 / (x * binomial)).sum()) / (len(x) - 1), 1.0)
    error = np.sqrt(dispersion * binomial * (1 / day_trials + 1 / x.sum()))
    rate = day_responses / day_trials
    p_value = 2 * student.sf(abs(rate - before) / error, len(x) - 1)
    return Change(float(rate), float(before), float(p_value), dispersion)
