"""Drift of the response: whether a day's rate, such as clicks / shown, differs from that of the days before.

Days differ by more than the binomial distribution says, and weekdays from weekends. So the logarithms of rates are
compared: the day with the same weekdays before, where there are enough of them, by Student's t. The spread is what days
of one weekday differ by, less what chance makes of it there, plus what chance makes of it on the day. Logarithms,
because days differ by factors: on the scale of rates a good day would be an alarm.

Source: McCullagh & Nelder, "Generalized Linear Models", 2nd edition 1989, doi:10.1007/978-1-4899-3242-6, sections 4.5
on over-dispersion and 12.5 on components of dispersion
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from services.feedback.drift.population import LEAST_DAYS, Floats

LEAST_EXPECTED = 30.0
"""Responses expected on the day, below which nothing is said: the normal approximation does not hold."""
WEEK = 7
LEAST_WEEKS = 3
"""Days of the same weekday from which on a day is compared with those alone."""


@dataclass(frozen=True)
class Change:
    """A rate on a day, and before.

    Parameters
    ----------
    rate, before : float
        On the day and over the days that it is compared with, 0 to 1.
    p_value : float
        Two-sided, of no change.
    spread : float
        Standard deviation of the logarithm of the rate between days, beyond chance.
    """

    rate: float
    before: float
    p_value: float
    spread: float

    @property
    def relative(self) -> float:
        """The change as a share of the rate before."""
        return self.rate / self.before - 1


def rate_change(responses: ArrayLike, trials: ArrayLike, day_responses: float, day_trials: float) -> Change | None:
    """Return how a day's rate differs from that of the days before; None where too little is known.

    Parameters
    ----------
    responses, trials : array_like of shape (n_days,)
        Of each day before, the last one that before the day: what was responded to, and what it is a share of.
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
    known = x > 0
    weekdays = np.arange(len(x), 0, -1)[known] % WEEK
    y, x = y[known], x[known]
    if len(x) < LEAST_DAYS or not y.sum():
        return None
    alike = weekdays == 0
    by_weekday = int(alike.sum()) >= LEAST_WEEKS
    groups = weekdays if by_weekday else np.zeros_like(weekdays)
    alike = alike if by_weekday else np.ones_like(alike)
    before = y[alike].sum() / x[alike].sum()
    if before * day_trials < LEAST_EXPECTED or before >= 1:
        return None
    logs, noise = _log_rates(y, x), _noise(before, x)
    variance, freedom = _pooled_variance(logs, groups)
    between = max(variance - float(noise.mean()), 0.0)
    error = np.sqrt(
        between * (1 + 1 / alike.sum()) + _noise(before, np.array([day_trials]))[0] + noise[alike].mean() / alike.sum()
    )
    today = _log_rates(np.array([day_responses]), np.array([day_trials]))[0]
    p_value = 2 * student.sf(abs(today - logs[alike].mean()) / error, freedom)
    return Change(day_responses / day_trials, float(before), float(p_value), float(np.sqrt(between)))


def _log_rates(responses: Floats, trials: Floats) -> Floats:
    """Return logarithms of rates. Half a response more keeps them finite."""
    found: Floats = np.log((responses + 0.5) / (trials + 0.5))
    return found


def _noise(rate: float, trials: Floats) -> Floats:
    """Return the variance that chance gives to the logarithm of a rate (delta method)."""
    found: Floats = (1 - rate) / (rate * trials)
    return found


def _pooled_variance(values: Floats, groups: NDArray[np.int64]) -> tuple[float, int]:
    """Return the variance within groups, and its degrees of freedom."""
    sizes = np.bincount(groups)
    means = np.bincount(groups, values) / np.maximum(sizes, 1)
    freedom = int(len(values) - (sizes > 0).sum())
    return float(((values - means[groups]) ** 2).sum()) / freedom, freedom
