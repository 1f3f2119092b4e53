"""Evaluation of orders of candidates: a reranker, fixed weights and every algorithm alone, on the same questions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeAlias

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Longs, Rows
from services.recommendation.algorithms.base import Kind
from services.recommendation.algorithms.fusion import FLATNESS
from services.recommendation.holdout.intervals import clusters_of
from services.recommendation.holdout.metrics import Values, measure
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.reranker import features
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.histories import ShopperHistories
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import Fusion, Reranker
from services.recommendation.reranker.ranks import UNRANKED
from services.recommendation.reranker.scorers import is_of_last

PLACES = 20
"""Places of the lists that are evaluated."""
METRICS = ("recall", "ndcg")
POPULAR = "popular"

Found: TypeAlias = dict[str, Values]
"""Metrics of every question."""


@dataclass(frozen=True, eq=False)
class EvalBatch:
    """Questions that can be answered under any order: candidates, their features, and what was right.

    Parameters
    ----------
    candidates : Candidates
        One shopper for each question.
    features : ndarray of shape (n_candidates, n_features), float32
        As `features.table` gives them.
    targets : list of ndarray
        Products that were right, for each question.
    clusters : ndarray of shape (n_questions,), int64
        Customers of the questions.
    """

    candidates: Candidates
    features: FloatArray
    targets: list[Rows]
    clusters: Longs

    @classmethod
    def of(
        cls, candidates: Candidates, batch: Sequence[EvalCase], places: Longs, item_features: ItemFeatures, target: Kind
    ) -> Self:
        """Return the questions at some places (ascending) of a batch, whose candidates `candidates` are."""
        chosen = candidates.where(np.isin(candidates.owners, places))
        drawn = features.table(
            chosen, ShopperHistories.of([question.shopper for question in batch]), item_features, target
        )
        own = replace(chosen, n_shoppers=len(places), owners=np.searchsorted(places, chosen.owners))
        asked = [batch[place] for place in places.tolist()]
        return cls(own, drawn, [question.targets for question in asked], clusters_of(asked))


Order: TypeAlias = Callable[[EvalBatch], tuple[Candidates, FloatArray]]
"""Gives candidates and their values."""


@dataclass(eq=False)
class HoldoutEval:
    """All that is asked of a context.

    Parameters
    ----------
    names : tuple of str
        The scorers, in the order of the features.
    """

    names: tuple[str, ...]
    batches: list[EvalBatch] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(batch.targets) for batch in self.batches)

    @property
    def clusters(self) -> Longs:
        """The customer of each question, shape (n_questions,)."""
        return np.concatenate([batch.clusters for batch in self.batches])

    def add(self, batch: EvalBatch) -> None:
        """Ask more."""
        if batch.targets:
            self.batches.append(batch)

    def of_reranker(self, reranker: Reranker) -> Found:
        """Return how well the reranker does."""
        return self._found(lambda batch: (batch.candidates, reranker.trees.values(batch.features).astype(np.float32)))

    def of_fixed_weights(self, depth: int) -> Found:
        """Return how well the fixed weights do."""
        fusion = Fusion(self.names, depth)
        return self._found(lambda batch: (batch.candidates, fusion.by_ranks(batch.candidates.ranks)))

    def of_algorithms(self) -> dict[str, Found]:
        """Return how well each algorithm does alone."""
        return {
            name: self._found(_by_one_algorithm(place)) for place, name in enumerate(self.names) if not is_of_last(name)
        }

    def of_newcomers(self, reranker: Reranker, weight: float) -> Found:
        """Return how well the reranker does when it is fused with best-sellers, as the pages of newcomers do it.

        `weight` is that of the reranker; best-sellers weigh 1. Raises ValueError when they are not among the scorers.
        """
        popular = self.names.index(POPULAR)

        def order(batch: EvalBatch) -> tuple[Candidates, FloatArray]:
            candidates = batch.candidates
            own = candidates.ranks_by(reranker.trees.values(batch.features).astype(np.float32))
            others = candidates.ranks[:, popular]
            values = weight / (FLATNESS + 1 + own) + np.where(others < UNRANKED, 1 / (FLATNESS + 1 + others), 0.0)
            return candidates, values.astype(np.float32)

        return self._found(order)

    def _found(self, order: Order) -> Found:
        parts = [
            measure(candidates.lists(values, PLACES), batch.targets, PLACES)
            for batch in self.batches
            for candidates, values in [order(batch)]
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in METRICS}


def report(found: dict[str, Found]) -> dict[str, Any]:
    """Return the means, as `<metric>_at_20.<name>`."""
    return {
        f"{metric}_at_{PLACES}.{name}": round(float(values[metric].mean()), 4)
        for metric in METRICS
        for name, values in found.items()
    }


def _by_one_algorithm(place: int) -> Order:
    def order(batch: EvalBatch) -> tuple[Candidates, FloatArray]:
        own = batch.candidates.where(batch.candidates.ranks[:, place] < UNRANKED)
        return own, -own.ranks[:, place]

    return order
