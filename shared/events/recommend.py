"""Is a request for recommendations well formed? It is refused the same way, whoever would answer it."""

from collections.abc import Iterable, Iterator
from math import inf

from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.recommendation_pb2 import RecommendationContext, RecommendationFilter

from shared import limits
from shared.errors import InvalidArgument
from shared.events.check import check_choice, check_count, check_id, check_money, check_number, check_text

PAGE_TYPES = frozenset(PageType.values())


def check_recommend(context: RecommendationContext, rule: RecommendationFilter, limit: int, prefix: str = "") -> None:
    """Raise InvalidArgument when a request breaks a rule of the contract; `prefix` is the path of its fields."""
    check_number(limit, f"{prefix}limit", 0, inf)
    _check_context(context, f"{prefix}context")
    _check_filter(rule, f"{prefix}filter")


def context_products(context: RecommendationContext, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield (product id, field path) for each product that a context names and that must exist."""
    if context.product_id:
        yield context.product_id, f"{prefix}context.product_id"
    for name in ("cart_product_ids", "purchased_product_ids"):
        for index, product_id in enumerate(getattr(context, name)):
            yield product_id, f"{prefix}context.{name}[{index}]"


def _check_context(context: RecommendationContext, field: str) -> None:
    check_choice(context.page_type, f"{field}.page_type", PAGE_TYPES, "one of the page types")
    is_product = context.page_type == PageType.PAGE_TYPE_PRODUCT
    is_category = context.page_type == PageType.PAGE_TYPE_CATEGORY
    check_id(context.product_id, f"{field}.product_id", required=is_product)
    check_text(context.category, f"{field}.category", limits.MAX_CATEGORY, required=is_category)
    check_text(context.search_query, f"{field}.search_query", limits.MAX_SEARCH)
    check_id(context.session_id, f"{field}.session_id", required=False)
    check_id(context.place_id, f"{field}.place_id", required=False)
    _check_ids(context.cart_product_ids, f"{field}.cart_product_ids", limits.MAX_CONTEXT_PRODUCTS)
    _check_ids(context.purchased_product_ids, f"{field}.purchased_product_ids", limits.MAX_CONTEXT_PRODUCTS)


def _check_filter(rule: RecommendationFilter, field: str) -> None:
    check_count(rule.categories, f"{field}.categories", limits.MAX_FILTER_CATEGORIES)
    for index, category in enumerate(rule.categories):
        check_text(category, f"{field}.categories[{index}]", limits.MAX_CATEGORY, required=True)
    _check_ids(rule.exclude_product_ids, f"{field}.exclude_product_ids", limits.MAX_EXCLUDED)
    for name in ("min_price", "max_price"):
        if rule.HasField(name):
            check_money(getattr(rule, name), f"{field}.{name}")
    if rule.HasField("min_price") and rule.HasField("max_price"):
        _check_range(rule, field)


def _check_range(rule: RecommendationFilter, field: str) -> None:
    low, high = rule.min_price, rule.max_price
    if low.currency_code != high.currency_code:
        problem = f"must be the currency of min_price, {low.currency_code}"
        raise InvalidArgument.of(
            f"{field}.max_price.currency_code", high.currency_code, problem, ErrorReason.CURRENCY_MISMATCH
        )
    if low.amount_minor > high.amount_minor:
        problem = f"must not be below min_price, {low.amount_minor}"
        raise InvalidArgument.of(
            f"{field}.max_price.amount_minor", high.amount_minor, problem, ErrorReason.FIELD_CONFLICT
        )


def _check_ids(ids: Iterable[str], field: str, most: int) -> None:
    check_count(ids, field, most)
    for index, each in enumerate(ids):
        check_id(each, f"{field}[{index}]")
