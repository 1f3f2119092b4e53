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

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.content import unit_rows
from services.recommendation.algorithms.interactions import Interactions, Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.evaluation.offline_ranker import OfflineRanker
from services.recommendation.holdout.protocols import rebuys
from services.recommendation.holdout.tasks import ProgressCallback, Protocol, Task
from services.recommendation.models.bundle import Bundle
from services.recommendation.models.groups import GroupCodes
from services.recommendation.request import Filters, Page
from services.recommendation.reranker.contexts import NOTHING, RerankContext, recent, with_profile_clock
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page import allowed_on_page, arrange, rank_page
from services.recommendation.serving.page_policy import PAGE_POLICIES, PagePolicy, plan_ranking
from services.recommendation.serving.request_context import (
    RequestContext,
    interaction_strength,
    lately_bought,
)
from services.recommendation.serving.retrieval import ShopperViews
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
RANKED = "served.ranked"
"""The page's ranking before demotion, diversity and caps."""
OFFLINE_PAGE = "quintet.page"
"""The offline ranker, for the products that the page may show."""
PolicyChange = Callable[[PagePolicy], PagePolicy]
"""Makes another policy of that of a page."""
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
        self._page = self._asked_page or PAGE_OF[task.protocol]
        context = PAGE_POLICIES[self._page].context
        catalogue = self._catalogue or catalogue_of(task.train, self._offline.seen)
        self._state = serving_state(self._offline, task, context, catalogue)

    def top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        """Return the list of the page for each shopper, shape (n_shoppers, k), -1 for none."""
        return self.stages(shoppers, excluded, k)[SERVED]

    def stages(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> dict[str, Rows]:
        """Return the lists of the page and of each step to it by name of their row, each of shape (n_shoppers, k)."""
        requests = self.requests(shoppers, excluded)
        lists = self.lists(requests, {SERVED: lambda policy: policy, **WITHOUT_RULE}, k)
        left_out = [np.flatnonzero(~self._allowed(request)).astype(np.int32) for request in requests]
        offline = self._offline.top([request.views.punctual for request in requests], left_out, k)
        return {OFFLINE_PAGE: offline, RANKED: lists.pop(RANKED), **lists}

    def requests(self, shoppers: list[Shopper], excluded: list[Rows]) -> list[RequestContext]:
        """Return the calls of the page by shoppers who are asked about."""
        return [self._request(shopper, rows) for shopper, rows in zip(shoppers, excluded, strict=True)]

    def lists(self, requests: list[RequestContext], policies: Mapping[str, PolicyChange], k: int) -> dict[str, Rows]:
        """Return the lists of the page under changed policies, and its ranking before them.

        Parameters
        ----------
        requests : list of RequestContext
            As `requests` gives them.
        policies : mapping of str to callable
            By name, the policy made of the page's own. `cold_every` and the rules that come after the ranking may be
            changed.
        k : int
            Length of the lists.

        Returns
        -------
        dict of str to ndarray of shape (n_requests, k), int32
            By the names of `policies`, and `RANKED`; -1 for none.
        """
        found = parallel.each(lambda request: self._lists(request, policies, k), requests)
        return {
            name: np.stack([_padded(each[name], k) for each in found]) if found else np.empty((0, k), np.int32)
            for name in (RANKED, *policies)
        }

    def _lists(self, request: RequestContext, policies: Mapping[str, PolicyChange], k: int) -> dict[str, Rows]:
        state = self._state
        plan = plan_ranking(self._page, state.weights, request.interaction_strength, state.learned)
        rankings = {plan.policy.cold_every: rank_page(state, request, plan, Filters(), k)}
        lists = {RANKED: rankings[plan.policy.cold_every].top(k)}
        arranged: list[tuple[PagePolicy, Rows]] = []
        for name, changed in policies.items():
            policy = changed(plan.policy)
            rows = next((rows for same, rows in arranged if same == policy), None)  # the page does not have this rule
            if rows is None:
                if policy.cold_every not in rankings:
                    rankings[policy.cold_every] = rank_page(state, request, replace(plan, policy=policy), Filters(), k)
                rows = arrange(rankings[policy.cold_every], state.catalogue, policy, request, k).rows[:k]
                arranged.append((policy, rows))
            lists[name] = rows
        return lists

    @property
    def state(self) -> ServingState:
        """The shop that is served; there once `fit` was called."""
        return self._state

    def _allowed(self, request: RequestContext) -> Mask:
        return allowed_on_page(self._state.catalogue, request, PAGE_POLICIES[self._page], Filters())

    def _request(self, shopper: Shopper, excluded: Rows) -> RequestContext:
        """Return the call of the page by a shopper who is asked about."""
        in_view = self._page is Page.PRODUCT and len(shopper.session) > 0
        current = int(shopper.session[-1]) if in_view else None
        cart = _cart(self._page, shopper)
        whole = replace(recent(shopper), current=current, cart=cart)
        return RequestContext(
            views=ShopperViews(with_profile_clock(whole), self._state.trained, shopper.now),
            bought=shopper.bought,
            on_page=cart if current is None else np.append(cart, np.int32(current)),
            dismissed=excluded,
            just_bought=lately_bought(whole, shopper.now),
            interaction_strength=interaction_strength(whole),
        )


def _cart(page: Page, shopper: Shopper) -> Rows:
    """Return what a page takes for the cart: what the session put in, or after a purchase what was bought."""
    if page is Page.CART:
        return np.unique(shopper.session)
    return shopper.last_basket if page is Page.POST_PURCHASE else NOTHING


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


def _padded(rows: Rows, k: int) -> Rows:
    return np.concatenate([rows, np.full(k - len(rows), -1, np.int32)]).astype(np.int32)
