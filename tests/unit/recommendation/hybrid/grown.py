"""A hybrid that prefers what its first algorithm ranks high, grown in a moment."""

from collections.abc import Sequence

import numpy as np

from services.recommendation.algorithms.interactions import Kind
from services.recommendation.hybrid import features
from services.recommendation.hybrid.hybrid import Hybrid
from services.recommendation.hybrid.learner import Boosting, Lessons, boost

QUESTIONS, CANDIDATES = 80, 12


def grown(algorithms: Sequence[str], target: Kind = Kind.PURCHASE, depth: int = 20) -> Hybrid:
    """Return the hybrid: the better the rank with `algorithms[0]`, the larger the value."""
    rng = np.random.default_rng(0)
    names = features.names(algorithms)
    table = rng.random((QUESTIONS * CANDIDATES, len(names))).astype(np.float32)
    table[:, 1] = rng.permuted(np.tile(np.arange(CANDIDATES), (QUESTIONS, 1)), axis=1).ravel()
    sizes = np.full(QUESTIONS, CANDIDATES)
    how = Boosting(learning_rate=0.5, rounds=20, min_leaf=1, features=1.0, l2=0.0, threads=1)
    trees = boost(Lessons(table, table[:, 1] < 3, sizes), names, 5, how)
    return Hybrid(tuple(algorithms), target, trees, depth)
