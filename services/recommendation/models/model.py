"""The model: all fitted algorithms, what was learned over them, and the facts of their training."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.base import Algorithm, Shopper
from services.recommendation.reranker.reranker_models import RerankerModels


@dataclass(frozen=True, eq=False)
class Model:
    """Fitted algorithms by name.

    Parameters
    ----------
    algorithms : dict of str to Algorithm
        Fitted on the same data.
    n_products : int
        Product rows known at training.
    trained_at : int
        Moment of the training data in Unix seconds.
    metrics : dict of str to float
        Facts of the training: counts, and seconds by algorithm as `seconds.<name>`.
    learned : RerankerModels
        The hybrids over the algorithms.
    """

    algorithms: dict[str, Algorithm]
    n_products: int
    trained_at: int
    metrics: dict[str, float] = field(default_factory=dict)
    learned: RerankerModels = field(default_factory=RerankerModels)

    @property
    def params(self) -> dict[str, dict[str, Any]]:
        """Configuration of each algorithm by its name, JSON-able."""
        return {name: algorithm.params for name, algorithm in self.algorithms.items()}

    @property
    def metadata(self) -> dict[str, Any]:
        """Facts of the training with plain JSON values: counts, seconds and parameters."""
        facts = {"n_products": self.n_products, "trained_at": self.trained_at}
        plain: dict[str, Any] = json.loads(json.dumps(facts | {"params": self.params, "metrics": self.metrics}))
        return plain

    def scores(self, shopper: Shopper, names: Iterable[str] | None = None) -> dict[str, FloatArray]:
        """Return the scores of the named algorithms (default all), each of shape (n_products,).

        Raises
        ------
        KeyError
            If an algorithm is not in the model.
        ValueError
            If a row of the shopper is not below `n_products`.
        """
        chosen: Iterable[str] = self.algorithms if names is None else names
        return {name: self.algorithms[name].score(shopper) for name in chosen}
