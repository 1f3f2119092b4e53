"""Chooses what a page shows: products with scores and reasons, before they get numbers and are logged."""

from services.recommendation.request import Choice, Explanation, Pick, Price, Query
from services.recommendation.serving import ranking
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.explain import explained
from services.recommendation.serving.exploration import Draw, ExploredList, explored_list
from services.recommendation.serving.merchandised import placed_plan
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page import PageList, arrange_placed, rank_page
from services.recommendation.serving.page_policy import RankingPlan, plan_ranking
from services.recommendation.serving.request_context import RequestContext
from shared.experiments.decision import Displaced
from shared.place_columns import price_at

COLD_START = "cold_start"


def choose(serving: ServingState, request: RequestContext, query: Query, draw: Draw | None = None) -> Choice:
    """Rank a page for a shopper and explain what it shows; a `draw` settles whether and where it explores."""
    plan, arranged = arranged_page(serving, request, query)
    shown = explored_list(arranged, serving, query, draw)
    page = shown.page
    rows, offered = page.rows.tolist(), serving.catalogue.at(request.place)
    picks = tuple(
        _pick(
            serving.catalogue,
            price_at(offered, row),
            row,
            score,
            contributions,
            explanation_of(row, contributions, serving, request),
            page.touched.get(row, ()),
            propensity,
            explored=place == shown.explored,
        )
        for place, (row, (score, contributions), propensity) in enumerate(
            zip(rows, page.ranked.shown(page.rows), shown.propensities, strict=True)
        )
    )
    strategy = plan.strategy if serving.bundle else COLD_START
    return Choice(picks, strategy, page.ranked.failed, page.ranked.exhausted, _displaced(shown, serving.catalogue))


def arranged_page(serving: ServingState, request: RequestContext, query: Query) -> tuple[RankingPlan, PageList]:
    """Return how a page is made, and the page as it is where nothing is explored."""
    plan = plan_ranking(query.context.page, serving.weights, request.interaction_strength, serving.learned)
    plan = placed_plan(plan, query)
    before = rank_page(serving, request, plan, query.all_filters, query.limit)
    return plan, arrange_placed(before, serving.catalogue, plan.policy, request, query)


def _pick(
    catalogue: Catalogue,
    price: tuple[int, str] | None,
    row: int,
    score: float,
    contributions: dict[str, float],
    explanation: Explanation,
    rules: tuple[str, ...],
    propensity: float,
    *,
    explored: bool,
) -> Pick:
    return Pick(
        product_key=int(catalogue.keys[row]),
        product_id=catalogue.external_ids[row],
        product_name=catalogue.names[row],
        category=catalogue.category_of(row),
        price=None if price is None else Price(*price),
        image_url=catalogue.image_urls[row],
        score=score,
        explanation=explanation,
        contributions=contributions,
        rules=rules,
        group_id=catalogue.group_of(row),
        propensity=propensity,
        explored=explored,
    )


def _displaced(shown: ExploredList, catalogue: Catalogue) -> Displaced | None:
    """Return what an explored product took the place of; None where nothing was explored."""
    if shown.explored is None or shown.displaced is None:
        return None
    return Displaced(shown.explored + 1, int(catalogue.keys[shown.displaced]), shown.page.ranked.score(shown.displaced))


def explanation_of(
    row: int, contributions: dict[str, float], serving: ServingState, request: RequestContext
) -> Explanation:
    """Return why a product is shown, by what the algorithms gave to it, largest first."""
    reason = ranking.explain(contributions, serving.scorers, request.views, row)
    return explained(reason, serving.catalogue, serving.groups, request.views.search, row)
