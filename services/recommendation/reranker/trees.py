"""The fitted trees of a reranker."""

import json

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray


class Trees:
    """Grown trees, ready to judge.

    Raises
    ------
    ValueError
        If `text` is not what `fit_trees` gave.
    """

    def __init__(self, text: str) -> None:
        import lightgbm

        try:
            parts = json.loads(text)
            self._boosters = [lightgbm.Booster(model_str=part["trees"]) for part in parts]
            self._scales = [float(part["scale"]) for part in parts]
        except (lightgbm.basic.LightGBMError, ValueError, KeyError, TypeError) as error:
            raise ValueError(f"trees: not readable: {error}") from error

    @property
    def features(self) -> list[str]:
        """Names of the features, in their order."""
        return list(self._boosters[0].feature_name())

    def values(self, features: FloatArray, threads: int = 1) -> NDArray[np.float64]:
        """Return a value for each candidate, shape (n_candidates,): larger is better, comparable within a question."""
        total = np.zeros(len(features))
        if len(features):
            for booster, scale in zip(self._boosters, self._scales, strict=True):
                total += np.asarray(booster.predict(features, raw_score=True, num_threads=threads)) / scale
        return total

    def gains(self) -> dict[str, float]:
        """Return how much each feature helped the order, as shares of 1, the largest first."""
        gains = self._boosters[0].feature_importance("gain")
        order = np.argsort(-gains)
        return {self.features[i]: float(gains[i] / max(gains.sum(), 1e-9)) for i in order.tolist()}
