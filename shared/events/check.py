"""Is an event well formed? Each rule names the field and the value it objects to.

The event is the contract's own message, `quintet.type.v1.Event`: what is checked here is what is stored and projected.
"""

import re
from collections.abc import Callable, Container, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import inf
from time import time
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import Event, PageType
from quintet.type.v1.money_pb2 import Money

from shared import limits
from shared.currencies import CURRENCIES
from shared.errors import InvalidArgument, shown

HIDDEN = "(hidden)"
"""What errors show in place of personal data."""
NANOS_A_SECOND = 1_000_000_000
DAYS_A_YEAR = 365
# Control characters, line separators and what turns the direction of writing: they make two ids look alike.
_NOT_IN_IDS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_PLAIN_ID = re.compile(r"[A-Za-z0-9_.:#-]{1,128}")
_PLAIN_IDS = re.compile(r"[A-Za-z0-9_.:#-]{0,128}(?: [A-Za-z0-9_.:#-]{0,128}){4}")
_PAGE_TYPES = frozenset(PageType.values()) - {PageType.PAGE_TYPE_UNSPECIFIED}
_NOT_IN_TEXTS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def check_event(event: Event, field: str = "event") -> str:
    """Return the kind of an event: the field of its detail.

    Raises InvalidArgument when `event` breaks a rule of the contract; `field` is its path in the request.
    """
    check_size(event, field)
    _check_ids(event, field)
    if event.HasField("event_time"):
        check_time(event.event_time, f"{field}.event_time")
    if event.attributes:
        check_attributes(event.attributes, f"{field}.attributes")
    kind = event.WhichOneof("detail")
    if kind is None:
        raise InvalidArgument.of(f"{field}.detail", None, "one kind of event is required", ErrorReason.FIELD_REQUIRED)
    check_detail = _DETAILS.get(kind)
    if check_detail is not None:
        check_detail(getattr(event, kind), f"{field}.{kind}")
    return kind


def check_size(element: Message, field: str) -> None:
    """Raise InvalidArgument when an event, product or customer has too many bytes. Cheaper than all other checks."""
    size = element.ByteSize()
    if size > limits.MAX_ELEMENT_BYTES:
        problem = f"must have at most {limits.MAX_ELEMENT_BYTES} bytes"
        raise InvalidArgument.of(field, size, problem, ErrorReason.ELEMENT_TOO_LARGE, limit=limits.MAX_ELEMENT_BYTES)


def check_id(value: str, field: str, *, required: bool = True) -> None:
    """Raise InvalidArgument unless `value` is an id: 1 to 128 characters, none of them a control character."""
    if _PLAIN_ID.fullmatch(value):  # as most are: that spares the rules below, which it keeps
        return
    if not value:
        if required:
            raise InvalidArgument.of(field, value, "is required", ErrorReason.FIELD_REQUIRED)
        return
    if not value.strip():
        raise InvalidArgument.of(field, value, "must not be blank", ErrorReason.FIELD_REQUIRED)
    check_text(value, field, limits.MAX_ID)
    if _NOT_IN_IDS.search(value):
        raise _has_controls(field, value)


def check_text(value: str, field: str, longest: int, *, required: bool = False, private: bool = False) -> None:
    """Raise InvalidArgument when a text is missing though required, or longer than `longest` characters.

    The error does not show a text that is `private`: what people are called, write or search for.
    """
    told = HIDDEN if private else value
    if required and not value.strip():
        raise InvalidArgument.of(field, told, "is required", ErrorReason.FIELD_REQUIRED)
    if len(value) > longest:
        problem = f"must be at most {longest} characters, is {len(value)}"
        raise InvalidArgument.of(field, told, problem, ErrorReason.FIELD_TOO_LONG, limit=longest)
    if _NOT_IN_TEXTS.search(value):
        raise _has_controls(field, told)


def check_time(value: Timestamp, field: str, ahead: timedelta | None = limits.MAX_FUTURE) -> None:
    """Raise InvalidArgument unless the time is valid, after 1970 and at most `ahead` of now; None is without bound."""
    if 0 <= value.seconds < time() and 0 <= value.nanos < NANOS_A_SECOND:  # as most are: that spares making a datetime
        return
    try:
        moment = value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        given = f"{value.seconds} s and {value.nanos} ns"
        problem = "is not a time between the years 1 and 9999"
        raise InvalidArgument.of(field, given, problem, ErrorReason.FIELD_MALFORMED) from error
    if value.seconds < 0:
        problem = "must be after 1970"
        raise InvalidArgument.of(field, moment.isoformat(), problem, ErrorReason.FIELD_OUT_OF_RANGE)
    if ahead is not None and moment > datetime.now(UTC) + ahead:
        problem = f"must be at most {_spelled(ahead)} in the future"
        raise InvalidArgument.of(field, moment.isoformat(), problem, ErrorReason.FIELD_OUT_OF_RANGE)


def _spelled(length: timedelta) -> str:
    days, minutes = length.days, length.seconds // 60
    if days >= DAYS_A_YEAR:
        return f"{days // DAYS_A_YEAR} years"
    return f"{days * 24} hours" if days else f"{minutes} minutes"


def check_money(value: Money, field: str, most: int = limits.MAX_AMOUNT_MINOR) -> None:
    """Raise InvalidArgument unless the currency is known and the amount not negative and at most `most` minor units."""
    if value.currency_code not in CURRENCIES:
        problem = "must be a currency of ISO 4217, such as USD"
        reason = ErrorReason.CURRENCY_UNKNOWN if value.currency_code else ErrorReason.FIELD_REQUIRED
        raise InvalidArgument.of(f"{field}.currency_code", value.currency_code, problem, reason)
    check_number(value.amount_minor, f"{field}.amount_minor", 0, most)


def check_count(values: Any, field: str, most: int, *, least: int = 0) -> None:
    """Raise InvalidArgument unless a list has `least` to `most` entries."""
    count = len(values)
    if least <= count <= most:
        return
    problem = f"must have {least} to {most} entries"
    if count > most:
        raise InvalidArgument.of(field, count, problem, ErrorReason.TOO_MANY_ELEMENTS, limit=most)
    raise InvalidArgument.of(field, count, problem, ErrorReason.FIELD_REQUIRED)


def check_number(value: float, field: str, low: float, high: float, *, above: bool = False) -> None:
    """Raise InvalidArgument unless `low` <= value <= `high` (with `above`: low < value). NaN fails."""
    if low <= value <= high and not (above and value == low):
        return
    least = f"must be {'above' if above else 'at least'} {low:.13g}"
    if high == inf:
        problem, bounds = "must not be negative" if low == 0 and not above else least, {}
    else:
        problem, bounds = f"{least} and at most {high:.13g}", {"maximum": f"{high:.13g}"}
    raise InvalidArgument.of(field, value, problem, ErrorReason.FIELD_OUT_OF_RANGE, minimum=f"{low:.13g}", **bounds)


def check_choice(value: object, field: str, known: Container[object], what: str) -> None:
    """Raise InvalidArgument unless the value is one of those known; `what` names them: `one of the page types`."""
    if value not in known:
        raise InvalidArgument.of(field, value, f"must be {what}", ErrorReason.FIELD_UNKNOWN_VALUE)


def check_attributes(attributes: Mapping[str, str], field: str, most: int = limits.MAX_EVENT_ATTRIBUTES) -> None:
    """Raise InvalidArgument unless there are at most `most` attributes, with names and values of fair length."""
    check_count(attributes, field, most)
    for name, value in attributes.items():
        check_text(name, field, limits.MAX_EVENT_ATTRIBUTE_NAME, required=True)
        check_text(value, f"{field}[{shown(name)}]", limits.MAX_EVENT_ATTRIBUTE, private=True)


def _has_controls(field: str, value: str) -> InvalidArgument:
    return InvalidArgument.of(field, value, "must not contain control characters", ErrorReason.FIELD_MALFORMED)


def _check_ids(event: Event, field: str) -> None:
    customer_id, visitor_id = event.customer_id, event.visitor_id
    ids = (event.event_id, customer_id, visitor_id, event.session_id, event.recommendation_id)
    if (customer_id or visitor_id) and _PLAIN_IDS.fullmatch(" ".join(ids)):  # as most are: see check_id
        return
    check_id(event.event_id, f"{field}.event_id", required=False)
    if not customer_id and not visitor_id:
        problem = "is required unless visitor_id is set"
        raise InvalidArgument.of(f"{field}.customer_id", "", problem, ErrorReason.FIELD_REQUIRED)
    check_id(customer_id, f"{field}.customer_id", required=False)
    check_id(visitor_id, f"{field}.visitor_id", required=False)
    check_id(event.session_id, f"{field}.session_id", required=False)
    check_id(event.recommendation_id, f"{field}.recommendation_id", required=False)


def _check_page_view(view: Any, field: str) -> None:
    check_choice(view.page_type, f"{field}.page_type", _PAGE_TYPES, "one of the page types")
    is_product = view.page_type == PageType.PAGE_TYPE_PRODUCT
    is_category = view.page_type == PageType.PAGE_TYPE_CATEGORY
    if view.product_id and not is_product:
        problem = "belongs to product pages only"
        raise InvalidArgument.of(f"{field}.product_id", view.product_id, problem, ErrorReason.FIELD_CONFLICT)
    if view.category and not is_category:
        problem = "belongs to category pages only"
        raise InvalidArgument.of(f"{field}.category", view.category, problem, ErrorReason.FIELD_CONFLICT)
    check_id(view.product_id, f"{field}.product_id", required=is_product)
    check_text(view.category, f"{field}.category", limits.MAX_CATEGORY, required=is_category)


def _check_search(search: Any, field: str) -> None:
    check_text(search.query, f"{field}.query", limits.MAX_SEARCH, required=True, private=True)
    check_text(search.filter, f"{field}.filter", limits.MAX_SEARCH_FILTER, private=True)
    check_count(search.product_ids, f"{field}.product_ids", limits.MAX_RESULT_PRODUCTS)
    for index, product_id in enumerate(search.product_ids):
        check_id(product_id, f"{field}.product_ids[{index}]")


def _check_product_view(view: Any, field: str) -> None:
    check_id(view.product_id, f"{field}.product_id")
    if view.duration_seconds:
        check_number(view.duration_seconds, f"{field}.duration_seconds", 0, limits.MAX_DURATION_SECONDS)
    if view.scrolls:
        check_number(view.scrolls, f"{field}.scrolls", 0, inf)
    if view.clicks:
        check_number(view.clicks, f"{field}.clicks", 0, inf)
    if view.scroll_depth:
        check_number(view.scroll_depth, f"{field}.scroll_depth", 0, 1)


def _check_quantities(items: Iterable[Any], field: str) -> None:
    for index, item in enumerate(items):
        check_id(item.product_id, f"{field}[{index}].product_id")
        if item.HasField("quantity"):
            check_number(item.quantity, f"{field}[{index}].quantity", 0, limits.MAX_QUANTITY, above=True)


def _check_items(detail: Any, field: str) -> None:
    check_count(detail.items, f"{field}.items", limits.MAX_CART_ITEMS, least=1)
    _check_quantities(detail.items, f"{field}.items")


def _check_purchase(purchase: Any, field: str) -> None:
    check_id(purchase.purchase_id, f"{field}.purchase_id")
    check_count(purchase.items, f"{field}.items", limits.MAX_ORDER_LINES, least=1)
    _check_quantities(purchase.items, f"{field}.items")
    amounts = [
        (line.amount, f"{field}.items[{i}].amount") for i, line in enumerate(purchase.items) if line.HasField("amount")
    ]
    if purchase.HasField("total"):
        amounts.append((purchase.total, f"{field}.total"))
    for amount, path in amounts:
        check_money(amount, path)
        if amount.currency_code != amounts[0][0].currency_code:
            problem = "an order has one currency"
            raise InvalidArgument.of(
                f"{path}.currency_code", amount.currency_code, problem, ErrorReason.CURRENCY_MISMATCH
            )


def _check_refund(refund: Any, field: str) -> None:
    check_id(refund.purchase_id, f"{field}.purchase_id")
    check_count(refund.items, f"{field}.items", limits.MAX_ORDER_LINES)
    _check_quantities(refund.items, f"{field}.items")
    if refund.HasField("amount"):
        check_money(refund.amount, f"{field}.amount")


def _check_impression(impression: Any, field: str) -> None:
    least = 0 if impression.attribution_token else 1
    check_count(impression.recommendation_ids, f"{field}.recommendation_ids", limits.MAX_IMPRESSIONS, least=least)
    check_id(impression.attribution_token, f"{field}.attribution_token", required=False)
    for index, recommendation_id in enumerate(impression.recommendation_ids):
        check_id(recommendation_id, f"{field}.recommendation_ids[{index}]")


_DETAILS: dict[str, Callable[[Any, str], None]] = {
    "page_view": _check_page_view,
    "category_view": lambda view, field: check_text(
        view.category, f"{field}.category", limits.MAX_CATEGORY, required=True
    ),
    "search": _check_search,
    "product_view": _check_product_view,
    "add_to_cart": _check_items,
    "remove_from_cart": _check_items,
    "purchase": _check_purchase,
    "refund": _check_refund,
    "impression": _check_impression,
    "custom": lambda custom, field: check_text(custom.name, f"{field}.name", limits.MAX_CUSTOM_NAME, required=True),
}
