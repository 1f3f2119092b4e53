"""`POST /event`: a flat object as an event of the contract."""

from collections.abc import Callable
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.event_pb2 import (
    AddToCart,
    CartView,
    CategoryView,
    CustomEvent,
    Event,
    HomeView,
    Impression,
    PageType,
    PageView,
    ProductQuantity,
    ProductView,
    Purchase,
    PurchaseLine,
    Refund,
    RemoveFromCart,
    Search,
)
from quintet.type.v1.money_pb2 import Money

from services.coordinator.http.plain_fields import Fields
from shared.errors import InvalidArgument
from shared.event_types import CUSTOM, NAMES, EventTypes
from shared.money import line_amount

IMPRESSION = "impression"
_TYPES = EventTypes({})


def to_record_request(fields: Fields) -> pb.RecordEventRequest:
    """Return the request that a flat object stands for. Raises InvalidArgument naming the field."""
    kind = _kind(fields)
    event = Event(
        event_id=fields.id("event_id"),
        customer_id=fields.id("customer_id"),
        visitor_id=fields.id("visitor_id"),
        session_id=fields.id("session_id"),
        event_time=fields.time("timestamp", "event_time"),
        recommendation_id=fields.id("recommendation_id"),
        attributes=fields.texts_by_name("attributes"),
    )
    request = pb.RecordEventRequest(event=event)
    recommend = _wanted(fields)
    if recommend is not None:
        request.recommend.limit = recommend
    name = "custom" if kind.startswith(CUSTOM) else kind
    detail = CustomEvent(name=kind.removeprefix(CUSTOM)) if name == "custom" else _DETAILS[name](fields)
    fields.end(f"a {kind} event")
    getattr(request.event, name).CopyFrom(detail)
    return request


def page_type_of(text: str, field: str) -> int:
    """Return the page type of a word such as `product`, `product_page` or `PAGE_TYPE_PRODUCT`; 0 of an empty one."""
    if not text:
        return int(PageType.PAGE_TYPE_UNSPECIFIED)
    word = text.upper().replace("-", "_").removeprefix("PAGE_TYPE_").removesuffix("_PAGE").removesuffix("PAGE")
    known = [name.removeprefix("PAGE_TYPE_") for name in PageType.keys()[1:]]
    if word not in known:
        raise InvalidArgument.of(field, text, f"must be one of {', '.join(known).lower()}")
    return int(PageType.Value(f"PAGE_TYPE_{word}"))


def _kind(fields: Fields) -> str:
    text = fields.text("event_type")
    if text == "custom":
        return CUSTOM + fields.text("name")
    if text == IMPRESSION:
        return text
    try:
        return _TYPES.of(text)
    except InvalidArgument as error:
        known = ", ".join((*NAMES, IMPRESSION))
        raise InvalidArgument.of("event_type", text, f"must be one of {known} or custom:NAME") from error


def _wanted(fields: Fields) -> int | None:
    """Return how many recommendations shall answer the event; None for none."""
    name, value = fields.take("recommend")
    if value is None or value is False:
        return None
    return 0 if value is True else Fields({name: value}).whole(name)


def _page_view(fields: Fields) -> PageView:
    return PageView(
        page_type=page_type_of(fields.text("page_type"), "page_type"),  # type: ignore[arg-type]
        product_id=fields.id("product_id"),
        category=fields.text("category"),
    )


def _search(fields: Fields) -> Search:
    return Search(
        query=fields.text("query", "search_query"), product_ids=fields.ids("product_ids"), filter=fields.text("filter")
    )


def _product_view(fields: Fields) -> ProductView:
    return ProductView(
        product_id=fields.id("product_id"),
        duration_seconds=fields.number("duration_seconds") or 0.0,
        scrolls=fields.whole("scrolls"),
        clicks=fields.whole("clicks"),
        scroll_depth=fields.number("scroll_depth") or 0.0,
    )


def _items(fields: Fields, make: Callable[[Fields], Any]) -> list[Any]:
    """Return `items`, each made by `make`, or the one product that the object itself names."""
    return [make(each) for each in fields.entries("items")] or [make(fields)]


def _quantity(fields: Fields) -> ProductQuantity:
    return ProductQuantity(product_id=fields.id("product_id"), quantity=fields.number("quantity"))


def _purchase(fields: Fields) -> Purchase:
    currency = fields.text("currency", "currency_code")
    return Purchase(
        purchase_id=fields.id("purchase_id", "order_id"),
        items=_items(fields, lambda each: _purchase_line(each, currency)),
        total=fields.money("total", currency),
    )


def _purchase_line(fields: Fields, currency: str) -> PurchaseLine:
    line = PurchaseLine(product_id=fields.id("product_id"), quantity=fields.number("quantity"))
    quantity = line.quantity if line.HasField("quantity") else 1.0
    amount, price = fields.money("amount", currency), fields.money("price", currency)
    if amount is None and price is not None:
        amount = Money(currency_code=price.currency_code, amount_minor=line_amount(price.amount_minor, quantity))
    if amount is not None:
        line.amount.CopyFrom(amount)
    return line


def _refund(fields: Fields) -> Refund:
    currency = fields.text("currency", "currency_code")
    return Refund(
        purchase_id=fields.id("purchase_id", "order_id"),
        items=[_quantity(each) for each in fields.entries("items")],
        amount=fields.money("amount", currency),
    )


_DETAILS: dict[str, Callable[[Fields], Any]] = {
    "home_view": lambda _: HomeView(),
    "page_view": _page_view,
    "category_view": lambda fields: CategoryView(category=fields.text("category")),
    "search": _search,
    "product_view": _product_view,
    "add_to_cart": lambda fields: AddToCart(items=_items(fields, _quantity)),
    "remove_from_cart": lambda fields: RemoveFromCart(items=_items(fields, _quantity)),
    "cart_view": lambda _: CartView(),
    "purchase": _purchase,
    "refund": _refund,
    IMPRESSION: lambda fields: Impression(
        recommendation_ids=fields.ids("recommendation_ids"), attribution_token=fields.id("attribution_token")
    ),
}
