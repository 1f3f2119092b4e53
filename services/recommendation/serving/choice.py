"""Chooses what a page shows: products with scores and reasons, before they get numbers and are logged."""

from services.recommendation.request import Choice, Explanation, Pick, Price, Query
from services.recommendation.serving import ranking
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.explain import explained
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page import arrange, rank_page
from services.recommendation.serving.page_policy import plan_ranking
from services.recommendation.serving.request_context import RequestContext
from shared.place_columns import price_at

COLD_START = "cold_start"


def choose(serving: ServingState, request: RequestContext, query: Query) -> Choice:
    """Rank a page for a shopper and explain what it shows."""
    plan = plan_ranking(query.context.page, serving.weights, request.interaction_strength, serving.learned)
    before = rank_page(serving, request, plan, query.all_filters, query.limit)
    page = arrange(before, serving.catalogue, plan.policy, request, query.limit)
    rows, offered = page.rows.tolist(), serving.catalogue.at(request.place)
    picks = tuple(
        _pick(
            serving.catalogue,
            price_at(offered, row),
            row,
            score,
            contributions,
            _explanation(row, contributions, serving, request),
        )
        for row, (score, contributions) in zip(rows, page.ranked.shown(page.rows), strict=True)
    )
    strategy = plan.strategy if serving.bundle else COLD_START
    return Choice(picks, strategy, page.ranked.failed, page.ranked.exhausted)


def _pick(
    catalogue: Catalogue,
    price: tuple[int, str] | None,
    row: int,
    score: float,
    contributions: dict[str, float],
    explanation: Explanation,
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
        group_id=catalogue.group_of(row),
    )


def _explanation(
    row: int, contributions: dict[str, float], serving: ServingState, request: RequestContext
) -> Explanation:
    reason = ranking.explain(contributions, serving.scorers, request.views, row)
    return explained(reason, serving.catalogue, serving.groups, request.views.search, row)
