"""Intervals of means by the bootstrap over customers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.holdout.metrics import Values
from services.recommendation.holdout.tasks import EvalCase
from shared.bootstrap import percentile_interval, ratios, resampled_ratios

RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean and the interval around it, in the unit of the values; NaN where there was no value."""

    value: float
    low: float
    high: float


def intervals(
    values: dict[str, Values],
    clusters: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = LEVEL,
) -> dict[str, Interval]:
    """Return the mean of each metric over the questions, with a percentile interval.

    Whole clusters are drawn with replacement, since the questions of one customer resemble each other; each resample
    has as many clusters as there are. All metrics, and all calls with the same clusters and seed, see the same
    resamples, so that the interval of the difference of two rankers is that of their differences by question.

    Source: Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, doi:10.1201/9780429246593, chapter 13;
    of clusters: Field & Welsh, "Bootstrapping clustered data", JRSS B 2007, doi:10.1111/j.1467-9868.2007.00593.x

    Parameters
    ----------
    values : dict of str to ndarray of shape (q,), float64
        By metric; NaN where a question has no value, which leaves it out of that mean.
    clusters : array_like of shape (q,), int
        Questions of the same number are drawn together; see `clusters_of`.
    resamples : int
        Number of resamples; with 0 the interval is NaN.
    seed : int
        Seed of the resamples.
    level : float
        Share of the resampled means within the interval.
    """
    if not values:
        return {}
    means, drawn = resampled(np.stack(list(values.values())), clusters, resamples=resamples, seed=seed)
    found = zip(values, means, drawn, strict=True)
    return {name: Interval(float(mean), *percentile_interval(of_metric, level)) for name, mean, of_metric in found}


def resampled(values: Values, clusters: ArrayLike, *, resamples: int, seed: int) -> tuple[Values, Values]:
    """Return the means over the questions and those of each resample, drawn as `intervals` says.

    Parameters
    ----------
    values : ndarray of shape (n, q), float64
        A row for each mean; NaN leaves a question out of it.
    clusters : array_like of shape (q,), int
        Questions of the same number are drawn together.

    Returns
    -------
    means : ndarray of shape (n,), float64
    drawn : ndarray of shape (n, resamples), float64
    """
    sums, sizes = _by_cluster(values, np.asarray(clusters))
    drawn = resampled_ratios(sums, sizes, resamples=resamples, seed=seed)
    return ratios(sums.sum(axis=1), sizes.sum(axis=1)), drawn


def clusters_of(questions: list[EvalCase]) -> Longs:
    """Return the number of each question's cluster, shape (q,): its customer, or itself where there is none."""
    customers = np.fromiter((question.customer for question in questions), np.int64, len(questions))
    return np.where(customers >= 0, customers, -1 - np.arange(len(questions)))


def _by_cluster(values: Values, clusters: Longs) -> tuple[Values, Values]:
    """Return the sums and the counts of what is not NaN, each of shape (n_metrics, n_clusters)."""
    names, of_question = np.unique(clusters, return_inverse=True)
    known = ~np.isnan(values)
    sums = [np.bincount(of_question, row, len(names)) for row in np.where(known, values, 0.0)]
    sizes = [np.bincount(of_question, row, len(names)) for row in known]
    return np.stack(sums), np.stack(sizes)
