"""Estimators for decisions with one action each.

Notation: decision i chose action a_i with propensity p_i and earned r_i. The evaluation policy chooses action a with
probability e_i(a). The weight is w_i = e_i(a_i) / p_i. A model predicts the reward q_i(a). All estimators are
in the unit of the reward per decision.
"""

import numpy as np

from services.recommendation.off_policy.ratios import Floats, Ratios


def direct_method(expected: Floats) -> Ratios:
    """Return mean q_i(e): the model's prediction for the evaluation policy, as wrong as the model is.

    Source: Dudík et al., "Doubly Robust Policy Evaluation and Optimization", Statistical Science 2014,
    doi:10.1214/14-STS500

    Parameters
    ----------
    expected : ndarray of shape (n,), float64
        Sum over a of e_i(a) q_i(a).
    """
    return Ratios.mean(expected)


def inverse_propensity(weights: Floats, rewards: Floats) -> Ratios:
    """Return mean w_i r_i (IPS): unbiased where the log supports the evaluation policy, of large variance.

    Source: Horvitz & Thompson, "A Generalization of Sampling Without Replacement from a Finite Universe", JASA 1952,
    doi:10.1080/01621459.1952.10483446

    Parameters
    ----------
    weights, rewards : ndarray of shape (n,), float64
        w_i and r_i.
    """
    return Ratios.mean(weights * rewards)


def self_normalised(weights: Floats, rewards: Floats) -> Ratios:
    """Return sum w_i r_i / sum w_i (SNIPS): within the range of the rewards, of less variance, biased by order 1/n.

    Source: Swaminathan & Joachims, "The Self-Normalized Estimator for Counterfactual Learning", NeurIPS 2015,
    https://papers.nips.cc/paper/5748

    Parameters
    ----------
    weights, rewards : ndarray of shape (n,), float64
        w_i and r_i.
    """
    return Ratios.of((weights * rewards, weights))


def doubly_robust(weights: Floats, rewards: Floats, expected: Floats, predicted: Floats) -> Ratios:
    """Return mean q_i(e) + w_i (r_i - q_i(a_i)) (DR): right where the propensities or the model are.

    Source: Dudík, Langford & Li, "Doubly Robust Policy Evaluation and Learning", ICML 2011, arXiv:1103.4601; Dudík et
    al., Statistical Science 2014, doi:10.1214/14-STS500

    Parameters
    ----------
    weights, rewards, expected : ndarray of shape (n,), float64
        w_i, r_i and the sum over a of e_i(a) q_i(a).
    predicted : ndarray of shape (n,), float64
        q_i(a_i) of the chosen action, by a model that was not fitted on decision i; see `reward_models`.
    """
    return Ratios.mean(expected + weights * (rewards - predicted))


def self_normalised_doubly_robust(weights: Floats, rewards: Floats, expected: Floats, predicted: Floats) -> Ratios:
    """Return mean q_i(e) + sum w_i (r_i - q_i(a_i)) / sum w_i: DR whose correction is self-normalised.

    Source: Thomas & Brunskill, "Data-Efficient Off-Policy Policy Evaluation for Reinforcement Learning", ICML 2016,
    arXiv:1604.00923 (weighted doubly robust, here for one step)

    Parameters
    ----------
    weights, rewards, expected, predicted
        As of `doubly_robust`.
    """
    return Ratios.of((expected, np.ones_like(expected)), (weights * (rewards - predicted), weights))


def switch_doubly_robust(
    weights: Floats, rewards: Floats, expected: Floats, predicted: Floats, threshold: float
) -> Ratios:
    """Return DR that corrects only decisions whose weight is at most `threshold`, and trusts the model for the others.

    Source: Wang, Agarwal & Dudík, "Optimal and Adaptive Off-policy Evaluation in Contextual Bandits", ICML 2017,
    arXiv:1612.01205

    Parameters
    ----------
    weights, rewards, expected, predicted
        As of `doubly_robust`.
    threshold : float
        Largest weight that is corrected by; 0 gives the direct method, infinity gives DR.
    """
    return doubly_robust(np.where(weights <= threshold, weights, 0.0), rewards, expected, predicted)
