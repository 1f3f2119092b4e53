"""A hybrid that prefers what its first algorithm ranks high, grown in a moment."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from services.recommendation.algorithms.interactions import Kind
from services.recommendation.reranker import features
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.trees import Trees
from services.recommendation.training.boosting import fit_trees
from services.recommendation.training.ltr_dataset import LtrDataset
from services.recommendation.training.reranker_params import BoostingParams

QUESTIONS, CANDIDATES = 80, 12


def grown(algorithms: Sequence[str], target: Kind = Kind.PURCHASE, depth: int = 20) -> Reranker:
    """Return the hybrid: the better the rank with `algorithms[0]`, the larger the value."""
    return Reranker(tuple(algorithms), target, _trees(tuple(features.names(algorithms))), depth)


@cache  # the same few are wanted over and over, and nobody changes them
def _trees(names: tuple[str, ...]) -> Trees:
    rng = np.random.default_rng(0)
    table = rng.random((QUESTIONS * CANDIDATES, len(names))).astype(np.float32)
    table[:, 1] = rng.permuted(np.tile(np.arange(CANDIDATES), (QUESTIONS, 1)), axis=1).ravel()
    sizes = np.full(QUESTIONS, CANDIDATES)
    how = BoostingParams(learning_rate=0.5, rounds=20, min_leaf=1, features=1.0, l2=0.0, threads=1)
    trees = fit_trees(LtrDataset(table, table[:, 1] < 3, sizes), list(names), 5, how)
    assert trees is not None
    return trees
