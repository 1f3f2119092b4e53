"""What is asked of the recommendation agent and what it answers, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.consent import NOTHING_SAID, Consent
from shared.db.recommendation_items import PackedItems
from shared.experiments.decision import Displaced, Exposure
from shared.list_tokens import PagedList
from shared.merchandising.filters import both, not_excluded
from shared.merchandising.placement import BUILT_IN, Placement, built_in_id
from shared.merchandising.rule import Rule
from shared.page_rules import DEFAULT_LIMIT, Filters, Page, Price

__all__ = ["Answer", "Choice", "Explanation", "Filters", "Page", "PageContext", "Pick", "Price", "Query", "ReadyPage"]

POPULAR = "popular"
"""The algorithm of a product that none gave anything: it fills the list."""


@dataclass(frozen=True)
class PageContext:
    """Where and why recommendations are asked for; ids are the platform's. Empty means: what the events left."""

    page: Page = Page.HOME
    product_id: str = ""
    category: str = ""
    cart_product_ids: tuple[str, ...] = ()
    purchased_product_ids: tuple[str, ...] = ()
    search_query: str = ""
    session_id: str = ""
    place_id: str = ""


@dataclass(frozen=True)
class Query:
    """One call: who asks, where, how many, and which products may be shown.

    Parameters
    ----------
    customer_id, visitor_id : str
        Who asks: the platform's ids, one of them may be empty.
    context : PageContext
        Where and why.
    limit : int
        Products of the list.
    filters : Filters
        What the call itself asks for.
    consent : Consent
        What the call itself says of the shopper's consent.
    stored_placement : Placement, optional
        The placement that is filled; None for the built-in one of the page.
    diversity : float, optional
        In place of the placement's.
    rules : tuple of Rule
        The rules in force for this call, the ones that win first.
    shown : tuple of int
        Keys of the products on the pages of the list before, in their order.
    beside : tuple of int
        Keys of the products that other lists of the same page show.
    page_token : str
        Names the page; empty for the first.
    paged : PagedList, optional
        The list that pages are asked for; None where no further page is.
    """

    customer_id: str = ""
    visitor_id: str = ""
    context: PageContext = PageContext()
    limit: int = DEFAULT_LIMIT
    filters: Filters = field(default_factory=Filters)
    consent: Consent = NOTHING_SAID
    stored_placement: Placement | None = None
    diversity: float | None = None
    rules: tuple[Rule, ...] = ()
    shown: tuple[int, ...] = ()
    beside: tuple[int, ...] = ()
    page_token: str = ""
    paged: PagedList | None = field(default=None, compare=False)

    @property
    def placement(self) -> Placement:
        """The placement that is filled."""
        return self.stored_placement or BUILT_IN[built_in_id(self.context.page)]

    @property
    def all_filters(self) -> Filters:
        """The filters together with what the page itself, the placement and the rules demand."""
        filters = self.filters.on(self.context.page, self.context.category)
        expression = both(filters.expression, self.placement.filter, not_excluded(self.rules))
        return filters if expression is filters.expression else replace(filters, expression=expression)


@dataclass(frozen=True)
class RankQuery:
    """A list to be ordered: who asks and where (`query`), the platform's ids, each once, and how many to return."""

    query: Query
    product_ids: tuple[str, ...]
    limit: int
    unavailable_last: bool = False


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a product is recommended: kind in lower case, the platform's ids of its sources, group, sentence."""

    kind: str
    product_ids: tuple[str, ...] = ()
    group: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Pick:
    """One recommended product as it is now, by its key in the database and with what a page shows.

    `contributions` are largest first and add up to `score`; `rules` are the ids of those that touched it; `propensity`
    is the probability that it was at its place, `explored` whether it is there for the sake of learning.
    """

    product_key: int
    product_id: str
    product_name: str
    category: str
    price: Price | None
    image_url: str
    score: float
    explanation: Explanation
    contributions: Mapping[str, float] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    group_id: str = ""
    propensity: float = 1.0
    explored: bool = False

    @property
    def algorithm(self) -> str:
        """The algorithm that gave most."""
        return next(iter(self.contributions), POPULAR)


@dataclass(frozen=True, eq=False)
class Choice:
    """What a page shows.

    Parameters
    ----------
    picks : tuple of Pick
        Best first.
    strategy : str
        How the page was ordered.
    failed : tuple of str
        The algorithms that failed.
    exhausted : bool
        Whether all of them failed.
    displaced : Displaced, optional
        What an explored product took the place of.
    """

    picks: tuple[Pick, ...]
    strategy: str
    failed: tuple[str, ...] = ()
    exhausted: bool = False
    displaced: Displaced | None = None


@dataclass(frozen=True, eq=False)
class ReadyPage:
    """A choice as it is sent and logged: a fifth of the memory, so that many can be kept for further answers.

    Parameters
    ----------
    message : bytes
        A RecommendationList in the wire format, without what is each answer's own.
    items : PackedItems
        What is logged.
    keys : tuple of int
        Keys of the products, in their order.
    strategy, failed, exhausted, displaced
        As in `Choice`.
    credits : tuple of float
        As in `ListDecision`.
    """

    message: bytes
    items: PackedItems
    strategy: str
    failed: tuple[str, ...] = ()
    exhausted: bool = False
    keys: tuple[int, ...] = ()
    displaced: Displaced | None = None
    credits: tuple[float, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What is shown to one caller, and how it came about.

    Parameters
    ----------
    page : ReadyPage
    number : int
        Number of the list, see `RecommendationNumbers`; `UNCOUNTED` of one that counts nothing.
    model_version : str
        Empty before the first training.
    fallbacks : tuple of str
        What was done without.
    generated_at : datetime
    segment : str
        Of the customer; empty for none.
    next_page_token : str
        Empty where nothing follows.
    exposures : tuple of Exposure
        The arms of experiments that it belongs to.
    variant_id : str
        What the placement's bandit chose; empty without one.
    """

    page: ReadyPage
    number: int
    model_version: str
    fallbacks: tuple[str, ...]
    generated_at: datetime
    segment: str = ""
    next_page_token: str = ""
    exposures: tuple[Exposure, ...] = ()
    variant_id: str = ""
