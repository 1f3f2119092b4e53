"""Estimators for lists, whose reward is the sum of what the items at their places earned.

Notation: list i shows an item at each place k = 0 … K-1; its weight v_ik is the evaluation policy's probability of that
item at that place over the logging policy's; r_ik is what the item earned. Places that a list does not have must have
weight 1 and reward 0. All estimators are in the unit of the reward per list.
"""

import numpy as np

from services.recommendation.algorithms.arrays import AnyArray
from services.recommendation.off_policy.ratios import Floats, Ratios


def whole_slate(weights: Floats, rewards: Floats) -> Ratios:
    """Return mean (product over k of v_ik) (sum over k of r_ik): assumes nothing of how shoppers read a list.

    Source: standard IPS of slates, as in McInerney et al., "Counterfactual Evaluation of Slate Recommendations with
    Sequential Reward Interactions", KDD 2020, doi:10.1145/3394486.3403229

    Parameters
    ----------
    weights : ndarray of shape (n, k), float64
        Of probabilities given the items above.
    rewards : ndarray of shape (n, k), float64
    """
    return Ratios.mean(weights.prod(axis=1) * rewards.sum(axis=1))


def independent(weights: Floats, rewards: Floats) -> Ratios:
    """Return mean of the sum over k of v_ik r_ik: assumes that an item earns by itself and its place alone.

    Source: the item-position model of Li et al., "Offline Evaluation of Ranking Policies with Click Models", KDD 2018,
    doi:10.1145/3219819.3220028

    Parameters
    ----------
    weights : ndarray of shape (n, k), float64
        Of marginal probabilities of the item at the place.
    rewards : ndarray of shape (n, k), float64
    """
    return Ratios.mean((weights * rewards).sum(axis=1))


def reward_interaction(weights: Floats, rewards: Floats) -> Ratios:
    """Return mean of the sum over k of (v_i0 · … · v_ik) r_ik (RIPS): assumes that shoppers read from the top.

    An item's reward may depend on what is above it, not on what is below.

    Source: McInerney et al., "Counterfactual Evaluation of Slate Recommendations with Sequential Reward Interactions",
    KDD 2020, doi:10.1145/3394486.3403229, without its normalisation

    Parameters
    ----------
    weights : ndarray of shape (n, k), float64
        Of probabilities given the items above.
    rewards : ndarray of shape (n, k), float64
    """
    return Ratios.mean((cascade_weights(weights) * rewards).sum(axis=1))


def self_normalised_reward_interaction(weights: Floats, rewards: Floats) -> Ratios:
    """Return RIPS as published, each place divided by its own weights: sum over k of (sum_i W_ik r_ik) / (sum_i W_ik).

    W_ik = v_i0 · … · v_ik. Biased by order 1/n, of less variance than `reward_interaction`.

    Source: McInerney et al., KDD 2020, doi:10.1145/3394486.3403229, equation of the normalised estimator

    Parameters
    ----------
    weights, rewards
        As of `reward_interaction`.
    """
    cumulated = cascade_weights(weights)
    return Ratios((cumulated * rewards).T, cumulated.T)


def pseudo_inverse(weights: Floats, rewards: Floats) -> Ratios:
    """Return mean (1 - K + sum over k of v_ik) (sum over k of r_ik): assumes that a list earns the sum over its places.

    Which place earned what need not be known. The weight is the pseudo-inverse estimator's where both policies fill
    places independently of each other; for others see `pseudo_inverse_weights`.

    Source: Swaminathan et al., "Off-policy evaluation for slate recommendation", NeurIPS 2017, arXiv:1605.04812; the
    closed form: Vlassis et al., "Control Variates for Slate Off-Policy Evaluation", NeurIPS 2021, arXiv:2106.07914

    Parameters
    ----------
    weights : ndarray of shape (n, k), float64
        Of marginal probabilities of the item at the place.
    rewards : ndarray of shape (n, k), float64
        Only their sum by list is read.
    """
    return Ratios.mean(additive_weights(weights) * rewards.sum(axis=1))


def pseudo_inverse_weights(slates: Floats, logging: Floats, evaluation: Floats) -> Floats:
    """Return the pseudo-inverse weight of each slate of one context, for policies over few enough slates to list them.

    With Γ = sum over slates s of logging(s) 1_s 1_sᵀ, the weight of s is 1_sᵀ Γ⁺ (sum over s of evaluation(s) 1_s).

    Source: Swaminathan et al., NeurIPS 2017, arXiv:1605.04812

    Parameters
    ----------
    slates : ndarray of shape (s, d), float64
        A row for each slate, 1 for each of its pairs of place and item, else 0.
    logging, evaluation : ndarray of shape (s,), float64
        Probability of each slate.

    Returns
    -------
    ndarray of shape (s,), float64
        Mean weight · reward over logged slates estimates the evaluation policy's value.
    """
    second_moments = slates.T @ (logging[:, None] * slates)
    inverse: AnyArray = np.linalg.pinv(second_moments, hermitian=True)
    return slates @ inverse @ (slates.T @ evaluation)


def cascade_doubly_robust(weights: Floats, rewards: Floats, expected: Floats, predicted: Floats) -> Ratios:
    """Return the cascade doubly robust estimator: RIPS with a model of what the rest of the list earns.

    The mean of the sum over k of W_ik (r_ik - q_ik) + W_i,k-1 e_ik, where W_ik = v_i0 · … · v_ik and W_i,-1 = 1.

    Source: Kiyohara et al., "Doubly Robust Off-Policy Evaluation for Ranking Policies under the Cascade Behavior
    Model", WSDM 2022, doi:10.1145/3488560.3498380, arXiv:2202.01562

    Parameters
    ----------
    weights, rewards
        As of `reward_interaction`.
    expected : ndarray of shape (n, k), float64
        e_ik: what the model expects of place k and those below under the evaluation policy, given the items above k.
    predicted : ndarray of shape (n, k), float64
        q_ik: the same given also the item that was shown at k, by a model that was not fitted on list i.
    """
    cumulated = cascade_weights(weights)
    before = np.concatenate([np.ones((len(weights), 1)), cumulated[:, :-1]], axis=1)
    return Ratios.mean((cumulated * (rewards - predicted) + before * expected).sum(axis=1))


def cascade_weights(weights: Floats) -> Floats:
    """Return v_i0 · … · v_ik at each place, shape (n, k)."""
    cumulated: AnyArray = np.cumprod(weights, axis=1)
    return cumulated


def additive_weights(weights: Floats) -> Floats:
    """Return 1 - K + sum over k of v_ik, shape (n,)."""
    summed: Floats = 1.0 + (weights - 1.0).sum(axis=1)
    return summed
