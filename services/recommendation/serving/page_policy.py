"""Page policies: which algorithms answer on which page, and how much each counts.

An algorithm's weight on a page is `emphasis · (weight in the database) + base`. The database's weights are learned from
response; `base` gives a page the algorithms that it is made for, such as complements in the cart. For a shopper of
whom nothing is known the weights of the page move, with the interaction strength, from what the group likes to what
this shopper likes.

Where a reranker was trained for the page's context it orders the page alone (`alone`), as soon as the shopper is
familiar; the database's weights tilt its order. For a newcomer, of whom a few events are known, it is fused with what
is popular. Elsewhere it is fused with the algorithms, with the weight
`reranker_weight` times the sum of the personal weights. Products that were bought are ordered by the reranker where
people do buy again, and by the times of the purchases alone where they hardly do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.recommendation.request import Page
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.reranker_models import RerankerModels

SEARCH = "search"
"""Name of the algorithm that matches words; it is no trained one."""

STRENGTH_HALF = 4.0
"""Interaction strength at which shopper and group count alike: in views; a cart counts 3, a purchase 5."""
ANCHOR_STRENGTH = 30.0
"""Interaction strength of a page that is about something itself: a product in view, a cart, an order, a search."""
COLD_BELOW = 0.5
"""Share of the personal weights below which the strategy is called a cold start."""
FILL = 0.01
"""Share of the weights that fills a list up when no algorithm has a score."""

REBUYS = 0.2
"""Share of bought products that are bought again from which a shop's people count as buying again."""

COLD: Mapping[str, float] = {"popular_in_group": 0.5, "popular": 0.4, "trending": 0.05, "new_arrivals": 0.05}
"""The weights for a shopper of whom nothing is known.

Among those beside the group, validation chose (docs/decisions/0020): strangers without a known group see these alone.
"""
FAMILIAR = 20.0
"""Interaction strength from which a reranker orders a page alone: more than three purchases."""
NEWCOMER: Mapping[str, float] = {"popular": 1.0}
"""The weights beside the reranker for shoppers of whom less is known (docs/decisions/0023)."""
NOTHING_LEARNED = RerankerModels()
FILLERS: Mapping[str, float] = {"popular_in_group": 0.5, "popular": 0.5}


@dataclass(frozen=True)
class PagePolicy:
    """What a page shows and how it is ordered.

    Parameters
    ----------
    strategy : str
        Its name in answers.
    base, emphasis : mapping of str to float
        Weights as said above; an algorithm that is not named has base 0 and emphasis 1.
    trade_off : float
        Diversity: 1 orders by relevance alone, lower asks for more difference.
    category_share : float
        Largest share of a list that one category may take while others have candidates.
    bought : bool
        Show products already bought, and only those.
    substitutes : float
        Share of its score that a product keeps when it could stand in for something bought a moment ago.
    seen : float
        Share of its score that a product keeps when the shopper looked at it in this session.
    cold_every : int
        Places of a page that a reranker orders alone of which one is for a product that nobody met before the training
        or that came after it; with 0 these get the place that they have in the fusion.
    context : RerankContext
        The context whose reranker orders the page.
    reranker_weight : float
        Weight of the reranker in fusion, where 1 is the sum of the personal weights.
    alone : bool
        Whether the reranker orders the page alone.
    """

    strategy: str
    context: RerankContext = RerankContext.DISCOVERY
    reranker_weight: float = 0.0
    alone: bool = False
    base: Mapping[str, float] = field(default_factory=dict)
    emphasis: Mapping[str, float] = field(default_factory=dict)
    trade_off: float = 0.85
    category_share: float = 1.0
    bought: bool = False
    substitutes: float = 1.0
    seen: float = 1.0
    cold_every: int = 0


# trade_off, category_share and seen as `python -m benchmarks.quality.page_rules` chose them (docs/decisions/0018)
PAGE_POLICIES: Mapping[Page, PagePolicy] = {
    Page.HOME: PagePolicy(
        "hybrid",
        RerankContext.DISCOVERY,
        reranker_weight=4.0,
        alone=True,
        base={"new_arrivals": 0.03, "trending": 0.03, "popular_in_group": 0.04},
        trade_off=0.98,
        category_share=0.5,
        substitutes=0.25,
        cold_every=20,
    ),
    Page.PRODUCT: PagePolicy(
        "related",
        RerankContext.SESSION,
        reranker_weight=2.0,
        alone=True,
        base={"similar": 0.5, "complementary": 0.3},
        emphasis={
            "transitions": 3.0,
            "session_knn": 2.0,
            **dict.fromkeys(("matrix_factorization", "ease", "graph_filter", "customer_knn"), 0.5),
        },
        trade_off=0.95,
    ),
    Page.CATEGORY: PagePolicy(
        "category",
        RerankContext.DISCOVERY,
        reranker_weight=4.0,
        alone=True,
        base={"popular_in_group": 0.05, "new_arrivals": 0.05},
        trade_off=0.8,
    ),
    Page.CART: PagePolicy(
        "complementary",
        RerankContext.BASKET,
        reranker_weight=2.0,
        base={"complementary": 1.0},
        emphasis={"session_knn": 2.0, "transitions": 1.5, "content": 0.25},
        trade_off=0.95,
    ),
    Page.SEARCH: PagePolicy("search", RerankContext.DISCOVERY, 0.5, base={SEARCH: 3.0}, trade_off=0.95),
    Page.POST_PURCHASE: PagePolicy(
        "post_purchase",
        RerankContext.BASKET,
        reranker_weight=1.0,
        base={"complementary": 0.8},
        emphasis={"session_knn": 2.0, "transitions": 2.0, "content": 0.5},
        substitutes=0.25,
        trade_off=0.85,
    ),
    Page.BUY_AGAIN: PagePolicy(
        "buy_again", RerankContext.EVERYTHING, 2.0, True, base={"repurchase": 1.0}, trade_off=1.0, bought=True
    ),
}

ANCHORED = frozenset({Page.PRODUCT, Page.CART, Page.SEARCH, Page.POST_PURCHASE})
"""Pages that are about something themselves."""


@dataclass(frozen=True)
class RankingPlan:
    """How one answer is made.

    Parameters
    ----------
    policy : PagePolicy
        Of the page.
    strategy : str
        Its name in the answer.
    weights : mapping of str to float
        Weights by algorithm.
    reranker_weight : float
        Weight of the reranker of the page's context, if there is one; 0 leaves it out.
    beside : mapping of str to float
        Weights that take the place of `weights` beside a reranker that must not order the page alone yet; empty where
        the policy holds.
    depth : int
        Products that each algorithm proposes at least.
    """

    policy: PagePolicy
    strategy: str
    weights: Mapping[str, float]
    reranker_weight: float = 0.0
    beside: Mapping[str, float] = field(default_factory=dict)
    depth: int = 0


def plan_ranking(
    page: Page, weights: Mapping[str, float], interaction_strength: float, learned: RerankerModels = NOTHING_LEARNED
) -> RankingPlan:
    """Choose algorithms and their weights.

    Parameters
    ----------
    page : Page
        The page.
    weights : mapping of str to float
        The weights in the database.
    interaction_strength : float
        How much is known of the shopper, in views.
    learned : RerankerModels
        The rerankers, and what was learned of the shop beside them.
    """
    policy = PAGE_POLICIES[page]
    if policy.bought:
        return RankingPlan(
            policy, policy.strategy, dict(policy.base), policy.reranker_weight if learned.rebuy_rate >= REBUYS else 0.0
        )
    seen = max(interaction_strength, ANCHOR_STRENGTH) if page in ANCHORED else interaction_strength
    share = seen / (seen + STRENGTH_HALF)
    personal = _normalised(_of_page(policy, weights))
    blended = _mixed((personal, share), (COLD, 1.0 - share), (FILLERS, FILL))
    strategy = policy.strategy if share >= COLD_BELOW else "cold_start"
    alone = policy.alone and seen > 0
    if alone and page not in ANCHORED and seen < FAMILIAR:
        return RankingPlan(policy, strategy, blended, learned.newcomer_weight, NEWCOMER)
    return RankingPlan(policy, strategy, blended, policy.reranker_weight * (1.0 if alone else share))


def _of_page(policy: PagePolicy, weights: Mapping[str, float]) -> dict[str, float]:
    names = {*weights, *policy.base} - {"repurchase"}
    return {
        name: policy.emphasis.get(name, 1.0) * weights.get(name, 0.0) + policy.base.get(name, 0.0) for name in names
    }


def _normalised(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    return {name: weight / total for name, weight in weights.items()} if total else {}


def _mixed(*parts: tuple[Mapping[str, float], float]) -> dict[str, float]:
    mixed: dict[str, float] = {}
    for weights, share in parts:
        for name, weight in weights.items():
            mixed[name] = mixed.get(name, 0.0) + share * weight
    return {name: weight for name, weight in sorted(mixed.items()) if weight > 0}
