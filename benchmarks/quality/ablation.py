"""The product without one of its parts after the other, all learned from the same fitted algorithms."""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.quality.order import WITHOUT
from services.recommendation.algorithms.base import Algorithm, Interactions
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.models.model import Model
from services.recommendation.training.fit import Progress, train
from services.recommendation.training.reranker_params import RerankerParams

MOST_QUESTIONS = 5000
"""Questions that hybrids are learned from, and that are asked: what is left out shows with these as well."""
FEWER = RerankerParams(most_questions=MOST_QUESTIONS)


class Remembering:
    """Fits each algorithm once for the same data: nothing of it depends on which others there are."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int], Model] = {}

    def __call__(
        self, data: Interactions, algorithms: Sequence[Algorithm], progress: Progress | None, *, threads: int
    ) -> Model:
        key = (len(data.customers), data.now)
        if key not in self._known:
            self._known[key] = train(data, algorithms, progress, threads=threads)
        model = self._known[key]
        return replace(model, algorithms={each.name: model.algorithms[each.name] for each in algorithms})


def rankers(names: Sequence[str], threads: int) -> list[OfflineRanker]:
    """Return the whole product, then what it is without each of the named algorithms; all share what they fit."""
    trainer = Remembering()
    found = []
    for left_out in [(), *((name,) for name in names)]:
        ranker = OfflineRanker(without=left_out, params=FEWER, threads=threads, trainer=trainer)
        ranker.name = WITHOUT + left_out[0] if left_out else OfflineRanker.name
        found.append(ranker)
    return found
