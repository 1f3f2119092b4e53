"""CUPED: differences between arms with less variance, by what was known of the units before the experiment.

A unit's metric in the experiment is partly foreseen by the same metric before it. The part that is foreseen says
nothing of the arms, and is subtracted.

Source: Deng, Xu, Kohavi & Walker, "Improving the Sensitivity of Online Controlled Experiments by Utilizing
Pre-Experiment Data", WSDM 2013, doi:10.1145/2433396.2433413; for ratios its appendix B
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from numpy.typing import ArrayLike

from services.feedback.statistics.estimate import Estimate
from services.feedback.statistics.values import Floats

X, Y, PRE_X, PRE_Y = range(4)


@dataclass(frozen=True)
class CupedMoments:
    """Sums over the units of an arm of a ratio and of the same ratio in the pre-period; those of disjoint units add up.

    Parameters
    ----------
    n : int
        Number of units.
    known : int
        Number of units with a pre-period: its denominator is above 0.
    sums : ndarray of shape (4,), float64
        Of denominator, numerator, denominator of the pre-period, numerator of the pre-period.
    products : ndarray of shape (4, 4), float64
        Sums of the products of these of each unit.
    """

    n: int
    known: int
    sums: Floats
    products: Floats

    @classmethod
    def of(cls, x: ArrayLike, y: ArrayLike, pre_x: ArrayLike, pre_y: ArrayLike) -> "CupedMoments":
        """Return the moments of units.

        A unit without pre-period has 0 for both. It counts as if its ratio before had been that of all others. For a
        mean over units in place of a ratio, `x` is 1, and `pre_x` is 1 for each unit with a pre-period.

        Parameters
        ----------
        x, y : array_like of shape (n,)
            Denominator and numerator of each unit in the experiment.
        pre_x, pre_y : array_like of shape (n,)
            The same before, or any other ratio that was known before the unit was assigned.

        Raises
        ------
        ValueError
            If shapes differ, a denominator is negative, or a unit has a numerator before and no denominator.
        """
        shapes = {np.shape(each) for each in (x, y, pre_x, pre_y)}
        if len(shapes) != 1 or len(next(iter(shapes))) != 1:
            raise ValueError(f"x, y, pre_x, pre_y: must have one shape of one axis, got {sorted(shapes)}")
        units = np.array([x, y, pre_x, pre_y], dtype=np.float64)
        if units.size and units[[X, PRE_X]].min() < 0:
            raise ValueError(f"x, pre_x: must not be negative, got {units[[X, PRE_X]].min()}")
        if np.any((units[PRE_X] == 0) & (units[PRE_Y] != 0)):
            raise ValueError("pre_y: must be 0 where pre_x is 0")
        return cls(units.shape[1], int(np.count_nonzero(units[PRE_X])), units.sum(axis=1), units @ units.T)

    def __add__(self, other: "CupedMoments") -> "CupedMoments":
        """Return the moments of the units of both."""
        return CupedMoments(
            self.n + other.n, self.known + other.known, self.sums + other.sums, self.products + other.products
        )


@dataclass(frozen=True)
class Adjustment:
    """The arms after CUPED.

    Parameters
    ----------
    arms : tuple of Estimate
        The ratio of each arm, as it would be if all arms had been alike before. Their differences are what counts.
    explained : float
        Share of the variance within arms that the pre-period explains, 0 to 1.
    known : float
        Share of the units with a pre-period.
    """

    arms: tuple[Estimate, ...]
    explained: float
    known: float


def adjust(arms: Sequence[CupedMoments]) -> Adjustment:
    """Return the ratios of the arms, adjusted with one coefficient of all arms.

    Where the pre-period explains nothing, as without any, they are those of `RatioMoments`. The coefficient is that of
    the regression, within arms, of a unit's part in the ratio on its part in the ratio before.

    Raises
    ------
    ValueError
        If there is no arm, or an arm has less than two units or no denominator.
    """
    if not arms:
        raise ValueError("arms: must not be empty")
    for arm in arms:
        if arm.n < 2 or not arm.sums[X] > 0:
            raise ValueError(f"arms: each must have two units and a denominator, got {arm.n} and {arm.sums[X]}")
    whole = reduce(CupedMoments.__add__, arms)
    before = whole.sums[PRE_Y] / whole.sums[PRE_X] if whole.sums[PRE_X] else 0.0
    centred = [_within(arm, before) for arm in arms]
    (outcome, both), (_, covariate) = np.sum(centred, axis=0)
    theta = both / covariate if covariate > 0 else 0.0
    explained = theta * both / outcome if outcome > 0 else 0.0
    adjusted = tuple(_adjusted(arm, before, theta, within) for arm, within in zip(arms, centred, strict=True))
    return Adjustment(adjusted, float(np.clip(explained, 0.0, 1.0)), whole.known / max(whole.n, 1))


def _parts(arm: CupedMoments, before: float) -> Floats:
    """Return what makes a unit's sums its part in the ratio (row 0) and in that of the pre-period (row 1)."""
    mean = arm.sums[X] / arm.n
    ratio = arm.sums[Y] / arm.sums[X]
    return np.array([[-ratio / mean, 1 / mean, 0, 0], [0, 0, -before, 1]])


def _within(arm: CupedMoments, before: float) -> Floats:
    """Return the sums of squares and products of the two parts about the arm's means, shape (2, 2)."""
    centred = arm.products - np.outer(arm.sums, arm.sums) / arm.n
    parts = _parts(arm, before)
    return parts @ centred @ parts.T


def _adjusted(arm: CupedMoments, before: float, theta: float, within: Floats) -> Estimate:
    mean_before = (arm.sums[PRE_Y] - before * arm.sums[PRE_X]) / arm.n
    squares = within[0, 0] - 2 * theta * within[0, 1] + theta * theta * within[1, 1]
    error = np.sqrt(max(squares, 0.0) / (arm.n - 1) / arm.n)
    return Estimate(float(arm.sums[Y] / arm.sums[X] - theta * mean_before), float(error), float(arm.n))
