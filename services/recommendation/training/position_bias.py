"""Position bias: how likely shoppers are to look at each place of a list, estimated from logged impressions.

The model is that of positions: an item at place k is clicked if it is looked at, which happens with the examination
probability of the place, and if it is relevant. Two ways tell the two apart:

1. *Interventions*: the same item, of the same relevance, stood at different places. Its relevance cancels out of
   the comparison of the places.
2. *Regression by expectation maximisation*: where items hardly moved, relevance is predicted by features that do not
   depend on the place, in turn with the examination.

Estimates never rise with the position, and are drawn towards no bias where clicks are few: below a stated number of
clicks there is none.

Sources: Agarwal, Zaitsev, Wang, Li, Najork & Joachims, "Estimating position bias without intrusive interventions",
WSDM 2019, doi:10.1145/3289600.3291017; Wang, Golbandi, Bendersky, Metzler & Najork, "Position bias estimation for
unbiased learning to rank in personal search", WSDM 2018, doi:10.1145/3159652.3159732.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeAlias

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression, minimize

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask

Probabilities: TypeAlias = NDArray[np.float64]

MOST_POSITIONS = 30
"""Places with an examination probability of their own; later ones share that of the last."""
LEAST_EXAMINATION = 0.1
"""Least probability that anything is divided by: it bounds the variance of what is weighted."""
FEWEST_HARVESTED_CLICKS = 200
"""Clicks on items that stood at several places, from which interventions are compared."""
FEWEST_CLICKS = 500
"""Clicks from which the regression is asked, where interventions are too few."""
MOST_IMPRESSIONS = 200_000
"""Impressions that the regression takes, at most, the last: they bound its time."""
PRIOR_CLICKS = 100.0
"""Clicks at which an estimate is taken half, by its logarithm: with fewer it is nearer to no bias."""
MOST_ITERATIONS = 200
TOLERANCE = 1e-4
"""Largest change of an examination probability at which the expectation maximisation ends."""
RIDGE = 1.0
"""Ridge weight of the regression's coefficients; features have variance 1."""
LEAST = 1e-6
"""Probabilities keep this distance from 0 and 1."""


class Method(StrEnum):
    """How a position bias was found; NONE where clicks are too few."""

    NONE = "none"
    INTERVENTIONS = "interventions"
    REGRESSION = "regression"


@dataclass(frozen=True, eq=False)
class Impressions:
    """Items that were on screen.

    Parameters
    ----------
    positions : ndarray of shape (n,), int64
        Places in their lists, from 1.
    clicked : ndarray of shape (n,), bool
    groups : ndarray of shape (n,), int64
        Impressions of the same number are equally relevant wherever they stand: those of one item for one shopper, or
        of an item whose place was drawn by chance. -1 for none.
    weights : ndarray of shape (n,), float32
        Weight within the group: 1 / propensity of the place, where it was drawn by chance.
    features : ndarray of shape (n, n_features), float32
        What relevance may depend on and the place may not.
    """

    positions: Longs
    clicked: Mask
    groups: Longs
    weights: FloatArray
    features: FloatArray

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True, eq=False)
class PositionBias:
    """Examination probability by place.

    Parameters
    ----------
    examination : ndarray of shape (n_positions,), float64
        Of each place relative to the first, never rising; the places after the last share its probability.
    method : Method
        How it was found.
    clicks : int
        Clicks that it was found from.
    """

    examination: Probabilities
    method: Method = Method.NONE
    clicks: int = 0

    @classmethod
    def none(cls) -> Self:
        """Return that every place is looked at alike."""
        return cls(np.ones(1))

    def at(self, positions: Longs) -> Probabilities:
        """Return the examination probability at places from 1, clipped to at least `LEAST_EXAMINATION`."""
        places = np.minimum(positions, len(self.examination)) - 1
        clipped: Probabilities = np.maximum(self.examination[places], LEAST_EXAMINATION)
        return clipped

    def last_examined(self) -> int:
        """Return the last place whose examination probability is not below the clip, from 1; -1 where all are."""
        below = np.flatnonzero(self.examination < LEAST_EXAMINATION)
        return int(below[0]) if len(below) else -1


def estimate(impressions: Impressions) -> PositionBias:
    """Return the position bias: by interventions where enough clicks tell, else by regression, else none."""
    positions = np.minimum(impressions.positions, MOST_POSITIONS)
    moved = moved_impressions(impressions.groups, positions)
    harvested = int(impressions.clicked[moved].sum())
    if harvested >= FEWEST_HARVESTED_CLICKS:
        found = by_interventions(
            positions[moved], impressions.clicked[moved], impressions.groups[moved], impressions.weights[moved]
        )
        return _settled(found, positions[moved], Method.INTERVENTIONS, harvested)
    last = slice(-MOST_IMPRESSIONS, None)
    positions, clicked = positions[last], impressions.clicked[last]
    clicks = int(clicked.sum())
    if clicks >= FEWEST_CLICKS and len(np.unique(positions)) > 1:
        found = by_regression(positions, clicked, impressions.features[last])
        return _settled(found, positions, Method.REGRESSION, clicks)
    return PositionBias.none()


def moved_impressions(groups: Longs, positions: Longs) -> Mask:
    """Return which impressions are of a group that stood at several places, shape (n,), bool."""
    grouped = groups >= 0
    _, of_impression = np.unique(groups, return_inverse=True)
    n = int(of_impression.max(initial=-1)) + 1
    lowest, highest = np.full(n, np.iinfo(np.int64).max), np.zeros(n, np.int64)
    np.minimum.at(lowest, of_impression, positions)
    np.maximum.at(highest, of_impression, positions)
    moved: Mask = grouped & (lowest < highest)[of_impression]
    return moved


def by_interventions(positions: Longs, clicked: Mask, groups: Longs, weights: FloatArray) -> Probabilities:
    """Return the examination of each place relative to the first, by all pairs of places that groups stood at.

    Of the groups that stood at places k and k', the rates of clicks differ by the examination alone. The likelihood
    of all pairs, each with a relevance of its own, is maximised (the estimator AllPairs).

    Parameters
    ----------
    positions, clicked, groups, weights : ndarray of shape (n,)
        As of `Impressions`, all of groups that stood at several places.

    Returns
    -------
    ndarray of shape (largest position,), float64
        Neither smoothed nor drawn towards no bias; 1 for places that nothing tells of.
    """
    clicks, misses = _pair_counts(positions, clicked, groups, weights)
    n = len(clicks)
    upper = np.triu_indices(n, 1)

    def loss(parameters: Probabilities) -> tuple[float, Probabilities]:
        logs = np.zeros((n, n))
        logs[upper] = parameters[n - 1 :]
        logs = np.minimum(logs + logs.T + np.append(0.0, parameters[: n - 1])[:, None], np.log1p(-LEAST))
        chance = np.exp(logs)
        likelihood = (clicks * logs + misses * np.log1p(-chance)).sum()
        slope = clicks - misses * chance / (1.0 - chance)
        return -likelihood, -np.concatenate([slope.sum(axis=1)[1:], (slope + slope.T)[upper]])

    start = np.concatenate([np.zeros(n - 1), np.full(len(upper[0]), np.log(0.5))])
    bounds = [(np.log(LEAST), 0.0)] * len(start)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    examination: Probabilities = np.exp(np.append(0.0, found[: n - 1]))
    told = (clicks + misses).sum(axis=1) > 0
    return np.where(told, examination, 1.0)


def _pair_counts(
    positions: Longs, clicked: Mask, groups: Longs, weights: FloatArray
) -> tuple[Probabilities, Probabilities]:
    """Return clicks and misses at place k (row) of groups that stood at place k' (column) too.

    Each group counts once at each place, with its rate of clicks there.
    """
    _, rows = np.unique(groups, return_inverse=True)
    shape = (int(rows.max()) + 1, int(positions.max()))
    at = (rows, positions - 1)
    shown = sp.coo_array((weights.astype(np.float64), at), shape=shape).tocsr()
    hits = sp.coo_array((weights * clicked.astype(np.float64), at), shape=shape).tocsr()
    there, rates = shown.copy(), shown.copy()
    there.data = np.ones_like(shown.data)
    rates.data = hits.data / shown.data  # both have an entry for each place that a group stood at, in one order
    clicks: Probabilities = (rates.T @ there).toarray()
    both: Probabilities = (there.T @ there).toarray()
    np.fill_diagonal(clicks, 0.0)
    np.fill_diagonal(both, 0.0)
    return clicks, np.maximum(both - clicks, 0.0)


def by_regression(positions: Longs, clicked: Mask, features: FloatArray) -> Probabilities:
    """Return the examination of each place relative to the first, beside a regression of relevance.

    The expectation of what was looked at and what was relevant, and the maximisation over the examination by place
    and over a logistic regression of relevance, take turns. The regression takes the expected relevance as it is; the
    paper draws labels by it and grows trees. Examination begins alike for all places.

    Parameters
    ----------
    positions, clicked, features : ndarray of shape (n,) and (n, n_features)
        As of `Impressions`.

    Returns
    -------
    ndarray of shape (largest position,), float64
        Neither smoothed nor drawn towards no bias; 1 for places without an impression.
    """
    design = _standardised(features)
    places, n = positions - 1, int(positions.max())
    shown = np.bincount(places, minlength=n)
    hits = clicked.astype(np.float64)
    examination = np.full(n, 0.5)
    coefficients = np.zeros(design.shape[1])
    coefficients[0] = _logit(np.clip(2 * hits.mean(), 0.01, 0.9))
    for _ in range(MOST_ITERATIONS):
        relevance, looked = _sigmoid(design @ coefficients), examination[places]
        neither = np.maximum(1.0 - looked * relevance, LEAST)
        was_looked_at = hits + (1.0 - hits) * looked * (1.0 - relevance) / neither
        was_relevant = hits + (1.0 - hits) * relevance * (1.0 - looked) / neither
        looks = np.bincount(places, was_looked_at, n) / np.maximum(shown, 1)
        new: Probabilities = np.clip(looks, LEAST, 1.0 - LEAST).astype(np.float64)
        coefficients = coefficients + _newton_step(design, was_relevant, relevance, coefficients)
        change, examination = float(np.abs(new - examination)[shown > 0].max()), new
        if change < TOLERANCE:
            break
    first = examination[np.flatnonzero(shown)[0]]
    return np.where(shown > 0, examination / first, 1.0)


def _newton_step(
    design: Probabilities, wanted: Probabilities, predicted: Probabilities, coefficients: Probabilities
) -> Probabilities:
    """Return a step of the ridge logistic regression towards soft labels."""
    ridge = np.full(len(coefficients), RIDGE)
    ridge[0] = LEAST
    spread = np.maximum(predicted * (1.0 - predicted), LEAST)
    slope = design.T @ (wanted - predicted) - ridge * coefficients
    curvature = (design * spread[:, None]).T @ design + np.diag(ridge)
    step: Probabilities = np.linalg.solve(curvature, slope).astype(np.float64)
    return step


def _standardised(features: FloatArray) -> Probabilities:
    """Return a column of ones and the features with mean 0 and variance 1."""
    values = features.astype(np.float64)
    spread = values.std(axis=0)
    columns = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.column_stack([np.ones(len(values)), columns])


def _settled(found: Probabilities, positions: Longs, method: Method, clicks: int) -> PositionBias:
    """Return an estimate that never rises, drawn towards no bias."""
    shown = np.bincount(positions - 1, minlength=len(found))
    told = np.flatnonzero(shown)
    logs = np.log(np.clip(found[told], LEAST, None))
    falling = isotonic_regression(logs, weights=shown[told].astype(np.float64), increasing=False).x
    share = clicks / (clicks + PRIOR_CLICKS)
    drawn = np.exp(share * np.minimum(falling - falling[0], 0.0))
    place = np.searchsorted(told, np.arange(len(found)), side="right") - 1
    return PositionBias(drawn[np.maximum(place, 0)], method, clicks)


def _sigmoid(values: Probabilities) -> Probabilities:
    chances: Probabilities = 1.0 / (1.0 + np.exp(-np.clip(values, -30.0, 30.0)))
    return chances


def _logit(chance: float) -> float:
    return float(np.log(chance / (1.0 - chance)))
