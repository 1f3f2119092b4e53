"""Warms up a serving state: loads compiled loops and derives what the first request would wait for."""

import numpy as np

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.ranking import rank
from services.recommendation.serving.rerank import PageReranker
from services.recommendation.serving.retrieval import ShopperViews

FEW = 3
"""Products that the made-up shopper bought."""


def warm_up(state: ServingState) -> None:
    """Rank a page for a made-up shopper in every context that has a reranker, and throw the result away.

    The shopper searches for nothing: the lists of search words are made in the background (`TextIndex.prepare`).
    """
    shopper = _shopper(min(FEW, len(state.catalogue)))
    views = ShopperViews(shopper, state.trained, shopper.now)
    allowed = np.ones(len(state.catalogue), np.bool_)
    weights = dict.fromkeys(state.scorers, 1.0)
    rank(state.scorers, weights, views, allowed)
    for scorer in state.scorers.values() if len(state.catalogue) else ():
        scorer.explain(views, 0)
    for context in state.learned.rerankers:
        rank(state.scorers, weights, views, allowed, PageReranker.of(state.learned, context, 1.0, alone=True))


def _shopper(n: int) -> Shopper:
    rows: Rows = np.arange(n, dtype=np.int32)
    return Shopper(
        now=1,
        products=rows,
        kinds=np.full(n, Kind.PURCHASE, np.int8),
        quantities=np.ones(n, np.float32),
        times=np.zeros(n, np.int64),
        baskets=rows,
        session=rows,
    )
