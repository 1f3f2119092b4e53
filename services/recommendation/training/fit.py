"""Fits all algorithms on the same data."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from threadpoolctl import threadpool_limits

from services.recommendation.algorithms.base import Algorithm, Interactions
from services.recommendation.algorithms.registry import default_algorithms
from services.recommendation.models.model import Model
from services.recommendation.training.sample import MOST_INTERACTIONS, some_customers
from shared.memory import give_memory_back

Progress = Callable[[str, int, int], None]
"""Called with the stage, the stages done and the stages in all."""

DEFAULT_THREADS = 2


def train(
    data: Interactions,
    algorithms: Sequence[Algorithm] | None = None,
    progress: Progress | None = None,
    *,
    threads: int = DEFAULT_THREADS,
    most_interactions: int = MOST_INTERACTIONS,
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
    most_interactions : int
        Interactions that algorithms are fitted on whose training costs most (`Algorithm.sampled`), about; of more,
        those of customers drawn by chance.

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
        seconds = _fit_all(fitted, data, some_customers(data, most_interactions), say)
    say("done", len(todo), len(todo))
    return Model(fitted, data.n_products, data.now, _counts(data) | seconds)


def _fit_all(
    algorithms: Mapping[str, Algorithm], data: Interactions, sample: Interactions, progress: Progress
) -> dict[str, float]:
    seconds = {}
    for done, (name, algorithm) in enumerate(algorithms.items()):
        progress(name, done, len(algorithms))
        give_memory_back()
        start = time.perf_counter()
        algorithm.fit(sample if algorithm.sampled else data)
        seconds[f"seconds.{name}"] = time.perf_counter() - start
    return seconds


def _counts(data: Interactions) -> dict[str, float]:
    counts = {"events": len(data.customers), "customers": data.n_customers, "products": data.n_products}
    return {name: float(count) for name, count in counts.items()}


def _silent(stage: str, done: int, total: int) -> None:
    """Say nothing."""


def has_input(algorithm: Algorithm, data: Interactions) -> bool:
    """Return whether the data has what the algorithm learns from: embeddings, relations, arrival times."""
    needed: dict[str, bool] = {
        "content": data.embeddings.shape[1] > 0,
        "similar": data.similar.nnz > 0,
        "complementary": data.complementary.nnz > 0,
        "new_arrivals": len(np.unique(data.added)) > 1,
    }
    return needed.get(algorithm.name, True)
