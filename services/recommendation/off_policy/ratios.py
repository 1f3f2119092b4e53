"""Estimators as sums of ratios of means: the form that gives every estimator its standard error by unit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import Longs

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Ratios:
    """An estimator of n decisions: the sum over j of `numerators[j].sum() / denominators[j].sum()`.

    IPS has one ratio, whose denominator counts the decisions; SNIPS divides by the weights instead; self-normalised DR
    is the direct method's ratio plus one of the weighted residuals.

    Parameters
    ----------
    numerators, denominators : ndarray of shape (t, n), float64
        Numerators in the unit of the reward, denominators without unit.
    """

    numerators: Floats
    denominators: Floats

    @classmethod
    def of(cls, *pairs: tuple[Floats, Floats]) -> "Ratios":
        """Return the sum of the ratios of these pairs of numerator and denominator, each of shape (n,)."""
        numerators, denominators = zip(*pairs, strict=True)
        return cls(np.stack(numerators), np.stack(denominators))

    @classmethod
    def mean(cls, values: Floats) -> "Ratios":
        """Return the estimator that is the mean of `values`, shape (n,)."""
        return cls.of((values, np.ones_like(values)))

    @property
    def value(self) -> float:
        """The estimate, in the unit of the reward per decision; NaN where a denominator is 0."""
        return float(value_of(self.numerators.sum(axis=1), self.denominators.sum(axis=1)))

    def totals(self, units: Longs) -> Floats:
        """Return the sums of each unit, shape (m, 2 t): all numerators, then all denominators.

        Parameters
        ----------
        units : ndarray of shape (n,), int64
            Decisions of the same number belong to one unit of assignment, such as a customer.
        """
        names, of_decision = np.unique(units, return_inverse=True)
        rows = (*self.numerators, *self.denominators)
        return np.stack([np.bincount(of_decision, row, len(names)) for row in rows], axis=1)


def value_of(numerators: Floats, denominators: Floats) -> Floats:
    """Return the sum of ratios along the first axis, or NaN where a denominator is 0."""
    undefined = np.full(numerators.shape, np.nan)
    ratios: Floats = np.divide(numerators, denominators, out=undefined, where=denominators != 0)
    total: Floats = ratios.sum(axis=0)
    return total


def gradient(sums: Floats) -> Floats:
    """Return the derivative of the value by each of the `sums`.

    Parameters
    ----------
    sums : ndarray of shape (2 t, ...), float64
        All numerators, then all denominators, as `Ratios.totals` orders them.

    Returns
    -------
    ndarray of the same shape; not finite where a denominator is 0.
    """
    numerators, denominators = np.split(sums, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.concatenate([1.0 / denominators, -numerators / denominators**2])


def difference(ratios: Sequence[Ratios]) -> Ratios:
    """Return the estimator of how much more the first earns than the second; both of the same n decisions."""
    first, second = ratios
    return Ratios(
        np.concatenate([first.numerators, -second.numerators]),
        np.concatenate([first.denominators, second.denominators]),
    )
