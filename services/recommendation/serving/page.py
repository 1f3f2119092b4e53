"""One page: from what is known of a shopper to the rows that the page shows.

The agent answers with these two functions, and `quintet evaluate --served` measures them. They read no database.
"""

from dataclasses import dataclass

from services.recommendation.algorithms.arrays import Mask, Rows
from services.recommendation.request import Filters
from services.recommendation.reranker.candidates import DEPTH
from services.recommendation.serving import ranking
from services.recommendation.serving.catalogue import Catalogue
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
    """

    ranked: Ranked
    rows: Rows


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
    policy = plan.policy
    allowed = allowed_on_page(state.catalogue, request, policy, filters)
    beside = frozenset(policy.base)
    alone = policy.alone and not plan.beside
    reranker = PageReranker.of(
        state.learned, policy.context, plan.reranker_weight, alone, beside, policy.cold_every, limit
    )
    weights = plan.beside if reranker and plan.beside else plan.weights
    depth = max(DEPTH, ranking.POOL_PER_PLACE * limit)
    return ranking.rank(
        state.scorers, weights, request.views, allowed, reranker, learned_weights=state.weights, depth=depth
    )


def arrange(ranked: Ranked, catalogue: Catalogue, policy: PagePolicy, request: RequestContext, limit: int) -> PageList:
    """Return the list of the page after demotion, diversity and caps."""
    demoted = ranking.demote(ranked, catalogue, policy, request.just_bought, request.views.whole.present)
    if not policy.bought and catalogue.groups.names:
        demoted = ranking.one_of_each_group(demoted, catalogue.at(request.place))
    return PageList(demoted, ranking.diversify(demoted, catalogue, policy, limit))
