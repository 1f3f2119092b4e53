"""Paired comparison of two rankers that answered the same questions."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from services.recommendation.holdout.intervals import LEVEL, RESAMPLES, Interval, resampled
from services.recommendation.holdout.metrics import Values
from shared.bootstrap import percentile_interval


@dataclass(frozen=True)
class PairedGain(Interval):
    """The mean difference of two rankers with its interval, in the unit of the metric.

    Parameters
    ----------
    p_value : float
        One-sided: the share of resamples in which the first ranker is not better, never below 1 / (resamples + 1).
        NaN without a resample.
    """

    p_value: float = float("nan")

    @property
    def better(self) -> bool:
        """Whether the whole interval is above 0. False where there is no interval."""
        return self.low > 0.0


def paired_gain(
    own: Values,
    other: Values,
    clusters: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> PairedGain:
    """Return how much better one ranker is than another, by the difference of each question.

    Both rankers answered the same questions, and easy questions are easy for both. The differences therefore vary
    less than the values, and their interval is the sharper test. Whole clusters are drawn, as `intervals` does.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, doi:10.1201/9780429246593; the paired
    bootstrap in information retrieval: Sakai, "Evaluating evaluation metrics based on the bootstrap", SIGIR 2006,
    doi:10.1145/1148170.1148261

    Parameters
    ----------
    own, other : ndarray of shape (q,), float64
        The metric of each question; NaN in either leaves the question out.
    clusters : array_like of shape (q,), int
        Questions of the same number are drawn together; see `clusters_of`.
    resamples, seed, level
        As of `intervals`; with 0 resamples the interval and the p-value are NaN.

    Raises
    ------
    ValueError
        If the arrays differ in length.
    """
    return paired_gains({"": own}, {"": other}, clusters, resamples=resamples, seed=seed, level=level)[""]


def paired_gains(
    own: Mapping[str, Values],
    other: Mapping[str, Values],
    clusters: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> dict[str, PairedGain]:
    """Return `paired_gain` by metric, all with the same resamples; metrics that `other` lacks are left out."""
    shared = [metric for metric in own if metric in other]
    if not shared:
        return {}
    differences = np.stack([_difference(own[metric], other[metric]) for metric in shared])
    means, drawn = resampled(differences, clusters, resamples=resamples, seed=seed)
    return {
        metric: PairedGain(float(mean), *percentile_interval(of_metric, level), _p_value(of_metric))
        for metric, mean, of_metric in zip(shared, means, drawn, strict=True)
    }


def ratio_gain(
    own: Values,
    other: Values,
    weights: Values,
    clusters: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> PairedGain:
    """Return how much larger one ratio of sums is than another of the same denominator: Σ (own − other) / Σ weights.

    Numerator and denominator of a cluster are drawn together, so that the interval holds for the ratio: with inverse
    propensities as weights it is that of the self-normalised estimate (Swaminathan & Joachims, "The self-normalized
    estimator for counterfactual learning", NIPS 2015). `other` may be zeros: then it is that of the ratio itself.

    Parameters
    ----------
    own, other, weights : ndarray of shape (q,), float64
        Sums of each question; the weights at least 0, and some above.
    clusters, resamples, seed, level
        As of `paired_gain`.

    Raises
    ------
    ValueError
        If the arrays differ in length, or no weight is above 0.
    """
    if not (weights > 0).any():
        raise ValueError("weights: some must be above 0")
    sums = np.stack([_difference(own, other), _difference(weights, np.zeros_like(own))])
    means, drawn = resampled(sums, clusters, resamples=resamples, seed=seed)
    ratios = np.divide(drawn[0], drawn[1], out=np.full(resamples, np.nan), where=drawn[1] > 0)
    return PairedGain(float(means[0] / means[1]), *percentile_interval(ratios, level), _p_value(ratios))


def gain_over_best(
    own: Values,
    others: Mapping[str, Values],
    clusters: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> tuple[str, PairedGain]:
    """Return the best of the other rankers by its mean, and the gain over it.

    The best of several looks better than it is on the questions that chose it. So the gain is rather too small: the
    test errs on the side of the other ranker.

    Parameters
    ----------
    own : ndarray of shape (q,), float64
        The metric of each question.
    others : mapping of str to ndarray of shape (q,), float64
        The same of each other ranker by name; at least one. Of equal means the first name in the alphabet is taken.
    clusters, resamples, seed, level
        As of `paired_gain`.

    Raises
    ------
    ValueError
        If there is no other ranker, or arrays differ in length.
    """
    if not others:
        raise ValueError("others: must name at least one ranker")
    best = max(sorted(others), key=lambda name: float(np.nanmean(others[name])))
    return best, paired_gain(own, others[best], clusters, resamples=resamples, seed=seed, level=level)


def _difference(own: Values, other: Values) -> Values:
    if own.shape != other.shape:
        raise ValueError(f"other: must have the shape of own, {own.shape}, got {other.shape}")
    return own - other


def _p_value(drawn: Values) -> float:
    known = drawn[~np.isnan(drawn)]
    return float((1 + (known <= 0).sum()) / (1 + len(known))) if len(known) else float("nan")
