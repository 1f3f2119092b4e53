"""Is an event well formed? Each rule names the field and the value it objects to.

The event is the contract's own message, `quintet.type.v1.Event`: what is checked here is what is stored and projected.
"""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from math import inf
from time import time
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from quintet.type.v1.event_pb2 import Event, PageType
from quintet.type.v1.money_pb2 import Money

from shared.errors import InvalidArgument, shown

HIDDEN = "(hidden)"
"""What errors show in place of personal data."""
MAX_ID = 128
MAX_QUANTITY = 1_000_000.0
MAX_DURATION_SECONDS = 86_400.0
MAX_ATTRIBUTES = 100
MAX_FUTURE = timedelta(hours=24)
NANOS_A_SECOND = 1_000_000_000
MAX_AMOUNT_MINOR = 10**12
"""Most of one line or order, in minor units: sums of millions of them stay within 64 bits."""
MAX_PRICE_MINOR = 10**10
"""Most of one unit, in minor units: times the largest quantity it stays within 64 bits."""
_CURRENCY = re.compile(r"[A-Z]{3}")
# Control characters, line separators and what turns the direction of writing: they make two ids look alike.
_NOT_IN_IDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:#-]{1,128}")
_PLAIN_IDS = re.compile(r"[A-Za-z0-9_.:#-]{0,128}(?: [A-Za-z0-9_.:#-]{0,128}){4}")
_NOT_IN_TEXTS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def check_event(event: Event, field: str = "event") -> str:
    """Return the kind of an event: the field of its detail.

    Raises InvalidArgument when `event` breaks a rule of the contract; `field` is its path in the request.
    """
    _check_ids(event, field)
    if event.HasField("event_time"):
        check_time(event.event_time, f"{field}.event_time")
    if event.attributes:
        _check_attributes(event, field)
    kind = event.WhichOneof("detail")
    if kind is None:
        raise InvalidArgument.of(f"{field}.detail", None, "one kind of event is required")
    check_detail = _DETAILS.get(kind)
    if check_detail is not None:
        check_detail(getattr(event, kind), f"{field}.{kind}")
    return kind


def check_id(value: str, field: str, *, required: bool = True) -> None:
    """Raise InvalidArgument unless `value` is an id: 1 to 128 characters, none of them a control character."""
    if _PLAIN_ID.fullmatch(value):  # as most are: that spares the rules below, which it keeps
        return
    if not value:
        if required:
            raise InvalidArgument.of(field, value, "is required")
        return
    if not value.strip():
        raise InvalidArgument.of(field, value, "must not be blank")
    check_text(value, field, MAX_ID)
    if _NOT_IN_IDS.search(value):
        raise InvalidArgument.of(field, value, "must not contain control characters")


def check_text(value: str, field: str, longest: int, *, required: bool = False, private: bool = False) -> None:
    """Raise InvalidArgument when a text is missing though required, or longer than `longest` characters.

    The error does not show a text that is `private`: what people are called, write or search for.
    """
    told = HIDDEN if private else value
    if required and not value.strip():
        raise InvalidArgument.of(field, told, "is required")
    if len(value) > longest:
        raise InvalidArgument.of(field, told, f"must be at most {longest} characters, is {len(value)}")
    if _NOT_IN_TEXTS.search(value):
        raise InvalidArgument.of(field, told, "must not contain control characters")


def check_time(value: Timestamp, field: str) -> None:
    """Raise InvalidArgument unless the time is valid, after 1970 and at most 24 hours ahead."""
    if 0 <= value.seconds < time() and 0 <= value.nanos < NANOS_A_SECOND:  # as most are: that spares making a datetime
        return
    try:
        moment = value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        given = f"{value.seconds} s and {value.nanos} ns"
        raise InvalidArgument.of(field, given, "is not a time between the years 1 and 9999") from error
    if value.seconds < 0:
        raise InvalidArgument.of(field, moment.isoformat(), "must be after 1970")
    if moment > datetime.now(UTC) + MAX_FUTURE:
        raise InvalidArgument.of(field, moment.isoformat(), "must be at most 24 hours in the future")


def check_money(value: Money, field: str, most: int = MAX_AMOUNT_MINOR) -> None:
    """Raise InvalidArgument unless the amount has a currency, is not negative and at most `most` minor units."""
    if not _CURRENCY.fullmatch(value.currency_code):
        raise InvalidArgument.of(f"{field}.currency_code", value.currency_code, "must be three capital letters")
    if value.amount_minor < 0:
        raise InvalidArgument.of(f"{field}.amount_minor", value.amount_minor, "must not be negative")
    if value.amount_minor > most:
        raise InvalidArgument.of(f"{field}.amount_minor", value.amount_minor, f"must be at most {most}")


def check_count(values: Any, field: str, most: int, *, least: int = 0) -> None:
    """Raise InvalidArgument unless a list has `least` to `most` entries."""
    if not least <= len(values) <= most:
        raise InvalidArgument.of(field, len(values), f"must have {least} to {most} entries")


def check_number(value: float, field: str, low: float, high: float, *, above: bool = False) -> None:
    """Raise InvalidArgument unless `low` <= value <= `high` (with `above`: low < value). NaN fails."""
    if not low <= value <= high or (above and value == low):
        least = f"must be {'above' if above else 'at least'} {low:.12g}"
        raise InvalidArgument.of(field, value, least if high == inf else f"{least} and at most {high:.12g}")


def _check_ids(event: Event, field: str) -> None:
    customer_id, visitor_id = event.customer_id, event.visitor_id
    ids = (event.event_id, customer_id, visitor_id, event.session_id, event.recommendation_id)
    if (customer_id or visitor_id) and _PLAIN_IDS.fullmatch(" ".join(ids)):  # as most are: see check_id
        return
    check_id(event.event_id, f"{field}.event_id", required=False)
    if not customer_id and not visitor_id:
        raise InvalidArgument.of(f"{field}.customer_id", "", "is required unless visitor_id is set")
    check_id(customer_id, f"{field}.customer_id", required=False)
    check_id(visitor_id, f"{field}.visitor_id", required=False)
    check_id(event.session_id, f"{field}.session_id", required=False)
    check_id(event.recommendation_id, f"{field}.recommendation_id", required=False)


def _check_attributes(event: Event, field: str) -> None:
    if len(event.attributes) > MAX_ATTRIBUTES:
        raise InvalidArgument.of(f"{field}.attributes", len(event.attributes), f"at most {MAX_ATTRIBUTES} entries")
    for name, value in event.attributes.items():
        check_text(name, f"{field}.attributes", 100, required=True)
        check_text(value, f"{field}.attributes[{shown(name)}]", 1000, private=True)


def _check_page_view(view: Any, field: str) -> None:
    if view.page_type == PageType.PAGE_TYPE_UNSPECIFIED or view.page_type not in PageType.values():
        raise InvalidArgument.of(f"{field}.page_type", view.page_type, "must be one of the page types")
    is_product = view.page_type == PageType.PAGE_TYPE_PRODUCT
    is_category = view.page_type == PageType.PAGE_TYPE_CATEGORY
    if view.product_id and not is_product:
        raise InvalidArgument.of(f"{field}.product_id", view.product_id, "belongs to product pages only")
    if view.category and not is_category:
        raise InvalidArgument.of(f"{field}.category", view.category, "belongs to category pages only")
    check_id(view.product_id, f"{field}.product_id", required=is_product)
    check_text(view.category, f"{field}.category", 200, required=is_category)


def _check_search(search: Any, field: str) -> None:
    check_text(search.query, f"{field}.query", 500, required=True, private=True)
    check_text(search.filter, f"{field}.filter", 1000, private=True)
    check_count(search.product_ids, f"{field}.product_ids", 200)
    for index, product_id in enumerate(search.product_ids):
        check_id(product_id, f"{field}.product_ids[{index}]")


def _check_product_view(view: Any, field: str) -> None:
    check_id(view.product_id, f"{field}.product_id")
    if view.duration_seconds:
        check_number(view.duration_seconds, f"{field}.duration_seconds", 0, MAX_DURATION_SECONDS)
    if view.scrolls:
        check_number(view.scrolls, f"{field}.scrolls", 0, inf)
    if view.clicks:
        check_number(view.clicks, f"{field}.clicks", 0, inf)


def _check_quantities(items: Iterable[Any], field: str) -> None:
    for index, item in enumerate(items):
        check_id(item.product_id, f"{field}[{index}].product_id")
        if item.quantity:  # proto3 cannot tell 0 from unset: 0 means the default of one unit
            check_number(item.quantity, f"{field}[{index}].quantity", 0, MAX_QUANTITY, above=True)


def _check_items(detail: Any, field: str) -> None:
    check_count(detail.items, f"{field}.items", 200, least=1)
    _check_quantities(detail.items, f"{field}.items")


def _check_purchase(purchase: Any, field: str) -> None:
    check_id(purchase.purchase_id, f"{field}.purchase_id")
    check_count(purchase.items, f"{field}.items", 1000, least=1)
    _check_quantities(purchase.items, f"{field}.items")
    amounts = [
        (line.amount, f"{field}.items[{i}].amount") for i, line in enumerate(purchase.items) if line.HasField("amount")
    ]
    if purchase.HasField("total"):
        amounts.append((purchase.total, f"{field}.total"))
    for amount, path in amounts:
        check_money(amount, path)
        if amount.currency_code != amounts[0][0].currency_code:
            raise InvalidArgument.of(f"{path}.currency_code", amount.currency_code, "an order has one currency")


def _check_refund(refund: Any, field: str) -> None:
    check_id(refund.purchase_id, f"{field}.purchase_id")
    check_count(refund.items, f"{field}.items", 1000)
    _check_quantities(refund.items, f"{field}.items")
    if refund.HasField("amount"):
        check_money(refund.amount, f"{field}.amount")


def _check_impression(impression: Any, field: str) -> None:
    check_count(impression.recommendation_ids, f"{field}.recommendation_ids", 200, least=1)
    for index, recommendation_id in enumerate(impression.recommendation_ids):
        check_id(recommendation_id, f"{field}.recommendation_ids[{index}]")


_DETAILS: dict[str, Callable[[Any, str], None]] = {
    "page_view": _check_page_view,
    "category_view": lambda view, field: check_text(view.category, f"{field}.category", 200, required=True),
    "search": _check_search,
    "product_view": _check_product_view,
    "add_to_cart": _check_items,
    "remove_from_cart": _check_items,
    "purchase": _check_purchase,
    "refund": _check_refund,
    "impression": _check_impression,
    "custom": lambda custom, field: check_text(custom.name, f"{field}.name", 100, required=True),
}
