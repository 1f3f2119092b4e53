"""What a policy would have earned: an estimate with its overlap and its interval, or a refusal."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.off_policy import single_action, slates
from services.recommendation.off_policy.intervals import RESAMPLES, Uncertainty, uncertainty
from services.recommendation.off_policy.log import ActionLog, SlateLog
from services.recommendation.off_policy.overlap import (
    Overlap,
    Requirements,
    action_overlap,
    require_propensities,
    slate_overlap,
)
from services.recommendation.off_policy.ratios import Floats, Ratios, difference

NEEDED = Requirements()
THRESHOLD = 10.0
"""Default of Switch-DR: larger weights are left to the model."""
SUM_TOLERANCE = 1e-6


class ActionMethod(StrEnum):
    """Estimators of single actions; see `single_action`."""

    DIRECT_METHOD = "dm"
    INVERSE_PROPENSITY = "ips"
    SELF_NORMALISED = "snips"
    DOUBLY_ROBUST = "dr"
    SELF_NORMALISED_DOUBLY_ROBUST = "sndr"
    SWITCH_DOUBLY_ROBUST = "switch_dr"


class SlateMethod(StrEnum):
    """Estimators of lists; see `slates`."""

    WHOLE_SLATE = "whole_slate"
    INDEPENDENT = "independent"
    REWARD_INTERACTION = "reward_interaction"
    SELF_NORMALISED_REWARD_INTERACTION = "self_normalised_reward_interaction"
    PSEUDO_INVERSE = "pseudo_inverse"
    CASCADE_DOUBLY_ROBUST = "cascade_doubly_robust"


@dataclass(frozen=True)
class Estimate:
    """What the policy would have earned, in the unit of the reward per decision or list.

    Parameters
    ----------
    value : float
    standard_error, low, high : float
        By unit of assignment; `low` and `high` hold the truth in 95 % of logs. See `intervals`.
    overlap : Overlap
    clipping_bias : float
        How much clipping the weights changed the estimate, on this log; 0 without clipping. The interval is that of the
        clipped estimate and does not hold this bias.
    """

    value: float
    standard_error: float
    low: float
    high: float
    overlap: Overlap
    clipping_bias: float = 0.0


@dataclass(frozen=True)
class Compared:
    """What was earned, what a policy would have earned, and how much more that is, per decision or list."""

    logged_value: float
    logged: Uncertainty
    estimate: Estimate
    difference: Estimate


@dataclass(frozen=True)
class ActionPolicy:
    """A policy to evaluate on an `ActionLog` of n decisions.

    Parameters
    ----------
    probabilities : ndarray of shape (n, n_actions), float64
        Probability of each action at each decision; rows sum to 1.
    predictions : ndarray of shape (n, n_actions), float64, optional
        Predicted reward of each action, in the unit of the reward, as `reward_models` makes them.

    Raises
    ------
    ValueError
        If rows are no probabilities, or the shapes differ.
    """

    probabilities: Floats
    predictions: Floats | None = None

    def __post_init__(self) -> None:
        sums = self.probabilities.sum(axis=1)
        if not (np.abs(sums - 1.0) < SUM_TOLERANCE).all() or self.probabilities.min() < 0.0:
            raise ValueError(f"probabilities: rows must be at least 0 and sum to 1, got sums from {sums.min()}")
        if self.predictions is not None and self.predictions.shape != self.probabilities.shape:
            raise ValueError(f"predictions: must have shape {self.probabilities.shape}, got {self.predictions.shape}")


@dataclass(frozen=True)
class SlatePolicy:
    """A policy to evaluate on a `SlateLog` of n lists with k places.

    Parameters
    ----------
    probabilities : ndarray of shape (n, k), float64
        Probability of the shown item at its place, of the same kind as the log's propensities.
    expected, predicted : ndarray of shape (n, k), float64, optional
        As `reward_models.predict_below` returns them; needed by the cascade doubly robust estimator.
    support : float, optional
        Share of the policy's probability on items that the log may show; default estimated by the mean weights.
    """

    probabilities: Floats
    expected: Floats | None = None
    predicted: Floats | None = None
    support: float | None = None


def evaluate_actions(
    log: ActionLog,
    policy: ActionPolicy,
    *,
    method: ActionMethod = ActionMethod.DOUBLY_ROBUST,
    clip: float = np.inf,
    threshold: float = THRESHOLD,
    needed: Requirements = NEEDED,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return what the policy would have earned per decision.

    Parameters
    ----------
    method : ActionMethod
        Default doubly robust.
    clip : float
        Larger importance weights are lowered to this. That lowers the variance and biases the estimate.
    threshold : float
        Of Switch-DR.
    needed : Requirements
        What the log must have of the policy.
    resamples, seed
        As of `intervals.uncertainty`.

    Raises
    ------
    InsufficientOverlap
        If propensities are missing, the policy does what the log never does, or too few units count or earned anything.
    ValueError
        If the shapes differ, or the method needs predictions and there are none.
    """
    weights = action_weights(log, policy)
    overlap = action_overlap(log, policy.probabilities, weights)
    overlap.require(needed)
    ratios = action_ratios(log, policy, np.minimum(weights, clip), method, threshold)
    unclipped = ratios if np.isinf(clip) else action_ratios(log, policy, weights, method, threshold)
    return _estimate(ratios, log.units, overlap, ratios.value - unclipped.value, resamples, seed)


def compare_actions(
    log: ActionLog,
    policy: ActionPolicy,
    *,
    method: ActionMethod = ActionMethod.DOUBLY_ROBUST,
    threshold: float = THRESHOLD,
    needed: Requirements = NEEDED,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return how much more the policy would have earned per decision than the logged decisions did.

    Both are of the same log, so the interval of the difference is narrower than the two intervals suggest. Parameters
    and errors are those of `evaluate_actions`.
    """
    weights = action_weights(log, policy)
    overlap = action_overlap(log, policy.probabilities, weights)
    overlap.require(needed)
    ratios = difference((action_ratios(log, policy, weights, method, threshold), Ratios.mean(log.rewards)))
    return _estimate(ratios, log.units, overlap, 0.0, resamples, seed)


def evaluate_slates(
    log: SlateLog,
    policy: SlatePolicy,
    *,
    method: SlateMethod = SlateMethod.CASCADE_DOUBLY_ROBUST,
    needed: Requirements = NEEDED,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return what the policy would have earned per list; parameters and errors as of `evaluate_actions`."""
    weights = slate_weights(log, policy)
    overlap = slate_overlap(log, used_weights(weights, method), policy.support)
    overlap.require(needed)
    return _estimate(slate_ratios(log, policy, weights, method), log.units, overlap, 0.0, resamples, seed)


def compare_slates(
    log: SlateLog,
    policy: SlatePolicy,
    *,
    method: SlateMethod = SlateMethod.CASCADE_DOUBLY_ROBUST,
    needed: Requirements = NEEDED,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Estimate:
    """Return how much more the policy would have earned per list than the logged lists did, as `compare_actions`."""
    weights = slate_weights(log, policy)
    overlap = slate_overlap(log, used_weights(weights, method), policy.support)
    overlap.require(needed)
    ratios = difference((slate_ratios(log, policy, weights, method), Ratios.mean(log.rewards.sum(axis=1))))
    return _estimate(ratios, log.units, overlap, 0.0, resamples, seed)


def action_weights(log: ActionLog, policy: ActionPolicy) -> Floats:
    """Return the importance weight of each decision, shape (n,); raise InsufficientOverlap without propensities."""
    if len(policy.probabilities) != len(log) or log.actions.max() >= policy.probabilities.shape[1]:
        shape = (len(log), int(log.actions.max()) + 1)
        raise ValueError(f"probabilities: must have at least shape {shape}, got {policy.probabilities.shape}")
    require_propensities(log.propensities, np.ones(len(log), bool))
    weights: Floats = policy.probabilities[np.arange(len(log)), log.actions] / log.propensities
    return weights


def slate_weights(log: SlateLog, policy: SlatePolicy) -> Floats:
    """Return the weight of each place, shape (n, k), 1 where a list has no such place; raise as `action_weights`."""
    if policy.probabilities.shape != log.propensities.shape:
        raise ValueError(f"probabilities: must have shape {log.propensities.shape}, got {policy.probabilities.shape}")
    require_propensities(log.propensities, log.filled)
    weights = np.ones(log.propensities.shape)
    np.divide(policy.probabilities, log.propensities, out=weights, where=log.filled)
    return weights


def action_ratios(
    log: ActionLog, policy: ActionPolicy, weights: Floats, method: ActionMethod, threshold: float = THRESHOLD
) -> Ratios:
    """Return the estimator of a method for given weights, shape (n,)."""
    if method == ActionMethod.INVERSE_PROPENSITY:
        return single_action.inverse_propensity(weights, log.rewards)
    if method == ActionMethod.SELF_NORMALISED:
        return single_action.self_normalised(weights, log.rewards)
    if policy.predictions is None:
        raise ValueError(f"predictions: must be given for {method}")
    expected = (policy.probabilities * policy.predictions).sum(axis=1)
    if method == ActionMethod.DIRECT_METHOD:
        return single_action.direct_method(expected)
    corrected = weights, log.rewards, expected, policy.predictions[np.arange(len(log)), log.actions]
    if method == ActionMethod.SWITCH_DOUBLY_ROBUST:
        return single_action.switch_doubly_robust(*corrected, threshold)
    if method == ActionMethod.SELF_NORMALISED_DOUBLY_ROBUST:
        return single_action.self_normalised_doubly_robust(*corrected)
    return single_action.doubly_robust(*corrected)


def slate_ratios(log: SlateLog, policy: SlatePolicy, weights: Floats, method: SlateMethod) -> Ratios:
    """Return the estimator of a method for given weights, shape (n, k)."""
    if method != SlateMethod.CASCADE_DOUBLY_ROBUST:
        return _OF_WEIGHTS[method](weights, log.rewards)
    if policy.expected is None or policy.predicted is None:
        raise ValueError(f"expected, predicted: must be given for {method}")
    return slates.cascade_doubly_robust(weights, log.rewards, policy.expected, policy.predicted)


def used_weights(weights: Floats, method: SlateMethod) -> Floats:
    """Return the weights that a method multiplies rewards by, of shape (n, k), or (n, 1) where it has one a list."""
    return _USED_WEIGHTS[method](weights)


def _estimate(
    ratios: Ratios, units: Longs, overlap: Overlap, clipping_bias: float, resamples: int, seed: int
) -> Estimate:
    sure = uncertainty(ratios, units, resamples=resamples, seed=seed)
    return Estimate(ratios.value, sure.standard_error, sure.low, sure.high, overlap, clipping_bias)


def _each_place(weights: Floats) -> Floats:
    return weights


def _whole(weights: Floats) -> Floats:
    return slates.cascade_weights(weights)[:, -1:]


def _summed(weights: Floats) -> Floats:
    return slates.additive_weights(weights)[:, None]


_OF_WEIGHTS: dict[SlateMethod, Callable[[Floats, Floats], Ratios]] = {
    SlateMethod.WHOLE_SLATE: slates.whole_slate,
    SlateMethod.INDEPENDENT: slates.independent,
    SlateMethod.REWARD_INTERACTION: slates.reward_interaction,
    SlateMethod.SELF_NORMALISED_REWARD_INTERACTION: slates.self_normalised_reward_interaction,
    SlateMethod.PSEUDO_INVERSE: slates.pseudo_inverse,
}
_USED_WEIGHTS: dict[SlateMethod, Callable[[Floats], Floats]] = {
    SlateMethod.WHOLE_SLATE: _whole,
    SlateMethod.INDEPENDENT: _each_place,
    SlateMethod.REWARD_INTERACTION: slates.cascade_weights,
    SlateMethod.SELF_NORMALISED_REWARD_INTERACTION: slates.cascade_weights,
    SlateMethod.PSEUDO_INVERSE: _summed,
    SlateMethod.CASCADE_DOUBLY_ROBUST: slates.cascade_weights,
}
