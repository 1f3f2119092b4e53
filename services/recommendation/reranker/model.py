"""The hybrid: candidates of all algorithms in the order that was learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.recommendation.algorithms.arrays import FloatArray, Mask, Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.reranker import features
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.histories import ShopperHistories
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.trees import Trees
from shared.algorithms import DEFAULT_WEIGHTS

LAST = "@last"
"""Marks what an algorithm says of the shopper's last product alone."""
OF_LAST = ("transitions", "graph_filter", "item_knn")
"""Algorithms that are also asked about the last product alone."""
MOST_TOGETHER = 256
MOST_CELLS = 2**22
"""Shoppers scored batch_size, and scores of one algorithm: they bound the memory (16 MB an algorithm)."""


class BatchScorer(Protocol):
    """What has score_by_algorithm: an algorithm, or one seen through something else."""

    def score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        """Return scores of shape (n_shoppers, n_products), as `Algorithm.score_many` gives them."""
        ...


class Combination(Protocol):
    """A way to order candidates."""

    algorithms: tuple[str, ...]
    depth: int

    def values(self, candidates: Candidates, shoppers: Sequence[Shopper], known: ItemFeatures) -> FloatArray:
        """Return the value of each candidate, shape (n_candidates,): comparable within one shopper."""
        ...


@dataclass(frozen=True, eq=False)
class Fusion:
    """Where there was too little to learn from: Σ over algorithms of weight / (`flatness` + rank)."""

    algorithms: tuple[str, ...]
    depth: int
    flatness: float = 10.0
    least: float = 0.02
    """Weight of an algorithm that has none at the start."""

    def values(self, candidates: Candidates, shoppers: Sequence[Shopper], known: ItemFeatures) -> FloatArray:
        return self.by_ranks(candidates.ranks)

    def by_ranks(self, ranks: FloatArray) -> FloatArray:
        """Return values by the ranks with each algorithm, shape (n_candidates, n_algorithms)."""
        weights = np.array([max(DEFAULT_WEIGHTS.get(name, 0.0), self.least) for name in self.algorithms])
        values: FloatArray = (weights / (self.flatness + ranks)).sum(axis=1).astype(np.float32)
        return values


@dataclass(frozen=True, eq=False)
class Reranker:
    """Boosted trees over the features of candidates.

    Parameters
    ----------
    algorithms : tuple of str
        Names of the algorithms asked, in the order of the features.
    target : Kind
        The kind of event that it leads to.
    trees : Trees
        Over the features that `features.names(algorithms)` lists.
    depth : int
        Products that each algorithm may propose.
    """

    algorithms: tuple[str, ...]
    target: Kind
    trees: Trees
    depth: int

    def require_loadable(self) -> None:
        """Raise ValueError if the trees were trained on other features than those of `features.names`."""
        if list(self.trees.feature_names) != features.names(self.algorithms):
            raise ValueError("hybrid: the trees were trained on other features than this Quintet computes")

    def values(self, candidates: Candidates, shoppers: Sequence[Shopper], known: ItemFeatures) -> FloatArray:
        """Return the value of each candidate, shape (n_candidates,): comparable within one shopper."""
        table = features.table(candidates, ShopperHistories.of(shoppers), known, self.target)
        return self.trees.values(table).astype(np.float32)


def score_by_algorithm(
    algorithms: Mapping[str, BatchScorer], names: Sequence[str], shoppers: Sequence[Shopper], seen: Mask | None = None
) -> dict[str, FloatArray]:
    """Return what the named algorithms say, each of shape (n_shoppers, n_products).

    A name with `@last` asks about the shopper's last product alone. With `seen`, shape (n_products,), the other
    products get no score: those that nobody could know yet.
    """
    last = [last_only(shopper) for shopper in shoppers] if any(name.endswith(LAST) for name in names) else []
    said = {
        name: algorithms[name.removesuffix(LAST)].score_many(last if name.endswith(LAST) else shoppers)
        for name in names
    }
    if seen is not None:
        for scores in said.values():
            scores[:, ~seen] = 0.0
    return said


def scorer_names(algorithms: Mapping[str, BatchScorer]) -> tuple[str, ...]:
    """Return the score_by_algorithm that a hybrid of these algorithms takes into account."""
    return (*algorithms, *(name + LAST for name in OF_LAST if name in algorithms))


def batch_size(n_products: int) -> int:
    """Return how many shoppers are scored batch_size."""
    return max(1, min(MOST_TOGETHER, MOST_CELLS // max(n_products, 1)))


def last_only(shopper: Shopper) -> Shopper:
    """Return a shopper who has only just met the last product of this one."""
    trail: Rows = shopper.trail[-1:]
    return Shopper(shopper.now, session=trail, groups=shopper.groups)
