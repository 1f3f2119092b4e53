"""How many units an experiment needs, what power it has with so many, and what effect it can find with so many."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Protocol

from scipy.optimize import brentq
from scipy.stats import norm

from services.feedback.statistics.baseline import Baseline
from services.feedback.statistics.crossing import surviving_sequential
from services.feedback.statistics.sequential import ALPHA

POWER = 0.8
MOST_DRIFT = 50.0
"""More standard errors than any test with α above 1e-300 needs."""
SMALLEST_EFFECT, LARGEST_EFFECT = 1e-9, 1e6
"""Relative effects between which the least detectable one is looked for."""


class Comparison(Protocol):
    """How the difference of two arms is tested."""

    def power(self, drift: float, alpha: float) -> float:
        """Return the probability of finding an effect of `drift` standard errors, those at the planned number of units.

        A difference in the wrong direction counts as well; its probability is negligible where there is any power.
        """
        ...


@dataclass(frozen=True)
class FixedHorizon:
    """One look, after the planned number of units."""

    def power(self, drift: float, alpha: float) -> float:
        """Return the power of the two-sided z-test."""
        critical = norm.isf(alpha / 2)
        return float(norm.sf(critical - drift) + norm.cdf(-critical - drift))


@dataclass(frozen=True)
class AlwaysValid:
    """The test of `sequential` at several looks, the last after the planned number of units.

    Parameters
    ----------
    looks : int, optional
        Number of looks, after equal numbers of units, such as one a day, at most `crossing.MOST_LOOKS`; None for
        looking all the time.
    """

    looks: int | None = None

    def power(self, drift: float, alpha: float) -> float:
        """Return the probability that any look finds a difference."""
        return surviving_sequential(alpha, self.looks).crossing(drift)


@dataclass(frozen=True)
class Design:
    """What is asked of an experiment.

    Parameters
    ----------
    test : Comparison
        How each treated arm is compared with the control.
    alpha : float
        Probability of finding any difference where there is none. It is shared by all treated arms (Bonferroni), as the
        first step of Holm's method does.
    power : float
        Probability of finding an effect of the size asked for in the treated arm with the least units.
    shares : tuple of float
        Shares of the units: of the control, then of each treated arm. Units outside the experiment have none.

    Raises
    ------
    ValueError
        If alpha or power is not between 0 and 1, alpha is not below power, or the shares are less than two, not above
        0, or more than 1 in sum.
    """

    test: Comparison
    alpha: float = ALPHA
    power: float = POWER
    shares: tuple[float, ...] = (0.5, 0.5)

    def __post_init__(self) -> None:
        if not 0 < self.alpha < self.power < 1:
            raise ValueError(f"alpha, power: must be 0 < alpha < power < 1, got {self.alpha}, {self.power}")
        if len(self.shares) < 2 or min(self.shares) <= 0 or sum(self.shares) > 1 + 1e-9:
            raise ValueError(f"shares: must be two or more above 0, at most 1 in sum, got {self.shares}")

    @property
    def alpha_of_comparison(self) -> float:
        """Level at which each treated arm is compared with the control."""
        return self.alpha / (len(self.shares) - 1)

    def power_of(self, drift: float) -> float:
        """Return the power for an effect of so many standard errors in one comparison."""
        return self.test.power(drift, self.alpha_of_comparison)


def units_needed(baseline: Baseline, effect: float, design: Design) -> tuple[int, ...]:
    """Return the number of units of each arm, in the order of the shares, for the power that is asked for.

    Parameters
    ----------
    baseline : Baseline
        Of the control.
    effect : float
        The least relative effect to be found: 0.05 is five percent more. Not 0.
    design : Design

    Raises
    ------
    ValueError
        If the effect is 0, or no metric can change so much.
    """
    drift = _root(design.power_of, design.power, 0.0, MOST_DRIFT)
    total = drift * drift * _variance_of_one(baseline, effect, design) / _difference(baseline, effect) ** 2
    return tuple(ceil(total * share) for share in design.shares)


def power_with(baseline: Baseline, effect: float, design: Design, units: int) -> float:
    """Return the power of an experiment with so many units in the sum of its arms; see `units_needed`.

    Raises
    ------
    ValueError
        If there is no unit, the effect is 0, or no metric can change so much.
    """
    if units < 1:
        raise ValueError(f"units: must be at least 1, got {units}")
    error = sqrt(_variance_of_one(baseline, effect, design) * sum(design.shares) / units)
    return design.power_of(abs(_difference(baseline, effect)) / error)


def detectable_effect(baseline: Baseline, design: Design, units: int) -> float:
    """Return the least relative effect upwards that is found with the power of the design; see `power_with`.

    Raises
    ------
    ValueError
        If there is no unit, or too few for any effect that the metric could have.
    """

    def power_of(effect: float) -> float:
        return power_with(baseline, effect, design, units)

    largest = min(baseline.largest_effect * (1 - SMALLEST_EFFECT), LARGEST_EFFECT)
    if power_of(largest) < design.power:
        raise ValueError(f"units: too few to find any effect with power {design.power}, got {units}")
    return _root(power_of, design.power, SMALLEST_EFFECT, largest)


def days_needed(units: int, units_per_day: float) -> int:
    """Return the days until so many units have come.

    Parameters
    ----------
    units : int
        In the sum of the arms.
    units_per_day : float
        New units a day in the sum of the arms, above 0.

    Raises
    ------
    ValueError
        If `units_per_day` is not above 0.
    """
    if not units_per_day > 0:
        raise ValueError(f"units_per_day: must be above 0, got {units_per_day}")
    return ceil(units / units_per_day)


def _difference(baseline: Baseline, effect: float) -> float:
    if effect == 0:
        raise ValueError("effect: must not be 0")
    return effect * baseline.mean


def _variance_of_one(baseline: Baseline, effect: float, design: Design) -> float:
    """Return the variance of the difference of two arms, as `estimate.difference` has it, times the number of all
    units, in the experiment or not."""
    share, treated_share = design.shares[0], min(design.shares[1:])
    treated = baseline.treated_variance(effect)
    of_each = baseline.variance / share + treated / treated_share
    of_both = baseline.variance / treated_share + treated / share
    return max(of_each, of_both)


def _root(of: Callable[[float], float], wanted: float, low: float, high: float) -> float:
    """Return where an increasing function reaches a value."""
    return float(brentq(lambda at: of(at) - wanted, low, high, xtol=1e-12))
