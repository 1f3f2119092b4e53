"""The reranker: it orders the candidates of all algorithms by boosted trees, or by fixed weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Mask
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.algorithms.shopper_scores import ShopperScores
from services.recommendation.reranker import features
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.contexts import with_profile_clock
from services.recommendation.reranker.histories import ShopperHistories
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.scorers import algorithm_of, is_of_last, last_only
from services.recommendation.reranker.trees import Trees
from shared.algorithms import DEFAULT_WEIGHTS

PUNCTUAL = ("repurchase", "new_arrivals")
"""Algorithms that score for the moment of asking itself, however long the shopper was away."""
MOST_SHOPPERS = 256
MOST_CELLS = 2**22
"""Most shoppers of a batch, and most scores of one algorithm in it: they bound the memory (16 MB an algorithm)."""


class BatchScorer(Protocol):
    """Gives scores to shoppers: an algorithm, or a wrapper of one."""

    def score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        """Return scores of shape (n_shoppers, n_products), as `Algorithm.score_many` gives them."""
        ...

    def scores_of_many(self, shoppers: Sequence[Shopper]) -> list[ShopperScores]:
        """Return the same scores in sparse form, as `Algorithm.scores_of_many` gives them."""
        ...


class Combination(Protocol):
    """A way to order candidates."""

    algorithms: tuple[str, ...]
    depth: int

    def values(self, candidates: Candidates, shoppers: Sequence[Shopper], item_features: ItemFeatures) -> FloatArray:
        """Return the value of each candidate, shape (n_candidates,): comparable within one shopper."""
        ...


@dataclass(frozen=True, eq=False)
class Fusion:
    """Fixed weights, for too little training data: the value is Σ over algorithms of weight / (`flatness` + rank)."""

    algorithms: tuple[str, ...]
    depth: int
    flatness: float = 10.0
    least: float = 0.02
    """Least weight of an algorithm: some default weights are 0."""

    def values(self, candidates: Candidates, shoppers: Sequence[Shopper], item_features: ItemFeatures) -> FloatArray:
        return self.by_ranks(candidates.ranks)

    def by_ranks(self, ranks: FloatArray) -> FloatArray:
        """Return values from the ranks by each algorithm, shape (n_candidates, n_algorithms)."""
        weights = np.array([0.0 if is_of_last(name) else self._weight(name) for name in self.algorithms])
        values: FloatArray = (weights / (self.flatness + ranks)).sum(axis=1).astype(np.float32)
        return values

    def _weight(self, name: str) -> float:
        return max(DEFAULT_WEIGHTS.get(name, 0.0), self.least)


@dataclass(frozen=True, eq=False)
class Reranker:
    """Boosted trees over the features of candidates.

    Parameters
    ----------
    algorithms : tuple of str
        Names of the scorers (see `scorer_names`), in the order of the features.
    target : Kind
        The kind of event that it predicts.
    trees : Trees
        Over the features that `features.names(algorithms)` lists.
    depth : int
        Products that each algorithm may propose.
    rate_slope : float
        By how much the logarithm of the rate at which a candidate is bought grows with its value, as held-out questions
        say; 0 where it is not known.
    """

    algorithms: tuple[str, ...]
    target: Kind
    trees: Trees
    depth: int
    rate_slope: float = 0.0

    def require_loadable(self) -> None:
        """Raise ValueError if the trees were trained on other features than those of `features.names`."""
        if list(self.trees.feature_names) != features.names(self.algorithms):
            raise ValueError("reranker: the trees were trained on other features than this Quintet computes")

    def values(self, candidates: Candidates, shoppers: Sequence[Shopper], item_features: ItemFeatures) -> FloatArray:
        """Return the value of each candidate, shape (n_candidates,): comparable within one shopper."""
        table = features.table(candidates, ShopperHistories.of(shoppers), item_features, self.target)
        return self.trees.values(table).astype(np.float32)


def score_by_algorithm(
    algorithms: Mapping[str, BatchScorer], names: Sequence[str], shoppers: Sequence[Shopper], seen: Mask | None = None
) -> dict[str, FloatArray]:
    """Return the scores by each named scorer, each of shape (n_shoppers, n_products).

    Profiles are those of `profile_clock`, except for the algorithms in `PUNCTUAL`. With `seen`, shape (n_products,),
    products outside it score 0: they did not exist yet.
    """
    views = _views(names, shoppers)
    scores_by_name = {name: algorithms[algorithm_of(name)].score_many(views[name]) for name in names}
    if seen is not None:
        for scores in scores_by_name.values():
            scores[:, ~seen] = 0.0
    return scores_by_name


def sparse_scores_by_algorithm(
    algorithms: Mapping[str, BatchScorer], names: Sequence[str], shoppers: Sequence[Shopper]
) -> dict[str, list[ShopperScores]]:
    """Return what `score_by_algorithm` gives, but for rounding, in sparse form: by name for each shopper."""
    # Copies: a shopper remembers the scores, and those of thousands would fill the memory.
    views = _views(names, [replace(shopper) for shopper in shoppers])
    return {name: algorithms[algorithm_of(name)].scores_of_many(views[name]) for name in names}


def _views(names: Sequence[str], shoppers: Sequence[Shopper]) -> dict[str, Sequence[Shopper]]:
    """Return the shoppers in the form that each named scorer takes."""
    profiles = [with_profile_clock(shopper) for shopper in shoppers]
    latest = [last_only(shopper) for shopper in profiles] if any(map(is_of_last, names)) else []
    return {name: latest if is_of_last(name) else shoppers if name in PUNCTUAL else profiles for name in names}


def batch_size(n_products: int) -> int:
    """Return how many shoppers are scored in one batch."""
    return max(1, min(MOST_SHOPPERS, MOST_CELLS // max(n_products, 1)))
