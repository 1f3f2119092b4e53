"""One page: from what is known of a shopper to the rows that the page shows.

The agent answers with these two functions, and `quintet evaluate --served` measures them. They read no database.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.request import Filters, Query
from services.recommendation.reranker.candidates import DEPTH
from services.recommendation.serving import ranking
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.merchandised import arrangement, merchandise, places_to_fill
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page_policy import PagePolicy, RankingPlan
from services.recommendation.serving.ranking import Ranked
from services.recommendation.serving.request_context import RequestContext
from services.recommendation.serving.rerank import PageReranker
from shared import page_rules
from shared.page_rules import ShopperRows


@dataclass(frozen=True, eq=False)
class PageList:
    """What a page shows.

    Parameters
    ----------
    ranked : Ranked
        The ranking after demotion, which has the scores and the contributions.
    rows : ndarray of shape (n,), int32
        Products, best first.
    touched : mapping of int to tuple of str
        Ids of the rules that touched a product, by row.
    """

    ranked: Ranked
    rows: Rows
    touched: Mapping[int, tuple[str, ...]] = field(default_factory=dict)


def allowed_on_page(catalogue: Catalogue, request: RequestContext, policy: PagePolicy, filters: Filters) -> Mask:
    """Return which products the page may show to this shopper, shape (n_products,), bool."""
    shopper = ShopperRows(request.on_page, request.bought, request.dismissed)
    offered = catalogue.at(request.place)
    return page_rules.allowed_on_page(offered, filters, shopper, only_bought=policy.bought, now=request.views.clock)


def rank_page(
    state: ServingState,
    request: RequestContext,
    plan: RankingPlan,
    filters: Filters,
    limit: int,
) -> Ranked:
    """Retrieve and rank what the page may show, before demotion, diversity and caps.

    Parameters
    ----------
    state : ServingState
        Catalogue, model and the weights that were learned from response.
    request : RequestContext
        What is known of the shopper.
    plan : RankingPlan
        How the page is ordered.
    filters : Filters
        What the caller and the page ask for.
    limit : int
        Places of the page.
    """
    return rank_allowed(state, request, plan, allowed_on_page(state.catalogue, request, plan.policy, filters), limit)


def rank_allowed(state: ServingState, request: RequestContext, plan: RankingPlan, allowed: Mask, limit: int) -> Ranked:
    """Retrieve and rank products that are `allowed`, of shape (n_products,), bool, for `limit` places."""
    policy = plan.policy
    beside = frozenset(policy.base)
    alone = policy.alone and not plan.beside
    reranker = PageReranker.of(
        state.learned, policy.context, plan.reranker_weight, alone, beside, policy.cold_every, limit
    )
    weights = plan.beside if reranker and plan.beside else plan.weights
    depth = max(DEPTH, ranking.POOL_PER_PLACE * limit, plan.depth)
    return ranking.rank(
        state.scorers, weights, request.views, allowed, reranker, learned_weights=state.weights, depth=depth
    )


def arrange(ranked: Ranked, catalogue: Catalogue, policy: PagePolicy, request: RequestContext, limit: int) -> PageList:
    """Return the list of the page after demotion, diversity and caps."""
    demoted = ranking.demote(ranked, catalogue, policy, request.just_bought, request.views.whole.present)
    demoted = _one_of_each_group(demoted, catalogue, policy, request)
    return PageList(demoted, ranking.diversify(demoted, catalogue, policy, limit))


def arrange_placed(
    ranked: Ranked, catalogue: Catalogue, policy: PagePolicy, request: RequestContext, query: Query
) -> PageList:
    """Return the list of the page as `arrange` does, with what the placement and the rules of the call make of it."""
    if not query.rules and not query.placement.boosts:
        return arrange(ranked, catalogue, policy, request, query.limit)
    demoted = ranking.demote(ranked, catalogue, policy, request.just_bought, request.views.whole.present)
    weighed = merchandise(demoted, catalogue, catalogue.at(request.place), query)
    best = _one_of_each_group(weighed.ranked, catalogue, policy, request)
    wanted = places_to_fill(query.rules, query.limit)
    candidates = ranking.diversify(best, catalogue, policy, query.limit, wanted)
    placed = arrangement(candidates, ranked.allowed, catalogue, query)
    touched = {row: (*weighed.touched.get(row, ()), *placed.touched.get(row, ())) for row in placed.rows}
    return PageList(best, np.array(placed.rows, np.int32), touched)


def _one_of_each_group(ranked: Ranked, catalogue: Catalogue, policy: PagePolicy, request: RequestContext) -> Ranked:
    if policy.bought or not catalogue.groups.names:
        return ranked
    return ranking.one_of_each_group(ranked, catalogue.at(request.place))
