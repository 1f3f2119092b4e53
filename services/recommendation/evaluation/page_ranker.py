"""The page path over questions: what the agent runs for a page, for shoppers whose next step is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from services.recommendation.algorithms import parallel
from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.request import Filters, Page
from services.recommendation.reranker.contexts import NOTHING, recent, with_profile_clock
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page import allowed_on_page, arrange, rank_page
from services.recommendation.serving.page_policy import PAGE_POLICIES, PagePolicy, plan_ranking
from services.recommendation.serving.request_context import (
    RequestContext,
    interaction_strength,
    lately_bought,
)
from services.recommendation.serving.retrieval import ShopperViews

PolicyChange = Callable[[PagePolicy], PagePolicy]
"""Makes another policy of that of a page."""
RANKED = "served.ranked"
"""The page's ranking before demotion, diversity and caps."""


@dataclass(frozen=True, eq=False)
class PageRanker:
    """A page of a shop: `state` is what it serves with."""

    state: ServingState
    page: Page

    def top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        """Return what the page shows to each shopper, shape (n_shoppers, k), int32; -1 for none.

        Parameters
        ----------
        shoppers : list of Shopper
            In the rows of the catalogue.
        excluded : list of ndarray
            Rows that a shopper is not shown.
        k : int
            Length of the lists.
        """
        return self.lists(self.requests(shoppers, excluded), {"": lambda policy: policy}, k)[""]

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
        state = self.state
        plan = plan_ranking(self.page, state.weights, request.interaction_strength, state.learned)
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

    def allowed(self, request: RequestContext) -> Mask:
        """Return which products the page may show to a shopper, shape (n_products,), bool."""
        return allowed_on_page(self.state.catalogue, request, PAGE_POLICIES[self.page], Filters())

    def _request(self, shopper: Shopper, excluded: Rows) -> RequestContext:
        """Return the call of the page by a shopper who is asked about."""
        in_view = self.page is Page.PRODUCT and len(shopper.session) > 0
        current = int(shopper.session[-1]) if in_view else None
        cart = _cart(self.page, shopper)
        whole = replace(recent(shopper), current=current, cart=cart)
        return RequestContext(
            views=ShopperViews(with_profile_clock(whole), self.state.trained, shopper.now),
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


def _padded(rows: Rows, k: int) -> Rows:
    return np.concatenate([rows, np.full(k - len(rows), -1, np.int32)]).astype(np.int32)
