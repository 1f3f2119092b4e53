"""The page that a shop serves, as a ranker: the test questions are answered by the code that the agent runs.

A question becomes a call of one page, in a shop in which all products that train saw are in stock:

================  =========  ================================================================================
protocol          page       what it shows
================  =========  ================================================================================
top-n-discovery   HOME       what was never obtained
next-item         HOME       nothing is in view in these questions
session           PRODUCT    the last product of the session is in view
top-n             BUY_AGAIN  only what was bought before
next-basket       BUY_AGAIN  only what was bought before
================  =========  ================================================================================

The page leaves out what it always leaves out (what was bought, what is in view), and what the protocol leaves out. So
its lists are compared with those of the offline ranker for the same products, `quintet.page`.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.content import unit_rows
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.evaluation.page_ranker import RANKED, PageRanker, PolicyChange
from services.recommendation.holdout.protocols import rebuys
from services.recommendation.holdout.tasks import ProgressCallback, Protocol, Task
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.groups import GroupCodes
from services.recommendation.request import Page
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page_policy import PAGE_POLICIES
from services.recommendation.serving.request_context import RequestContext
from shared.inventory import NOT_BUYABLE, NOW

PAGE_OF: Mapping[Protocol, Page] = {
    Protocol.TOP_N_DISCOVERY: Page.HOME,
    Protocol.NEXT_ITEM: Page.HOME,
    Protocol.SESSION: Page.PRODUCT,
    Protocol.TOP_N: Page.BUY_AGAIN,
    Protocol.NEXT_BASKET: Page.BUY_AGAIN,
}
"""The page that answers the questions of a protocol."""

SERVED = "served"
OFFLINE_PAGE = "quintet.page"
"""The offline ranker, for the products that the page may show."""
WITHOUT_RULE: Mapping[str, PolicyChange] = {
    "served.without_demotion": lambda policy: replace(policy, substitutes=1.0, seen=1.0),
    "served.without_diversity": lambda policy: replace(policy, trade_off=1.0),
    "served.without_caps": lambda policy: replace(policy, category_share=1.0),
}
"""By name of the row, the policy of a page without one of its rules."""


class ServedRanker:
    """Answers questions through the page path: retrieval, reranker, rules, demotion, diversity and caps.

    Parameters
    ----------
    offline : OfflineRanker
        Has the model and the reranker that the page serves; fitted here if it was not fitted on the task before.
    page : Page, optional
        The page that answers; by default that of the protocol. The reranker of the protocol then orders it.
    catalogue : Catalogue, optional
        What the shop sells; by default what train saw. Its first rows are those of the task; others came later.

    Attributes
    ----------
    progress : callable or None
        Called with what is being learned and the fraction learned, 0 to 1.
    pairs : tuple of (str, str)
        Rows whose paired differences are reported: the ranking against the offline one, and the page against itself
        without each rule.
    """

    name = SERVED
    pairs = ((RANKED, OFFLINE_PAGE), (SERVED, RANKED), *((SERVED, name) for name in WITHOUT_RULE))

    def __init__(self, offline: OfflineRanker, page: Page | None = None, catalogue: Catalogue | None = None) -> None:
        self._offline = offline
        self._catalogue = catalogue
        self._asked_page = page
        self.progress: ProgressCallback | None = None

    def fit(self, task: Task) -> None:
        """Put what the offline ranker learned from `task.train` behind a page."""
        if self._offline.fitted_on is not task:
            self._offline.progress = self.progress
            self._offline.fit(task)
        page = self._asked_page or PAGE_OF[task.protocol]
        context = PAGE_POLICIES[page].context
        catalogue = self._catalogue or catalogue_of(task.train, self._offline.seen)
        self._pages = PageRanker(serving_state(self._offline, task, context, catalogue), page)

    def top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        """Return the list of the page for each shopper, shape (n_shoppers, k), -1 for none."""
        return self.stages(shoppers, excluded, k)[SERVED]

    def stages(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> dict[str, Rows]:
        """Return the lists of the page and of each step to it by name of their row, each of shape (n_shoppers, k)."""
        requests = self.requests(shoppers, excluded)
        lists = self.lists(requests, {SERVED: lambda policy: policy, **WITHOUT_RULE}, k)
        left_out = [np.flatnonzero(~self._pages.allowed(request)).astype(np.int32) for request in requests]
        offline = self._offline.top([request.views.punctual for request in requests], left_out, k)
        return {OFFLINE_PAGE: offline, RANKED: lists.pop(RANKED), **lists}

    def requests(self, shoppers: list[Shopper], excluded: list[Rows]) -> list[RequestContext]:
        """Return the calls of the page by shoppers who are asked about."""
        return self._pages.requests(shoppers, excluded)

    def lists(self, requests: list[RequestContext], policies: Mapping[str, PolicyChange], k: int) -> dict[str, Rows]:
        """Return the lists of the page under changed policies, and its ranking, as `PageRanker.lists` does."""
        return self._pages.lists(requests, policies, k)

    @property
    def state(self) -> ServingState:
        """The shop that is served; there once `fit` was called."""
        return self._pages.state


def catalogue_of(data: Interactions, sold: Mask) -> Catalogue:
    """Return a catalogue of the products of `data`, in stock where `sold`, shape (n_products,).

    Each product has a name of its own: the data has none.
    """
    keys = np.arange(data.n_products, dtype=np.int64)
    return replace(
        Catalogue.of_keys(keys),
        names=[f"product {key}" for key in keys.tolist()],
        category=data.category,
        stock=np.where(sold, NOW, NOT_BUYABLE).astype(np.int8),
        added=data.added,
        embeddings=unit_rows(data.embeddings),
    )


def serving_state(offline: OfflineRanker, task: Task, context: RerankContext, catalogue: Catalogue) -> ServingState:
    """Return a shop with the model of the offline ranker, whose reranker is that of a context."""
    train, model = task.train, offline.model
    keys = np.arange(train.n_products, dtype=np.int64)
    rebuy_rate = rebuys(train, Kind.PURCHASE, timed=task.timed)
    learned = RerankerModels(rebuy_rate=rebuy_rate, newcomer_weight=offline.newcomer_weight)
    if isinstance(offline.hybrid, Reranker):
        rerankers = {context: offline.hybrid}
        learned = replace(learned, rerankers=rerankers, item_features={offline.hybrid.target: offline.item_features})
    return ServingState(catalogue, Bundle(replace(model, learned=learned), keys, GroupCodes()))
