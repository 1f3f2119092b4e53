"""The recommendation algorithms by name: the one list that weights, metrics and the hybrid agree on.

Families follow what an algorithm learns from. The first three make the hybrid, which starts at 0.4 collaborative,
0.4 content and 0.2 sequential; the others start at 0 in it and serve their own purposes: what is bought again,
products related to the one in view, and shoppers or products nobody knows yet.
"""

from dataclasses import dataclass
from enum import StrEnum


class Family(StrEnum):
    """What an algorithm learns from."""

    COLLABORATIVE = "collaborative"
    CONTENT = "content"
    SEQUENTIAL = "sequential"
    REPURCHASE = "repurchase"
    RELATED = "related"
    POPULARITY = "popularity"


@dataclass(frozen=True)
class KnownAlgorithm:
    """An algorithm's name, as in recommendations and weights, its family, and its weight at the start."""

    name: str
    family: Family
    default_weight: float


KNOWN_ALGORITHMS: tuple[KnownAlgorithm, ...] = (
    KnownAlgorithm("ease", Family.COLLABORATIVE, 0.12),
    KnownAlgorithm("graph_filter", Family.COLLABORATIVE, 0.12),
    KnownAlgorithm("item_knn", Family.COLLABORATIVE, 0.06),
    KnownAlgorithm("customer_knn", Family.COLLABORATIVE, 0.05),
    KnownAlgorithm("matrix_factorization", Family.COLLABORATIVE, 0.05),
    KnownAlgorithm("content", Family.CONTENT, 0.40),
    KnownAlgorithm("category_affinity", Family.CONTENT, 0.0),
    KnownAlgorithm("transitions", Family.SEQUENTIAL, 0.10),
    KnownAlgorithm("session_knn", Family.SEQUENTIAL, 0.10),
    KnownAlgorithm("repurchase", Family.REPURCHASE, 0.0),
    KnownAlgorithm("similar", Family.RELATED, 0.0),
    KnownAlgorithm("complementary", Family.RELATED, 0.0),
    KnownAlgorithm("popular", Family.POPULARITY, 0.0),
    KnownAlgorithm("trending", Family.POPULARITY, 0.0),
    KnownAlgorithm("new_arrivals", Family.POPULARITY, 0.0),
)

MOST_TRIALS = 10_000
MOST_MINUTES = 10_080.0
"""Bounds of one tuning: trials of an algorithm, and a week."""

ALGORITHM_NAMES: frozenset[str] = frozenset(algorithm.name for algorithm in KNOWN_ALGORITHMS)
DEFAULT_WEIGHTS: dict[str, float] = {algorithm.name: algorithm.default_weight for algorithm in KNOWN_ALGORITHMS}
