"""The voice of the learned hybrid: it orders what the algorithms propose, and is fused with them.

What it gives to a product is credited to the algorithms that proposed the product, so contributions, reasons and the
weights that are learned from response know algorithms only.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Mask
from services.recommendation.algorithms.fusion import Fused
from services.recommendation.reranker.candidates import UNRANKED, Candidates
from services.recommendation.reranker.contexts import NOTHING, RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import LAST, Reranker
from services.recommendation.reranker.ranks import Ranker
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.serving.retrieval import ShopperViews, in_groups

NAME = "hybrid"
"""The voice's name in fusion and in fallbacks."""
FLATNESS = 11.0
"""An algorithm that proposed a product at rank r (from 0) is credited with 1 / (`FLATNESS` + r), as in fusion."""


@dataclass(frozen=True, eq=False)
class PageReranker:
    """The hybrid of a context and its weight beside the algorithms of the page."""

    hybrid: Reranker
    facts: ItemFeatures
    weight: float

    @classmethod
    def of(cls, learned: RerankerModels, context: RerankContext | None, weight: float) -> Self | None:
        """Return the voice of a context; None where nothing was learned for it, or it has no weight."""
        hybrid = learned.hybrids.get(context) if context else None
        return cls(hybrid, learned.facts[hybrid.target], weight) if hybrid and weight > 0 else None

    def asks(self, views: ShopperViews) -> list[str]:
        """Return the names of the scorers whose opinions it takes in, in the order of the hybrid's features."""
        return [in_groups(name, views) for name in self.hybrid.algorithms]

    def speak(self, scores: Mapping[str, FloatArray], views: ShopperViews, allowed: Mask) -> "RerankResult":
        """Order the candidates among the allowed products that the model knows; who is not in `scores` has no opinion.

        Parameters
        ----------
        scores : mapping of scorer to ndarray of shape (n_products,), float32
        allowed : ndarray of shape (n_products,), bool
        """
        n, names = len(self.facts.values), self.asks(views)
        nothing = np.zeros(n, np.float32)
        opinions = {
            opinion: (scores[name][:n] * allowed[:n] if name in scores else nothing)[None, :]
            for opinion, name in zip(self.hybrid.algorithms, names, strict=True)
        }
        candidates = Candidates.of(opinions, [NOTHING], self.hybrid.depth)
        values = self.hybrid.values(candidates, [views.known], self.facts)
        return RerankResult(candidates, values, tuple(name.removesuffix(LAST) for name in names))


@dataclass(frozen=True, eq=False)
class RerankResult:
    """What the hybrid said.

    Parameters
    ----------
    candidates : Candidates
        Of one shopper.
    values : ndarray of shape (n_candidates,), float32
        Larger is better.
    proposers : tuple of str
        The algorithm behind each opinion.
    """

    candidates: Candidates
    values: FloatArray
    proposers: tuple[str, ...]

    def scores(self, n: int) -> FloatArray:
        """Return scores of shape (n,) in the order of the values, above 0 for each candidate."""
        scores = np.zeros(n, np.float32)
        scores[self.candidates.products] = len(self.values) - Ranker(self.candidates.owners).ranks(self.values)
        return scores

    def credited(self, fused: Fused) -> Fused:
        """Return a fusion in which `NAME` took part with its part given to the proposers of each product."""
        if NAME not in fused.names:
            return fused
        given = fused.parts[fused.names.index(NAME)]
        inside = np.isin(self.candidates.products, fused.rows)
        columns = np.searchsorted(fused.rows, self.candidates.products[inside])
        names = tuple(sorted({*fused.names, *self.proposers} - {NAME}))
        parts = np.zeros((len(names), len(fused.rows)), np.float32)
        parts[_places(names, (name for name in fused.names if name != NAME))] = np.delete(
            fused.parts, fused.names.index(NAME), axis=0
        )
        for place, share in zip(_places(names, self.proposers), self._shares()[inside].T, strict=True):
            parts[place, columns] += share * given[columns]
        return replace(fused, names=names, parts=parts)

    def _shares(self) -> FloatArray:
        """Return each opinion's share in each candidate, shape (n_candidates, n_opinions); they add up to 1."""
        ranks = self.candidates.ranks
        credit = np.where(ranks < UNRANKED, 1.0 / (FLATNESS + ranks), 0.0)
        shares: FloatArray = (credit / credit.sum(axis=1, keepdims=True)).astype(np.float32)
        return shares


def _places(names: tuple[str, ...], wanted: Iterable[str]) -> list[int]:
    return [names.index(name) for name in wanted]
