"""What an answer shows: products with scores and reasons, before they get numbers and are logged."""

from dataclasses import dataclass

from services.recommendation.request import Explanation, Query
from services.recommendation.serving import ranking
from services.recommendation.serving.explain import explained
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.page import arrange, rank_page
from services.recommendation.serving.page_policy import plan_ranking
from services.recommendation.serving.request_context import RequestContext

COLD_START = "cold_start"


@dataclass(frozen=True)
class Chosen:
    """A product chosen, by its row; `contributions` are largest first and add up to `score`."""

    row: int
    score: float
    contributions: dict[str, float]
    explanation: Explanation

    @property
    def algorithm(self) -> str:
        """The algorithm that gave most."""
        return next(iter(self.contributions), "popular")


@dataclass(frozen=True)
class Choice:
    """What a page shows.

    Parameters
    ----------
    chosen : tuple of Chosen
        Best first.
    strategy : str
        How the page was ordered.
    failed : tuple of str
        The algorithms that failed.
    exhausted : bool
        Whether all of them failed.
    """

    chosen: tuple[Chosen, ...]
    strategy: str
    failed: tuple[str, ...] = ()
    exhausted: bool = False


def choose(serving: ServingState, request: RequestContext, query: Query) -> Choice:
    """Rank a page for a shopper and explain what it shows."""
    plan = plan_ranking(query.context.page, serving.weights, request.interaction_strength, serving.learned)
    before = rank_page(serving, request, plan, query.all_filters, query.limit)
    page = arrange(before, serving.catalogue, plan.policy, request, query.limit)
    rows = page.rows.tolist()
    chosen = tuple(
        Chosen(row, score, contributions, _explanation(row, contributions, serving, request))
        for row, (score, contributions) in zip(rows, page.ranked.shown(page.rows), strict=True)
    )
    strategy = plan.strategy if serving.bundle else COLD_START
    return Choice(chosen, strategy, page.ranked.failed, page.ranked.exhausted)


def _explanation(
    row: int, contributions: dict[str, float], serving: ServingState, request: RequestContext
) -> Explanation:
    reason = ranking.explain(contributions, serving.scorers, request.views, row)
    return explained(reason, serving.catalogue, serving.groups, request.views.search, row)
