"""What variants earn: a Bayesian linear regression of the reward on the features, one for each variant.

With weighted decisions x (features), r (reward) and w (weight) the sufficient statistics are A = Σ w x xᵀ, b = Σ w x r,
Σ w r² and Σ w. All variants together give the pooled coefficients β₀ and the variance of the noise σ². A variant's
coefficients are normal around β₀ before its own decisions are seen, as if `PRIOR_DECISIONS` decisions had said so:

    Λ = A + P, mean = Λ⁻¹ (b + P β₀), covariance = σ² Λ⁻¹, with P = PRIOR_DECISIONS · (A of all) / (Σ w of all)

so that a variant nobody knows is expected to earn what all earn, and few lucky rewards move little. Source: Agrawal &
Goyal, "Thompson Sampling for Contextual Bandits with Linear Payoffs", ICML 2013 (arXiv:1209.3352); the shrinkage
towards the pool is empirical Bayes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
PRIOR_DECISIONS = 50.0
"""How many decisions the pool counts as, for a variant."""
RIDGE = 1.0
"""Decisions without reward that the pool begins with, in each direction of the features."""


@dataclass(frozen=True, eq=False)
class RewardStatistics:
    """Sufficient statistics of decisions; those of several days are added, and scaled by their age.

    Parameters
    ----------
    gram : ndarray of shape (d, d), float64
        Σ w x xᵀ.
    moment : ndarray of shape (d,), float64
        Σ w x r.
    squares, weight : float
        Σ w r² and Σ w.
    decisions : int
        How many decisions there were, whatever their weights.
    """

    gram: Floats
    moment: Floats
    squares: float = 0.0
    weight: float = 0.0
    decisions: int = 0

    @classmethod
    def nothing(cls, d: int) -> Self:
        """Return the statistics of no decisions with `d` features."""
        return cls(np.zeros((d, d)), np.zeros(d))

    @classmethod
    def of(cls, features: Floats, rewards: Floats) -> Self:
        """Return the statistics of decisions, features of shape (n, d) and rewards of shape (n,)."""
        squares = float(rewards @ rewards)
        return cls(features.T @ features, features.T @ rewards, squares, float(len(rewards)), len(rewards))

    def __add__(self, other: Self) -> Self:
        return type(self)(
            self.gram + other.gram,
            self.moment + other.moment,
            self.squares + other.squares,
            self.weight + other.weight,
            self.decisions + other.decisions,
        )

    def scaled(self, weight: float) -> Self:
        """Return the statistics with the weight of each decision times `weight`."""
        return type(self)(
            self.gram * weight, self.moment * weight, self.squares * weight, self.weight * weight, self.decisions
        )


@dataclass(frozen=True, eq=False)
class Posterior:
    """The belief about one variant's coefficients.

    Parameters
    ----------
    mean : ndarray of shape (d,), float64
    covariance : ndarray of shape (d, d), float64
    decisions : int
        Decisions that it was learned from.
    """

    mean: Floats
    covariance: Floats
    decisions: int = 0

    def reward(self, features: Floats) -> tuple[float, float]:
        """Return mean and variance of the expected reward for features of shape (d,)."""
        return float(features @ self.mean), max(float(features @ self.covariance @ features), 0.0)


def posteriors(statistics: Mapping[str, RewardStatistics]) -> dict[str, Posterior]:
    """Return the belief about each variant from the statistics of all of them, by variant; {} before any decision."""
    if not statistics or not any(each.weight for each in statistics.values()):
        return {}
    first, *others = statistics.values()
    pool = sum(others, first)
    d = len(pool.moment)
    pooled: Floats = np.linalg.solve(pool.gram + RIDGE * np.eye(d), pool.moment).astype(np.float64)
    noise = _noise(pool, pooled)
    prior = PRIOR_DECISIONS * (pool.gram + RIDGE * np.eye(d)) / (pool.weight + RIDGE)
    found = {}
    for name, each in statistics.items():
        inverse = np.linalg.inv(each.gram + prior)
        inverse = (inverse + inverse.T) / 2
        mean = inverse @ (each.moment + prior @ pooled)
        found[name] = Posterior(mean, noise * inverse, each.decisions)
    return found


def _noise(pool: RewardStatistics, coefficients: Floats) -> float:
    """Return the variance of the noise: the mean squared residual, at least a millionth of the mean square."""
    explained = 2 * float(coefficients @ pool.moment) - float(coefficients @ pool.gram @ coefficients)
    return max(pool.squares - explained, 1e-6 * pool.squares) / max(pool.weight - len(coefficients), 1.0)
