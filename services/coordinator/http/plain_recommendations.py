"""`GET /recommendations`: flat parameters as a request of the contract, and the answer as product cards."""

from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import RecommendationContext, RecommendationFilter

from services.coordinator.http.plain_event import page_type_of
from services.coordinator.http.plain_fields import Fields
from shared.errors import InvalidArgument
from shared.money import decimals

LISTS = frozenset({"cart_product_ids", "purchased_product_ids", "categories", "exclude_product_ids"})
"""Parameters that are lists."""
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False, "": False}


def to_recommendations_request(fields: Fields) -> pb.GetRecommendationsRequest:
    """Return the request that parameters stand for. Raises InvalidArgument naming the parameter."""
    currency = fields.text("currency")
    request = pb.GetRecommendationsRequest(
        customer_id=fields.text("customer_id"),
        visitor_id=fields.text("visitor_id"),
        limit=fields.whole("limit"),
        context=RecommendationContext(
            page_type=page_type_of(fields.text("page_type"), "page_type"),  # type: ignore[arg-type]
            product_id=fields.text("product_id"),
            category=fields.text("category"),
            cart_product_ids=fields.ids("cart_product_ids"),
            purchased_product_ids=fields.ids("purchased_product_ids"),
            search_query=fields.text("search_query", "query"),
            session_id=fields.text("session_id"),
        ),
        filter=RecommendationFilter(
            categories=fields.ids("categories"),
            min_price=fields.money("min_price", currency),
            max_price=fields.money("max_price", currency),
            exclude_product_ids=fields.ids("exclude_product_ids"),
            in_stock_only=bool(flag(fields, "in_stock_only")),
        ),
    )
    fields.end("this call")
    return request


def flag(fields: Fields, name: str) -> bool | None:
    """Return a parameter that is true or false; None without it."""
    _, text = fields.take(name)
    if text is None:
        return None
    found = _BOOLEANS.get(str(text).lower())
    if found is None:
        raise InvalidArgument.of(name, text, "must be true or false")
    return found


def to_cards(answer: Any) -> dict[str, Any]:
    """Return a `RecommendationList` as what a page shows."""
    return {
        "recommendations": [_card(each) for each in answer.recommendations],
        "attribution_token": answer.attribution_token,
        "strategy": answer.strategy,
        "fallbacks": list(answer.fallbacks),
    }


def decimal_price(price: Money) -> str:
    """Return an amount as a decimal, such as `19.99`, with as many decimals as its currency has."""
    places = decimals(price.currency_code)
    digits = f"{price.amount_minor:0{places + 1}d}"
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def _card(item: Any) -> dict[str, Any]:
    price = item.price if item.HasField("price") else None
    return {
        "recommendation_id": item.recommendation_id,
        "product_id": item.product_id,
        "name": item.product_name,
        "price": decimal_price(price) if price is not None else None,
        "currency": price.currency_code if price is not None else None,
        "price_minor": price.amount_minor if price is not None else None,
        "image": item.image_url or None,
        "reason": item.reason.text,
        "category": item.category,
        "position": item.position,
    }
