"""What is asked of the recommendation agent and what it answers, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.consent import NOTHING_SAID, Consent
from shared.db.recommendation_items import PackedItems
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
    """One call: who asks, where, how many, and which products may be shown."""

    customer_id: str = ""
    visitor_id: str = ""
    context: PageContext = PageContext()
    limit: int = DEFAULT_LIMIT
    filters: Filters = field(default_factory=Filters)
    consent: Consent = NOTHING_SAID

    @property
    def all_filters(self) -> Filters:
        """The filters together with what the page itself demands."""
        return self.filters.on(self.context.page, self.context.category)


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

    `contributions` are largest first and add up to `score`.
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
    group_id: str = ""

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
    """

    picks: tuple[Pick, ...]
    strategy: str
    failed: tuple[str, ...] = ()
    exhausted: bool = False


@dataclass(frozen=True, eq=False)
class ReadyPage:
    """A choice as it is sent and logged: a fifth of the memory, so that many can be kept for further answers.

    Parameters
    ----------
    message : bytes
        A RecommendationList in the wire format, without what is each answer's own.
    items : PackedItems
        What is logged.
    strategy, failed, exhausted
        As in `Choice`.
    """

    message: bytes
    items: PackedItems
    strategy: str
    failed: tuple[str, ...] = ()
    exhausted: bool = False


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
    """

    page: ReadyPage
    number: int
    model_version: str
    fallbacks: tuple[str, ...]
    generated_at: datetime
