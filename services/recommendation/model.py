"""The model: all fitted algorithms, what was learned over them, and the facts of their training."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from threadpoolctl import threadpool_limits

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.algorithms.base import Algorithm, Interactions, Shopper
from services.recommendation.algorithms.registry import default_algorithms
from services.recommendation.hybrid.learned import Learned

Progress = Callable[[str, int, int], None]
"""Called with the stage, the stages done and the stages in all."""

DEFAULT_THREADS = 2


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
    learned : Learned
        The hybrids over the algorithms.
    """

    algorithms: dict[str, Algorithm]
    n_products: int
    trained_at: int
    metrics: dict[str, float] = field(default_factory=dict)
    learned: Learned = field(default_factory=Learned)

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


def train(
    data: Interactions,
    algorithms: Sequence[Algorithm] | None = None,
    progress: Progress | None = None,
    *,
    threads: int = DEFAULT_THREADS,
) -> Model:
    """Fit the algorithms one after the other, on at most `threads` threads of the linear algebra libraries.

    Parameters
    ----------
    data : Interactions
        Everything to learn from.
    algorithms : sequence of Algorithm, optional
        Default all, with their default configurations.
    progress : callable, optional
        Called before each algorithm with its name and at the end with `done`.
    threads : int
        At least 1.

    Raises
    ------
    ValueError
        If two algorithms have the same name or `threads` is below 1.
    """
    todo = default_algorithms() if algorithms is None else list(algorithms)
    fitted = {algorithm.name: algorithm for algorithm in todo}
    if len(fitted) != len(todo) or threads < 1:
        names = [algorithm.name for algorithm in todo]
        raise ValueError(f"algorithms, threads: names must differ and threads be at least 1, got {names}, {threads}")
    say = progress or _silent
    with threadpool_limits(limits=threads):
        seconds = _fit_all(fitted, data, say)
    say("done", len(todo), len(todo))
    return Model(fitted, data.n_products, data.now, _counts(data) | seconds)


def _fit_all(algorithms: Mapping[str, Algorithm], data: Interactions, progress: Progress) -> dict[str, float]:
    seconds = {}
    for done, (name, algorithm) in enumerate(algorithms.items()):
        progress(name, done, len(algorithms))
        start = time.perf_counter()
        algorithm.fit(data)
        seconds[f"seconds.{name}"] = time.perf_counter() - start
    return seconds


def _counts(data: Interactions) -> dict[str, float]:
    counts = {"events": len(data.customers), "customers": data.n_customers, "products": data.n_products}
    return {name: float(count) for name, count in counts.items()}


def _silent(stage: str, done: int, total: int) -> None:
    """Say nothing."""
