"""Selection: which algorithms answer on which page, and how much each counts.

An algorithm's weight on a page is `emphasis · (weight in the database) + base`. The database's weights are learned from
response; `base` gives a page the algorithms that are its purpose, such as complements in the cart. For somebody
nobody knows yet the weights of the page move, with the evidence, from what the group likes to what this person likes.

Beside the algorithms speaks the hybrid that was learned for the page's context, with the weight `trust` times the sum
of the personal weights; where none was learned the algorithms are alone. What was bought is ordered by the learned
hybrid where people do buy again, and by the rhythm of the purchases alone where they hardly do.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.recommendation.request import Page
from services.recommendation.reranker.contexts import RerankContext

SEARCH = "search"
"""Name of the algorithm that matches words; it is no trained one."""

EVIDENCE_HALF = 4.0
"""Evidence at which person and group count alike: in views; a cart addition counts 3, a purchase 5."""
ANCHOR_EVIDENCE = 30.0
"""Evidence of a page that is about something itself: a product in view, a cart, an order, a search."""
COLD_BELOW = 0.5
"""Share of the personal weights below which the strategy is called a cold start."""
FILL = 0.01
"""Share of the weights that fills a list up when nobody has an opinion."""

REBUYS = 0.2
"""Share of bought products that are bought again from which a shop's people count as buying again."""

COLD: Mapping[str, float] = {"popular_in_group": 0.6, "popular": 0.1, "trending": 0.15, "new_arrivals": 0.15}
"""What somebody nobody knows yet gets."""
FILLERS: Mapping[str, float] = {"popular_in_group": 0.5, "popular": 0.5}


@dataclass(frozen=True)
class PagePolicy:
    """What a page is for.

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
    context : RerankContext
        The context whose hybrid speaks on the page.
    trust : float
        Weight of the hybrid, where 1 is the sum of the personal weights.
    """

    strategy: str
    context: RerankContext = RerankContext.DISCOVERY
    trust: float = 0.0
    base: Mapping[str, float] = field(default_factory=dict)
    emphasis: Mapping[str, float] = field(default_factory=dict)
    trade_off: float = 0.85
    category_share: float = 1.0
    bought: bool = False
    substitutes: float = 1.0
    seen: float = 1.0


PAGE_POLICIES: Mapping[Page, PagePolicy] = {
    Page.HOME: PagePolicy(
        "hybrid",
        RerankContext.DISCOVERY,
        trust=4.0,
        base={"new_arrivals": 0.03, "trending": 0.03, "popular_in_group": 0.04},
        trade_off=0.8,
        category_share=0.5,
        substitutes=0.25,
        seen=0.6,
    ),
    Page.PRODUCT: PagePolicy(
        "related",
        RerankContext.SESSION,
        trust=2.0,
        base={"similar": 0.5, "complementary": 0.3},
        emphasis={
            "transitions": 3.0,
            "session_knn": 2.0,
            **dict.fromkeys(("matrix_factorization", "ease", "graph_filter", "customer_knn"), 0.5),
        },
        seen=0.6,
    ),
    Page.CATEGORY: PagePolicy(
        "category", RerankContext.DISCOVERY, 4.0, base={"popular_in_group": 0.05, "new_arrivals": 0.05}
    ),
    Page.CART: PagePolicy(
        "complementary",
        RerankContext.BASKET,
        trust=2.0,
        base={"complementary": 1.0},
        emphasis={"session_knn": 2.0, "transitions": 1.5, "content": 0.25},
    ),
    Page.SEARCH: PagePolicy("search", RerankContext.DISCOVERY, 0.5, base={SEARCH: 3.0}, trade_off=0.95),
    Page.POST_PURCHASE: PagePolicy(
        "post_purchase",
        RerankContext.BASKET,
        trust=1.0,
        base={"complementary": 0.8},
        emphasis={"session_knn": 2.0, "transitions": 2.0, "content": 0.5},
        substitutes=0.25,
    ),
    Page.BUY_AGAIN: PagePolicy(
        "buy_again", RerankContext.EVERYTHING, 2.0, base={"repurchase": 1.0}, trade_off=1.0, bought=True
    ),
}

ANCHORED = frozenset({Page.PRODUCT, Page.CART, Page.SEARCH, Page.POST_PURCHASE})
"""Pages that are about something themselves."""


@dataclass(frozen=True)
class RankingPlan:
    """How one answer is made.

    Parameters
    ----------
    purpose : PagePolicy
        The page's purpose.
    strategy : str
        Its name in the answer.
    weights : mapping of str to float
        Weights by algorithm.
    hybrid : float
        Weight of the learned hybrid of the page's context, if there is one.
    """

    purpose: PagePolicy
    strategy: str
    weights: Mapping[str, float]
    hybrid: float = 0.0


def plan_ranking(page: Page, weights: Mapping[str, float], evidence: float, rebuy_rate: float = 0.0) -> RankingPlan:
    """Choose algorithms and their weights.

    Parameters
    ----------
    page : Page
        The page.
    weights : mapping of str to float
        The weights in the database.
    evidence : float
        How much is known of the shopper, in views.
    rebuy_rate : float
        Share of the pairs of customer and bought product that were bought again.
    """
    purpose = PAGE_POLICIES[page]
    if purpose.bought:
        return RankingPlan(
            purpose, purpose.strategy, dict(purpose.base), purpose.trust if rebuy_rate >= REBUYS else 0.0
        )
    seen = max(evidence, ANCHOR_EVIDENCE) if page in ANCHORED else evidence
    share = seen / (seen + EVIDENCE_HALF)
    personal = _normalised(_of_page(purpose, weights))
    blended = _mixed((personal, share), (COLD, 1.0 - share), (FILLERS, FILL))
    strategy = purpose.strategy if share >= COLD_BELOW else "cold_start"
    return RankingPlan(purpose, strategy, blended, purpose.trust * share)


def _of_page(purpose: PagePolicy, weights: Mapping[str, float]) -> dict[str, float]:
    names = {*weights, *purpose.base} - {"repurchase"}
    return {
        name: purpose.emphasis.get(name, 1.0) * weights.get(name, 0.0) + purpose.base.get(name, 0.0) for name in names
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
