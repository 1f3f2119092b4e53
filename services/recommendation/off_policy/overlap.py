"""How much a log says of a policy that it did not follow, and the refusal where that is too little."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from quintet.type.v1.error_pb2 import ErrorReason

from services.recommendation.algorithms.arrays import Longs, Mask
from services.recommendation.off_policy.log import ActionLog, SlateLog
from services.recommendation.off_policy.ratios import Floats
from shared.errors import FailedPrecondition

Cause: TypeAlias = Literal["propensities", "support", "effective_sample_size", "rewards", "replay"]

ERRORS_ALLOWED = 3.0
"""Standard errors by which estimated support must be below the minimum to be refused."""


class InsufficientOverlap(FailedPrecondition):
    """The log cannot say what the policy would have earned.

    Parameters
    ----------
    cause : str
        `propensities`: some are missing. `support`: the policy does what the log never does. `effective_sample_size`:
        too few units count. `rewards`: too few of those that count earned anything. `replay`: the lists cannot be
        ranked again.
    message : str
        What was found and what is needed.
    """

    usual_reason = ErrorReason.OVERLAP_INSUFFICIENT

    def __init__(self, cause: Cause, message: str) -> None:
        super().__init__(f"overlap: {message}", metadata={"cause": cause})
        self.cause: Cause = cause


@dataclass(frozen=True)
class Requirements:
    """What a log must have of a policy to say what it would have earned."""

    effective_units: float = 100.0
    """Smallest effective number of units of assignment."""
    rewarded_units: float = 30.0
    """Smallest effective number of units that earned anything. With fewer, intervals cover less than they promise."""
    support: float = 0.99
    """Smallest share of the policy's probability that the log supports."""


@dataclass(frozen=True)
class Overlap:
    """How far the log covers the evaluation policy.

    Parameters
    ----------
    effective_sample_size : float
        Kish's number of decisions: (sum of weights)² / sum of squared weights. Of lists: that of the worst place.
    effective_units : float
        The same of the units' sums of weights: the number of independent units that carry the estimate.
    rewarded_units : float
        The same over decisions that earned anything.
    support : float
        Share of the evaluation policy's probability on what the log may show, 0 to 1.
    largest_weight : float
        Largest importance weight.
    """

    effective_sample_size: float
    effective_units: float
    rewarded_units: float
    support: float
    largest_weight: float

    def require(self, requirements: Requirements) -> None:
        """Raise InsufficientOverlap where the log says too little by the `requirements`."""
        if self.support < requirements.support:
            raise InsufficientOverlap(
                "support",
                f"the log supports {self.support:.1%} of what the policy does, {requirements.support:.1%} are needed: "
                "it does what was never tried: explore it, or run an experiment",
            )
        if self.effective_units < requirements.effective_units:
            raise InsufficientOverlap(
                "effective_sample_size",
                f"the log counts as {self.effective_units:.1f} units of assignment that follow the policy, "
                f"{requirements.effective_units:g} are needed: log for longer, or explore more",
            )
        if self.rewarded_units < requirements.rewarded_units:
            raise InsufficientOverlap(
                "rewards",
                f"{self.rewarded_units:.1f} effective units that follow the policy earned anything, "
                f"{requirements.rewarded_units:g} are needed: log for longer, or evaluate a more frequent reward",
            )


def kish(weights: Floats) -> float:
    """Return the effective sample size (sum w)² / sum w²; 0 where all weights are 0.

    Source: Kish, "Survey Sampling", 1965; of importance weights: Kong, Liu & Wong, "Sequential Imputations and Bayesian
    Missing Data Problems", JASA 1994, doi:10.1080/01621459.1994.10476469

    Parameters
    ----------
    weights : ndarray of shape (n,) or (n, k), float64
        Of the columns of two dimensions, the smallest value is returned.
    """
    squares = np.square(weights).sum(axis=0)
    sizes = np.divide(weights.sum(axis=0) ** 2, squares, out=np.zeros_like(squares), where=squares > 0)
    return float(np.min(sizes))


def require_propensities(propensities: Floats, read: Mask) -> None:
    """Raise InsufficientOverlap where a propensity that is read is missing or no probability above 0."""
    with np.errstate(invalid="ignore"):
        missing = read & ~((propensities > 0.0) & (propensities <= 1.0))
    if missing.any():
        raise InsufficientOverlap(
            "propensities",
            f"{int(missing.sum())} of {int(read.sum())} propensities are missing or not in (0, 1], "
            f"such as {propensities[missing][0]}",
        )


def action_overlap(log: ActionLog, evaluation: Floats, weights: Floats) -> Overlap:
    """Return how far a log of single actions covers the evaluation policy.

    Support is exact where the logging policy's probabilities are known. Else it is the policy's probability on actions
    that occur in the log, or the mean weight where that says clearly less: its expectation is the supported share.

    Parameters
    ----------
    evaluation : ndarray of shape (n, n_actions), float64
    weights : ndarray of shape (n,), float64
        Not clipped.
    """
    if log.logging_policy is None:
        seen = np.zeros(evaluation.shape[1], bool)
        seen[log.actions] = True
        occurring = float(evaluation[:, seen].sum(axis=1).mean())
        support = min(occurring, estimated_support(weights[:, None]))
    else:
        support = float((evaluation * (log.logging_policy > 0.0)).sum(axis=1).mean())
    return _overlap(weights[:, None], log.rewards[:, None], log.units, support)


def slate_overlap(log: SlateLog, weights: Floats, support: float | None = None) -> Overlap:
    """Return how far a log of lists covers the evaluation policy.

    Parameters
    ----------
    weights : ndarray of shape (n, k), float64
        The weights that the estimator uses, of shape (n, 1) where it has one a list.
    support : float, optional
        The supported share where it is known; default `estimated_support`.
    """
    rewards = log.rewards if weights.shape == log.rewards.shape else log.rewards.sum(axis=1, keepdims=True)
    return _overlap(weights, rewards, log.units, estimated_support(weights) if support is None else support)


def estimated_support(weights: Floats) -> float:
    """Return the share of the evaluation policy that the log supports, as far as its weights show.

    The expected weight is the supported share. A mean below 1 by chance is no evidence: 1 is returned unless it is
    below 1 by more than 3 standard errors.

    Parameters
    ----------
    weights : ndarray of shape (n, k), float64
        The smallest share of the columns is returned.
    """
    means = weights.mean(axis=0)
    errors = weights.std(axis=0) / np.sqrt(len(weights))
    return float(np.where(means + ERRORS_ALLOWED * errors >= 1.0, 1.0, means).min())


def _overlap(weights: Floats, rewards: Floats, units: Longs, support: float) -> Overlap:
    names, of_decision = np.unique(units, return_inverse=True)

    def by_unit(values: Floats) -> Floats:
        return np.stack([np.bincount(of_decision, column, len(names)) for column in values.T], axis=1)

    rewarded = by_unit(np.where(rewards != 0.0, weights, 0.0)).sum(axis=1)
    return Overlap(kish(weights), kish(by_unit(weights)), kish(rewarded), support, float(weights.max()))
