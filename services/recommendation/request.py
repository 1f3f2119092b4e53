"""What is asked of the recommendation agent and what it answers, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared.page_rules import DEFAULT_LIMIT, Filters, Page, Price

__all__ = ["Answer", "Explanation", "Filters", "Page", "PageContext", "Pick", "Price", "Query"]


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


@dataclass(frozen=True)
class Query:
    """One call: who asks, where, how many, and which products may be shown."""

    customer_id: str = ""
    visitor_id: str = ""
    context: PageContext = PageContext()
    limit: int = DEFAULT_LIMIT
    filters: Filters = field(default_factory=Filters)

    @property
    def all_filters(self) -> Filters:
        """The filters together with what the page itself demands."""
        return self.filters.on(self.context.page, self.context.category)


@dataclass(frozen=True)
class Explanation:
    """Why a product is recommended: kind in lower case, the platform's ids of its sources, group, sentence."""

    kind: str
    product_ids: tuple[str, ...] = ()
    group: str = ""
    text: str = ""


@dataclass(frozen=True)
class Pick:
    """One recommended product as it is now. `contributions` are largest first and add up to `score`."""

    recommendation_id: int
    product_id: str
    product_name: str
    category: str
    price: Price | None
    image_url: str
    score: float
    algorithm: str
    explanation: Explanation
    contributions: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """Picks, best first, and how they came about. `model_version` is empty before the first training."""

    picks: tuple[Pick, ...]
    model_version: str
    strategy: str
    fallbacks: tuple[str, ...]
    generated_at: datetime
