"""Segments learned from behaviour: a Gaussian mixture model whose components get readable names."""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from services.customer.behaviour import FEATURES
from services.customer.naming import distinctive, names_of
from services.customer.state import State, require_format

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

FloatArray = NDArray[np.float64]

FORMAT = 1
COMPONENTS = (3, 4, 5, 6, 7, 8)
"""Numbers of clusters that `fit` tries by default."""
MIN_SIZE = 20
"""Smallest average number of customers per cluster."""
MAX_SAMPLE = 20_000
"""Largest number of customers that the mixture is fitted to."""
FLOOR = 0.05
"""Added to each variance within a cluster, so that customers with one common value do not form a cluster.

In squared standard deviations of the population.
"""
MAX_Z = 4.0
"""Features are clipped to this many standard deviations from the mean."""


@dataclass(frozen=True, eq=False)
class ClusterMemberships:
    """The cluster of each of n customers."""

    codes: NDArray[np.int64]
    """Index into the model's `names`; −1 for a customer without events."""
    confidence: FloatArray
    """Posterior probability of the cluster given the behaviour, in [0, 1]; 0 without events."""


@dataclass(frozen=True, eq=False)
class Clusters:
    """A fitted Gaussian mixture with diagonal covariances over standardised features, and the population's scale.

    Source: Fraley & Raftery, "Model-based clustering, discriminant analysis, and density estimation", 2002,
    doi:10.1198/016214502760047131
    """

    names: tuple[str, ...]
    """Name of each cluster, largest cluster first."""
    centre: FloatArray
    """Mean of each feature in the population, shape (f,)."""
    scale: FloatArray
    """Standard deviation of each feature in the population, shape (f,); 0 for a constant feature, which is ignored."""
    weights: FloatArray
    """Share of each cluster in the population, shape (k,)."""
    means: FloatArray
    """Mean of each feature in each cluster, shape (k, f), in standard deviations from the population's mean."""
    variances: FloatArray
    """Variance of each feature in each cluster, shape (k, f), in squared standard deviations."""

    @classmethod
    def fit(cls, features: FloatArray, components: tuple[int, ...] = COMPONENTS, seed: int = 0) -> "Clusters":
        """Learn the scale and the clusters.

        The number of clusters is the one with the smallest Bayesian information criterion.

        Parameters
        ----------
        features
            Shape (n, f), float64, as `behaviour` returns them: NaN is unknown. Rows with only NaN are left out. Of
            more than 20,000 rows a random sample is used.
        components
            Numbers of clusters to try. Numbers too large for the number of customers are left out.
        seed
            Seed of the sample and of the mixture.

        Raises
        ------
        ValueError
            If all rows have only NaN.
        """
        population = features[np.isfinite(features).any(axis=1)]
        if not len(population):
            raise ValueError("features: at least one customer must have events, got none")
        centre, scale = _scale(population)
        sample = _sample(_standardised(population, centre, scale), seed)
        mixture = _best_mixture(sample, components, seed)
        order = np.argsort(-mixture.weights_, kind="stable")
        means = mixture.means_[order]
        return cls(names_of(means), centre, scale, mixture.weights_[order], means, mixture.covariances_[order])

    def posteriors(self, features: FloatArray) -> FloatArray:
        """Return the probability of each cluster, shape (n, k), given features of shape (n, f).

        An unknown feature (NaN) counts as the population's mean.
        """
        z = _standardised(features, self.centre, self.scale)
        density = np.log(self.weights) - 0.5 * np.log(self.variances).sum(axis=1) + np.zeros((len(z), 1))
        for cluster, (mean, variance) in enumerate(zip(self.means, self.variances, strict=True)):
            density[:, cluster] -= 0.5 * ((z - mean) ** 2 / variance).sum(axis=1)
        chances = np.exp(density - density.max(axis=1, keepdims=True))
        return np.asarray(chances / chances.sum(axis=1, keepdims=True), dtype=np.float64)

    def memberships(self, features: FloatArray) -> ClusterMemberships:
        """Return the most probable cluster of each customer and its probability."""
        active = np.isfinite(features).any(axis=1)
        chances = self.posteriors(features)
        codes = np.where(active, chances.argmax(axis=1), -1)
        return ClusterMemberships(codes, np.where(active, chances.max(axis=1), 0.0))

    def criteria(self) -> dict[str, dict[str, Any]]:
        """Return for each cluster its share of the customers and its distinctive features, as JSON-able values."""
        return {
            name: {"share": float(weight), "deviations_from_mean": distinctive(mean)}
            for name, weight, mean in zip(self.names, self.weights, self.means, strict=True)
        }

    def state(self) -> State:
        """Return arrays and JSON-able metadata from which `load` restores the model."""
        arrays = {
            "centre": self.centre,
            "scale": self.scale,
            "weights": self.weights,
            "means": self.means,
            "variances": self.variances,
        }
        return arrays, {"format": FORMAT, "names": list(self.names), "features": list(FEATURES)}

    @classmethod
    def load(cls, state: State) -> "Clusters":
        """Return the model whose `state()` is given.

        Raises
        ------
        ValueError
            If the state has another format or other features.
        KeyError
            If an array is missing.
        """
        arrays, metadata = state
        require_format(metadata, FORMAT)
        if tuple(metadata["features"]) != FEATURES:
            raise ValueError(f"features: this version reads {FEATURES}, got {metadata['features']!r}")
        return cls(tuple(metadata["names"]), **arrays)


def _scale(population: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean and the standard deviation of the known values of each feature; both are 0 if none is known."""
    known = np.isfinite(population)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, population, 0.0).sum(axis=0) / count
    deviation = np.sqrt((np.where(known, population - centre, 0.0) ** 2).sum(axis=0) / count)
    return centre, np.where(deviation > 1e-9, deviation, 0.0)


def _standardised(features: FloatArray, centre: FloatArray, scale: FloatArray) -> FloatArray:
    varies = scale > 0
    z = np.where(np.isfinite(features) & varies, features - centre, 0.0) / np.where(varies, scale, 1.0)
    return np.asarray(np.clip(z, -MAX_Z, MAX_Z), dtype=np.float64)


def _sample(rows: FloatArray, seed: int) -> FloatArray:
    if len(rows) <= MAX_SAMPLE:
        return rows
    return rows[np.random.default_rng(seed).choice(len(rows), MAX_SAMPLE, replace=False)]


def _best_mixture(rows: FloatArray, components: tuple[int, ...], seed: int) -> "GaussianMixture":
    most = min(len(rows) // MIN_SIZE, len(np.unique(rows, axis=0)))
    counts = [count for count in components if count <= most] or [1]
    return min((_mixture(rows, count, seed) for count in counts), key=lambda mixture: float(mixture.bic(rows)))


def _mixture(rows: FloatArray, count: int, seed: int) -> "GaussianMixture":
    # Imported here, because only fitting needs it and it would double the start-up time of the serving agent.
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        count,
        covariance_type="diag",
        reg_covar=FLOOR,
        init_params="k-means++",
        max_iter=300,
        n_init=2,
        random_state=seed,
    )
    padded = rows if len(rows) > 1 else np.repeat(rows, 2, axis=0)
    # a mixture that has not fully converged after 300 iterations is good enough
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(padded)
