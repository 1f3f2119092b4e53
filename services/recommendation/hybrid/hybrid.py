"""The hybrid: candidates of all algorithms in the order that was learned."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask, Rows
from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.evaluation.question import Question
from services.recommendation.hybrid import features
from services.recommendation.hybrid.candidates import Candidates
from services.recommendation.hybrid.facts import ProductFacts
from services.recommendation.hybrid.histories import Histories
from services.recommendation.hybrid.learner import Boosting, Lessons, Trees, boost
from shared.algorithms import DEFAULT_WEIGHTS

LAST = "@last"
"""Marks what an algorithm says of the shopper's last product alone."""
OF_LAST = ("transitions", "graph_filter", "item_knn")
"""Algorithms that are also asked about the last product alone."""
MOST_TOGETHER = 256
MOST_CELLS = 2**22
"""Shoppers scored together, and scores of one algorithm: they bound the memory (16 MB an algorithm)."""


@dataclass(frozen=True)
class Recipe:
    """How a hybrid is learned."""

    depth: int = 100
    """Products that each algorithm may propose."""
    negatives: int = 80
    """Candidates that nobody chose, for each question that is learned from."""
    k: int = 20
    """Places of the list that it should be best at."""
    boosting: Boosting = field(default_factory=Boosting)
    seed: int = 0


class Scoring(Protocol):
    """What has opinions: an algorithm, or one seen through something else."""

    def score_many(self, shoppers: Sequence[Shopper]) -> FloatArray:
        """Return scores of shape (n_shoppers, n_products), as `Algorithm.score_many` gives them."""
        ...


class Combination(Protocol):
    """A way to order candidates."""

    algorithms: tuple[str, ...]
    depth: int

    def values(self, candidates: Candidates, shoppers: Sequence[Shopper], known: ProductFacts) -> FloatArray:
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

    def values(self, candidates: Candidates, shoppers: Sequence[Shopper], known: ProductFacts) -> FloatArray:
        return self.by_ranks(candidates.ranks)

    def by_ranks(self, ranks: FloatArray) -> FloatArray:
        """Return values by the ranks with each algorithm, shape (n_candidates, n_algorithms)."""
        weights = np.array([max(DEFAULT_WEIGHTS.get(name, 0.0), self.least) for name in self.algorithms])
        values: FloatArray = (weights / (self.flatness + ranks)).sum(axis=1).astype(np.float32)
        return values


@dataclass(frozen=True, eq=False)
class Hybrid:
    """What was learned: trees over the features of candidates.

    Parameters
    ----------
    algorithms : tuple of str
        Names of the algorithms asked, in the order of the features.
    target : Kind
        The kind of event that it leads to.
    trees : str
        As `Trees` takes them.
    depth : int
        Products that each algorithm may propose.
    """

    algorithms: tuple[str, ...]
    target: Kind
    trees: str
    depth: int

    @cached_property
    def ordering(self) -> Trees:
        """The trees, ready to judge."""
        return Trees(self.trees)

    def require_loadable(self) -> None:
        """Raise ValueError if the trees are none or judge other features than those of today."""
        if self.ordering.features != features.names(self.algorithms):
            raise ValueError("hybrid: the trees judge other features than this Quintet knows")

    def values(self, candidates: Candidates, shoppers: Sequence[Shopper], known: ProductFacts) -> FloatArray:
        """Return the value of each candidate, shape (n_candidates,): comparable within one shopper."""
        table = features.table(candidates, Histories.of(shoppers), known, self.target)
        return self.ordering.values(table).astype(np.float32)


def opinions(
    algorithms: Mapping[str, Scoring], names: Sequence[str], shoppers: Sequence[Shopper], seen: Mask | None = None
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


def opinion_names(algorithms: Mapping[str, Scoring]) -> tuple[str, ...]:
    """Return the opinions that a hybrid of these algorithms takes into account."""
    return (*algorithms, *(name + LAST for name in OF_LAST if name in algorithms))


def teach(
    algorithms: Mapping[str, Algorithm],
    known: ProductFacts,
    seen: Mask,
    asked: Sequence[Question],
    target: Kind,
    recipe: Recipe,
) -> list[Lessons]:
    """Return what can be learned from questions with known answers, as `grow` takes it.

    Parameters
    ----------
    algorithms : mapping of str to Algorithm
        Fitted on data without the answers.
    known : ProductFacts
        Of the same data.
    seen : ndarray of shape (n_products,), bool
        Products of the same data; the others cannot be candidates.
    asked : sequence of Question
    target : Kind
        The kind of event that counts as an answer.
    """
    names = opinion_names(algorithms)
    size = together(len(known.values))

    def of(start: int) -> Lessons:
        batch = asked[start : start + size]
        scores = opinions(algorithms, names, [question.shopper for question in batch], seen)
        candidates = Candidates.of(scores, [question.excluded for question in batch], recipe.depth)
        return lessons(candidates, batch, known, target, recipe, np.random.default_rng([recipe.seed, start]))

    return parallel.each(of, range(0, len(asked), size))


def together(n_products: int) -> int:
    """Return how many shoppers are scored together."""
    return max(1, min(MOST_TOGETHER, MOST_CELLS // max(n_products, 1)))


def lessons(
    candidates: Candidates,
    asked: Sequence[Question],
    known: ProductFacts,
    target: Kind,
    recipe: Recipe,
    rng: np.random.Generator,
) -> Lessons:
    """Return what can be learned from questions of which one candidate was right: those that were, some that were not.

    Parameters
    ----------
    candidates : Candidates
        Of the shoppers of `asked`, in their order. A question may be without targets: nothing is learned from it.
    rng : Generator
        Draws `recipe.negatives` of the candidates that were not right.
    """
    n_products = len(known.values)
    relevant = np.isin(candidates.owners * n_products + candidates.products, _answers(asked, n_products))
    counts = np.bincount(candidates.owners, minlength=len(asked))
    found = np.bincount(candidates.owners, relevant, len(asked)) > 0
    drawn = rng.random(len(relevant)) * counts[candidates.owners] < recipe.negatives
    kept = (relevant | drawn) & found[candidates.owners]
    chosen = candidates.where(kept)
    histories = Histories.of([question.shopper for question in asked])
    return Lessons(
        features.table(chosen, histories, known, target),
        relevant[kept],
        np.bincount(chosen.owners, minlength=len(asked)),
    )


def grow(parts: Sequence[Lessons], names: tuple[str, ...], target: Kind, recipe: Recipe) -> Hybrid | Fusion:
    """Return what is learned from the parts together; `Fusion` where they are too few."""
    if not parts:
        return Fusion(names, recipe.depth)
    joined = Lessons(
        np.concatenate([part.features for part in parts]),
        np.concatenate([part.relevant for part in parts]),
        np.concatenate([part.sizes for part in parts]),
    )
    trees = boost(joined, features.names(names), recipe.k, recipe.boosting)
    return Hybrid(names, target, trees, recipe.depth) if trees else Fusion(names, recipe.depth)


def _answers(asked: Sequence[Question], n_products: int) -> Longs:
    return np.concatenate(
        [index * n_products + question.targets.astype(np.int64) for index, question in enumerate(asked)]
    )


def last_only(shopper: Shopper) -> Shopper:
    """Return a shopper who has only just met the last product of this one."""
    trail: Rows = shopper.trail[-1:]
    return Shopper(shopper.now, session=trail, groups=shopper.groups)
