"""The learned reranker on a page: it orders what its algorithms propose.

What it gives to a product is credited to the algorithms that proposed the product, so contributions, reasons and the
weights that are learned from response know algorithms only.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask
from services.recommendation.algorithms.fusion import Fused
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.ranks import UNRANKED
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.reranker.scorers import algorithm_of
from services.recommendation.serving.proposals import Proposals
from services.recommendation.serving.retrieval import ShopperViews, in_groups
from shared.algorithms import DEFAULT_WEIGHTS
from shared.compiled import compiled

Floats: TypeAlias = NDArray[np.float64]
NAME = "hybrid"
"""The reranker's name in fusion and in fallbacks."""
RANK_OFFSET = 11.0
"""An algorithm that proposed a product at rank r (from 0) is credited with 1 / (`RANK_OFFSET` + r), as in fusion."""
LEAST_WEIGHT = 0.02
"""Added to an algorithm's weight and its default before they are compared: some start at 0."""
MOST_TILT = 4.0
"""Most that weights in the database may raise or lower a product's score by."""


LEAST_RATE = 1e-6
"""Of the best product's rate: what is proposed stays above 0."""


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
    beside : frozenset of str
        Scorers that the page asks although the reranker takes no scores from them.
    cold_every : int
        Places of the list of which one is for a cold product; 0 gives these the place that they have in the fusion.
    places : int
        Places of the list.
    """

    reranker: Reranker
    item_features: ItemFeatures
    weight: float
    alone: bool = False
    beside: frozenset[str] = frozenset()
    cold_every: int = 0
    places: int = 0

    @classmethod
    def of(
        cls,
        models: RerankerModels,
        context: RerankContext,
        weight: float,
        alone: bool,
        beside: frozenset[str] = frozenset(),
        cold_every: int = 0,
        places: int = 0,
    ) -> Self | None:
        """Return the reranker of a context; None where none was trained, or it has no weight."""
        found = models.rerankers.get(context)
        if found is None or weight <= 0:
            return None
        return cls(found, models.item_features[found.target], weight, alone, beside, cold_every, places)

    @property
    def shows_cold(self) -> bool:
        """Whether a cold product can be among the places: the first has the place `cold_every`."""
        return not self.alone or self.cold_every <= self.places

    def scorer_names(self, views: ShopperViews) -> list[str]:
        """Return the names of the scorers that it takes scores from, in the order of its features."""
        return [in_groups(name, views) for name in self.reranker.algorithms]

    def rerank(self, proposals: Proposals, views: ShopperViews) -> "RerankResult":
        """Order the products that its algorithms propose and the model knows."""
        names = self.scorer_names(views)
        chosen = proposals.proposed_by(names) & (proposals.rows < len(self.item_features.values))
        scores = proposals.table(names)
        if not chosen.all():
            scores = np.ascontiguousarray(scores[:, chosen])
        candidates = Candidates.of_proposals(proposals.rows[chosen].astype(np.int64), scores)
        values = self.reranker.values(candidates, [views.known_punctual], self.item_features)
        slope = self.reranker.rate_slope
        return RerankResult(chosen, candidates, values, tuple(map(algorithm_of, names)), slope)


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
    rate_slope : float
        As `Reranker.rate_slope`.
    """

    chosen: Mask
    candidates: Candidates
    values: FloatArray
    proposers: tuple[str, ...]
    rate_slope: float = 0.0

    def scores(self) -> FloatArray:
        """Return scores of the proposals in the order of the values, shape (n_proposals,): above 0 for candidates."""
        scores = np.zeros(len(self.chosen), np.float32)
        scores[self.chosen] = len(self.values) - self._ranks()
        return scores

    def rates(self) -> Floats | None:
        """Return how often the candidates are bought, relative to the best, largest first; None where not known."""
        if self.rate_slope <= 0.0 or not len(self.values):
            return None
        values = np.sort(self.values.astype(np.float64))[::-1]
        rates: Floats = np.maximum(np.exp(self.rate_slope * (values - values[0])), LEAST_RATE)
        return rates

    def ordered(self, fused: Fused, weights: Mapping[str, float], cold: Mask, cold_every: int) -> Fused:
        """Return a fusion in which the candidates come first, in this order, and the other proposals follow.

        A candidate at rank r (from 0) scores (1 + 11 / (11 + r)) / 2 times the tilt of the weights: the product over
        its proposers of (weight / default weight) ^ share. Weights at their defaults change nothing. Trees know nothing
        of a product that nobody met (`cold`, shape (n_proposals,)): those that are no candidates get every
        `cold_every`-th place in the order of the fusion, or with 0 the place that they have in the fusion. The other
        proposals keep their order with half of their score at most.
        """
        scores = 0.5 * fused.scores
        scores[self.chosen] = self._placed(weights)
        best = np.argsort(-fused.scores, kind="stable")
        places = np.flatnonzero((cold & ~self.chosen & (fused.scores > 0))[best])
        if cold_every:  # the m-th (from 1) comes after m (cold_every - 1) candidates
            scores[best[places]] = _place((cold_every - 1) * np.arange(1, len(places) + 1) - 0.5)
        else:
            scores[best[places]] = _place(places.astype(np.float32))
        given = np.where(self.chosen, scores, np.float32(0.0))
        total = np.maximum(fused.parts.sum(axis=0), np.finfo(np.float32).tiny)
        others = fused.parts * ((scores - given) / total)
        return self._credited(Fused(fused.names, others, scores.astype(np.float32)), given)

    def ordered_alone(self, weights: Mapping[str, float]) -> Fused:
        """Return what `ordered` gives where all proposals are candidates: their fusion decides nothing then."""
        scores = self._placed(weights)
        return self._credited(Fused((), np.empty((0, len(scores)), np.float32), scores), scores)

    def attribute_credit(self, fused: Fused) -> Fused:
        """Return a fusion in which `NAME` took part with its part given to the proposers of each product."""
        if NAME not in fused.names:
            return fused
        own = fused.names.index(NAME)
        names = tuple(name for name in fused.names if name != NAME)
        return self._credited(replace(fused, names=names, parts=np.delete(fused.parts, own, axis=0)), fused.parts[own])

    def _credited(self, fused: Fused, given: FloatArray) -> Fused:
        """Return the fusion with what is `given` to each candidate added to the parts of its proposers."""
        names = tuple(sorted({*fused.names, *self.proposers}))
        place_of = {name: place for place, name in enumerate(names)}
        parts = np.zeros((len(names), len(fused.scores)), np.float32)
        parts[[place_of[name] for name in fused.names]] = fused.parts
        credited = np.array([place_of[name] for name in self.proposers], np.int64)
        add_shares(parts, credited, np.flatnonzero(self.chosen), self._shares, given)
        return replace(fused, names=names, parts=parts)

    def _placed(self, weights: Mapping[str, float]) -> FloatArray:
        """Return the score of each candidate by its place and the weights, shape (n_candidates,)."""
        placed: FloatArray = np.minimum(_place(self._ranks()) * self._tilt(weights), np.float32(1.0))
        return placed

    def _ranks(self) -> FloatArray:
        ranks: FloatArray = self.candidates.ranks_by(self.values).astype(np.float32)
        return ranks

    @cached_property
    def _shares(self) -> FloatArray:
        """Return each proposer's share in each candidate, shape (n_proposers, n_candidates); they add up to 1."""
        return credit_shares(self.candidates.score_columns)

    def _tilt(self, weights: Mapping[str, float]) -> FloatArray:
        """Return the factor of each candidate, shape (n_candidates,)."""
        changes = [
            np.log((weights.get(name, 0.0) + LEAST_WEIGHT) / (DEFAULT_WEIGHTS.get(name, 0.0) + LEAST_WEIGHT))
            for name in self.proposers
        ]
        if not any(changes):
            return np.ones(len(self.values), np.float32)
        tilt = np.exp(np.array(changes, np.float32) @ self._shares)
        tilt = np.clip(tilt, 1 / MOST_TILT, MOST_TILT)
        return np.asarray(tilt, np.float32)


def _place(ranks: FloatArray) -> FloatArray:
    """Return the score of a place in the list, 1 at the first and never below 1/2."""
    score: FloatArray = 0.5 + 0.5 * RANK_OFFSET / (RANK_OFFSET + ranks)
    return score


@compiled
def credit_shares(score_columns: FloatArray) -> FloatArray:
    """Return each algorithm's share in the proposal of each candidate, shape (n_algorithms, n_candidates).

    An algorithm that ranks a candidate at r (from 0) has a credit of 1 / (`RANK_OFFSET` + r); the shares are the
    credits over their sum. `score_columns` are those of `Candidates`.
    """
    n_algorithms, n = len(score_columns) // 2, score_columns.shape[1]
    shares = np.zeros((n_algorithms, n), np.float32)
    total = np.zeros(n, np.float32)
    for algorithm in range(n_algorithms):
        ranks = score_columns[2 * algorithm + 1]
        for i in range(n):
            if ranks[i] < UNRANKED:
                shares[algorithm, i] = 1.0 / (RANK_OFFSET + ranks[i])
                total[i] += shares[algorithm, i]
    for algorithm in range(n_algorithms):
        for i in range(n):
            if total[i] > 0.0:
                shares[algorithm, i] /= total[i]
    return shares


@compiled
def add_shares(parts: FloatArray, credited: Longs, columns: Longs, shares: FloatArray, given: FloatArray) -> None:
    """Add share · given to `parts` in place.

    Parameters
    ----------
    parts : ndarray of shape (n_names, n_proposals), float32
    credited : ndarray of shape (n_algorithms,), int64
        The row of `parts` that each algorithm's share goes to.
    columns : ndarray of shape (n_candidates,), int64
        The column of each candidate.
    shares : ndarray of shape (n_algorithms, n_candidates), float32
    given : ndarray of shape (n_proposals,), float32
    """
    for algorithm in range(len(credited)):
        for i in range(len(columns)):
            parts[credited[algorithm], columns[i]] += shares[algorithm, i] * given[columns[i]]
