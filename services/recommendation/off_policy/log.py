"""Logged decisions: what was chosen, with which probability, and what it earned."""

from dataclasses import dataclass

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Mask
from services.recommendation.off_policy.ratios import Floats


@dataclass(frozen=True)
class ActionLog:
    """Decisions with one action each, such as the variant that filled a list.

    Parameters
    ----------
    actions : ndarray of shape (n,), int64
        Number of the chosen action, 0 to n_actions - 1.
    propensities : ndarray of shape (n,), float64
        Probability with which the action was chosen, given what was known then, in (0, 1]; NaN where none was logged.
    rewards : ndarray of shape (n,), float64
        What the decision earned, in any unit.
    units : ndarray of shape (n,), int64
        Number of the unit of assignment, such as the customer. Decisions of one unit may depend on each other.
    logging_policy : ndarray of shape (n, n_actions), float64, optional
        Probability of every action. Where it is known, support is exact; else it is judged by what occurs in the log.

    Raises
    ------
    ValueError
        If the arrays differ in length, there is no decision, a reward is not finite, or an action is negative.
    """

    actions: Longs
    propensities: Floats
    rewards: Floats
    units: Longs
    logging_policy: Floats | None = None

    def __post_init__(self) -> None:
        _require_shape("propensities", self.propensities, self.actions.shape)
        _require_shape("units", self.units, self.actions.shape)
        _require_rewards(self.rewards, self.actions.shape)
        if self.actions.min() < 0:
            raise ValueError(f"actions: must not be negative, got {self.actions.min()}")

    def __len__(self) -> int:
        return len(self.actions)


@dataclass(frozen=True)
class SlateLog:
    """Lists with an item at each place.

    Parameters
    ----------
    propensities : ndarray of shape (n, k), float64
        Probability of the item at its place, in (0, 1], place 0 first; NaN where none was logged. The estimators say
        whether it is given the items above it, or marginal. Where places are filled independently both are equal.
    rewards : ndarray of shape (n, k), float64
        What the item at the place earned, in any unit.
    units : ndarray of shape (n,), int64
        Number of the unit of assignment, such as the customer. Lists of one unit may depend on each other.
    filled : ndarray of shape (n, k), bool
        Whether the list has this place. Where it has not, the reward is 0 and the propensity is not read.

    Raises
    ------
    ValueError
        If the shapes do not fit, there is no list, or a reward is not finite or of a place that is not there.
    """

    propensities: Floats
    rewards: Floats
    units: Longs
    filled: Mask

    def __post_init__(self) -> None:
        _require_shape("filled", self.filled, self.propensities.shape)
        _require_shape("units", self.units, self.propensities.shape[:1])
        _require_rewards(self.rewards, self.propensities.shape)
        if self.rewards[~self.filled].any():
            raise ValueError("rewards: must be 0 at places that a list does not have")

    @classmethod
    def full(cls, propensities: Floats, rewards: Floats, units: Longs) -> "SlateLog":
        """Return the log of lists that have all places."""
        return cls(propensities, rewards, units, np.ones(propensities.shape, bool))

    def __len__(self) -> int:
        return len(self.units)


def _require_shape(name: str, array: Floats | Longs | Mask, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name}: must have shape {shape}, got {array.shape}")


def _require_rewards(rewards: Floats, shape: tuple[int, ...]) -> None:
    _require_shape("rewards", rewards, shape)
    if not rewards.size:
        raise ValueError("rewards: must not be empty")
    if not np.isfinite(rewards).all():
        raise ValueError(f"rewards: must be finite, got {rewards[~np.isfinite(rewards)][0]}")
