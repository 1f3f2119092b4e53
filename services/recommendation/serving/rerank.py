"""The learned reranker on a page: it orders what its algorithms propose.

What it gives to a product is credited to the algorithms that proposed the product, so contributions, reasons and the
weights that are learned from response know algorithms only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Mask
from services.recommendation.algorithms.fusion import Fused
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import LAST, Reranker
from services.recommendation.reranker.ranks import UNRANKED
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.serving.proposals import Proposals
from services.recommendation.serving.retrieval import ShopperViews, in_groups
from shared.algorithms import DEFAULT_WEIGHTS

NAME = "hybrid"
"""The reranker's name in fusion and in fallbacks."""
RANK_OFFSET = 11.0
"""An algorithm that proposed a product at rank r (from 0) is credited with 1 / (`RANK_OFFSET` + r), as in fusion."""
LEAST_WEIGHT = 0.02
"""Added to an algorithm's weight and its default before they are compared: some start at 0."""
MOST_TILT = 4.0
"""Most that weights in the database may raise or lower a product's score by."""


@dataclass(frozen=True, eq=False)
class PageReranker:
    """The reranker of a context as one page uses it.

    Parameters
    ----------
    reranker : Reranker
    item_features : ItemFeatures
        Of all products of the model.
    weight : float
        Its weight in fusion beside the algorithms of the page.
    alone : bool
        Whether it orders the page alone: the algorithms' weights then only tilt its order.
    """

    reranker: Reranker
    item_features: ItemFeatures
    weight: float
    alone: bool = False

    @classmethod
    def of(cls, models: RerankerModels, context: RerankContext, weight: float, alone: bool) -> Self | None:
        """Return the reranker of a context; None where none was trained, or it has no weight."""
        found = models.rerankers.get(context)
        return cls(found, models.item_features[found.target], weight, alone) if found and weight > 0 else None

    def scorer_names(self, views: ShopperViews) -> list[str]:
        """Return the names of the scorers that it takes scores from, in the order of its features."""
        return [in_groups(name, views) for name in self.reranker.algorithms]

    def rerank(self, proposals: Proposals, views: ShopperViews) -> "RerankResult":
        """Order the products that its algorithms propose and the model knows."""
        names = self.scorer_names(views)
        chosen = proposals.proposed_by(names) & (proposals.rows < len(self.item_features.values))
        scores = np.stack([proposals.scores_by(name)[chosen] for name in names])
        candidates = Candidates.of_proposals(proposals.rows[chosen].astype(np.int64), scores)
        values = self.reranker.values(candidates, [views.known_punctual], self.item_features)
        return RerankResult(chosen, candidates, values, tuple(name.removesuffix(LAST) for name in names))


@dataclass(frozen=True, eq=False)
class RerankResult:
    """The order that a reranker gives to candidates.

    Parameters
    ----------
    chosen : ndarray of shape (n_proposals,), bool
        Which of the page's proposals are candidates.
    candidates : Candidates
        Of one shopper.
    values : ndarray of shape (n_candidates,), float32
        Larger is better.
    proposers : tuple of str
        The algorithm behind each score of the candidates.
    """

    chosen: Mask
    candidates: Candidates
    values: FloatArray
    proposers: tuple[str, ...]

    def scores(self) -> FloatArray:
        """Return scores of the proposals in the order of the values, shape (n_proposals,): above 0 for candidates."""
        scores = np.zeros(len(self.chosen), np.float32)
        scores[self.chosen] = len(self.values) - self._ranks()
        return scores

    def ordered(self, fused: Fused, weights: Mapping[str, float], unknown: Mask) -> Fused:
        """Return a fusion in which the candidates come first, in this order, and the other proposals follow.

        A candidate at rank r (from 0) scores (1 + 11 / (11 + r)) / 2 times the tilt of the weights: the product over
        its proposers of (weight / default weight) ^ share. Weights at their defaults change nothing. A product that
        the model does not know yet (`unknown`, shape (n_proposals,)) gets the place that it has in the fusion. The
        other proposals keep their order with half of their score at most.
        """
        scores = 0.5 * fused.scores
        scores[self.chosen] = np.minimum(_place(self._ranks()) * self._tilt(weights), 1.0)
        fused_ranks = np.empty(len(scores), np.float32)
        fused_ranks[np.argsort(-fused.scores, kind="stable")] = np.arange(len(scores))
        new = unknown & (fused.scores > 0)
        scores[new] = _place(fused_ranks[new])
        shares = np.zeros((len(fused.names) + 1, len(scores)), np.float32)
        shares[:-1] = fused.parts
        shares[:, self.chosen] = 0.0
        shares[-1, self.chosen] = 1.0
        total = np.maximum(shares.sum(axis=0), np.finfo(np.float32).tiny)
        parts = shares / total * scores
        return self.attribute_credit(Fused((*fused.names, NAME), fused.rows, parts, scores.astype(np.float32)))

    def attribute_credit(self, fused: Fused) -> Fused:
        """Return a fusion in which `NAME` took part with its part given to the proposers of each product."""
        if NAME not in fused.names:
            return fused
        own = fused.names.index(NAME)
        given = fused.parts[own]
        position = np.searchsorted(fused.rows, np.flatnonzero(self.chosen))
        inside = (position < len(fused.rows)) & (
            fused.rows[np.minimum(position, len(fused.rows) - 1)] == np.flatnonzero(self.chosen)
        )
        columns = position[inside]
        names = tuple(sorted({*fused.names, *self.proposers} - {NAME}))
        parts = np.zeros((len(names), len(fused.rows)), np.float32)
        parts[_places(names, (name for name in fused.names if name != NAME))] = np.delete(fused.parts, own, axis=0)
        for place, share in zip(_places(names, self.proposers), self._shares[inside].T, strict=True):
            parts[place, columns] += share * given[columns]
        return replace(fused, names=names, parts=parts)

    def _ranks(self) -> FloatArray:
        ranks: FloatArray = self.candidates.ranks_by(self.values).astype(np.float32)
        return ranks

    @cached_property
    def _shares(self) -> FloatArray:
        """Return each proposer's share in each candidate, shape (n_candidates, n_proposers); they add up to 1."""
        ranks = self.candidates.ranks
        credit = np.where(ranks < UNRANKED, 1.0 / (RANK_OFFSET + ranks), 0.0)
        shares: FloatArray = (credit / credit.sum(axis=1, keepdims=True)).astype(np.float32)
        return shares

    def _tilt(self, weights: Mapping[str, float]) -> FloatArray:
        """Return the factor of each candidate, shape (n_candidates,)."""
        changes = [
            np.log((weights.get(name, 0.0) + LEAST_WEIGHT) / (DEFAULT_WEIGHTS.get(name, 0.0) + LEAST_WEIGHT))
            for name in self.proposers
        ]
        if not np.any(changes):
            return np.ones(len(self.values), np.float32)
        tilt = np.exp(self._shares @ np.array(changes))
        tilt = np.clip(tilt, 1 / MOST_TILT, MOST_TILT)
        return np.asarray(tilt, np.float32)


def _place(ranks: FloatArray) -> FloatArray:
    """Return the score of a place in the list, 1 at the first and never below 1/2."""
    score: FloatArray = 0.5 + 0.5 * RANK_OFFSET / (RANK_OFFSET + ranks)
    return score


def _places(names: tuple[str, ...], wanted: Iterable[str]) -> list[int]:
    return [names.index(name) for name in wanted]
