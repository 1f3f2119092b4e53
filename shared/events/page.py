"""The page of a request for recommendations, as values that the rules of pages take."""

from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import RecommendationContext, RecommendationFilter

from shared.filters.parser import parse
from shared.page_rules import DEFAULT_LIMIT, MAX_LIMIT, Filters, Page, Price


def page_of(context: RecommendationContext) -> Page:
    """Return the kind of the page that a checked context names; HOME where it names none."""
    return page_of_type(context.page_type)


def page_of_type(page_type: int) -> Page:
    """Return the kind of page that a checked page type names; HOME where it names none."""
    return Page(PageType.Name(page_type or PageType.PAGE_TYPE_HOME).removeprefix("PAGE_TYPE_"))  # type: ignore[arg-type]


def filters_of(rule: RecommendationFilter) -> Filters:
    """Return a checked filter."""
    return Filters(
        categories=frozenset(rule.categories),
        min_price=_price(rule.min_price) if rule.HasField("min_price") else None,
        max_price=_price(rule.max_price) if rule.HasField("max_price") else None,
        exclude_product_ids=frozenset(rule.exclude_product_ids),
        in_stock_only=rule.in_stock_only,
        expression=parse(rule.expression),
    )


def limit_of(limit: int) -> int:
    """Return how many products a request asks for, from what its field `limit` says."""
    return min(limit or DEFAULT_LIMIT, MAX_LIMIT)


def _price(money: Money) -> Price:
    return Price(money.amount_minor, money.currency_code)
