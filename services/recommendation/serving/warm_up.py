"""Warms up a serving state: loads compiled loops and derives what the first request would wait for."""

from collections.abc import Mapping

import numpy as np

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.request import Page
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page_policy import COLD, PAGE_POLICIES
from services.recommendation.serving.ranking import diversify, rank
from services.recommendation.serving.rerank import PageReranker
from services.recommendation.serving.retrieval import ShopperViews

FEW = 3
"""Products that the made-up shopper bought, and places of the made-up page."""


def warm_up(state: ServingState) -> None:
    """Rank pages for made-up shoppers, with and without each reranker, and throw the results away.

    The shoppers search for nothing: the lists of search words are made in the background (`TextIndex.prepare`).
    """
    groups = {name: 0 for name, labels in state.groups.labels.items() if labels}
    shopper = _shopper(min(FEW, len(state.catalogue)), groups)
    views = ShopperViews(shopper, state.trained, shopper.now)
    allowed = np.ones(len(state.catalogue), np.bool_)
    weights = dict.fromkeys(state.scorers, 1.0)
    _page(state, weights, views, allowed, None)
    _page(state, COLD, ShopperViews(_shopper(0, groups), state.trained, shopper.now), allowed, None)
    for scorer in state.scorers.values() if len(state.catalogue) else ():
        scorer.explain(views, 0)
    for context in state.learned.rerankers:
        for alone in (True, False):
            _page(state, weights, views, allowed, PageReranker.of(state.learned, context, 1.0, alone))


def _page(
    state: ServingState,
    weights: Mapping[str, float],
    views: ShopperViews,
    allowed: Mask,
    reranker: PageReranker | None,
) -> None:
    ranked = rank(state.scorers, weights, views, allowed, reranker)
    diversify(ranked, state.catalogue, PAGE_POLICIES[Page.HOME], FEW)


def _shopper(n: int, groups: dict[str, int]) -> Shopper:
    rows: Rows = np.arange(n, dtype=np.int32)
    return Shopper(
        now=1,
        products=rows,
        kinds=np.full(n, Kind.PURCHASE, np.int8),
        quantities=np.ones(n, np.float32),
        times=np.zeros(n, np.int64),
        baskets=rows,
        session=rows,
        groups=groups,
    )
