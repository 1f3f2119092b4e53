"""The scorers of a reranker: the algorithms whose scores are its features, and which of them propose candidates."""

from collections.abc import Collection, Iterable

from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.reranker.contexts import RerankContext

LEFT_OUT = frozenset({"category_affinity", "content", "new_arrivals", "similar"})
"""Algorithms whose scores add nothing to those of the others (docs/decisions/0015), or were not asked (0075)."""
SCORED_ONLY = frozenset({"matrix_factorization"})
"""Algorithms that score what others propose: their own proposals cost most and add nothing (docs/decisions/0015)."""
LAST = "@last"
"""Ends the name of a scorer that scores for the shopper's last product alone; it proposes nothing."""
OF_LAST = ("transitions", "graph_filter", "item_knn")
"""Algorithms that score for the last product alone as well, in the contexts of `NEXT` (docs/decisions/0024)."""
NEXT = frozenset({RerankContext.DISCOVERY, RerankContext.SESSION})
"""Contexts in which the next product often goes with the last one."""


def scorer_names(algorithms: Collection[str], context: RerankContext) -> tuple[str, ...]:
    """Return the names of the scorers that the reranker of a context uses, of those that these algorithms give."""
    of_last = scorers_of_last(algorithms) if context in NEXT else []
    return (*(name for name in algorithms if name not in LEFT_OUT), *of_last)


def scorers_of_last(algorithms: Collection[str]) -> list[str]:
    """Return the names of the scorers for the last product alone, of those that these algorithms give."""
    return [name + LAST for name in OF_LAST if name in algorithms]


def proposers(names: Iterable[str]) -> list[str]:
    """Return the names of the scorers that propose: all but the scored-only ones, unless there are no others."""
    every = list(names)
    return [name for name in every if name not in SCORED_ONLY and not is_of_last(name)] or every


def algorithm_of(scorer: str) -> str:
    """Return the name of a scorer's algorithm."""
    return scorer.removesuffix(LAST)


def is_of_last(scorer: str) -> bool:
    """Say whether a scorer scores for the shopper's last product alone."""
    return scorer.endswith(LAST)


def last_only(shopper: Shopper) -> Shopper:
    """Return a shopper whose session is the last product of this one, without a history."""
    return Shopper(shopper.now, session=shopper.trail[-1:], groups=shopper.groups)
