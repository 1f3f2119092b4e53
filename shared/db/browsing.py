"""Views of products and of other pages, as rows."""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from quintet.type.v1.event_pb2 import Event, PageType

from shared.db.identified_events import IdentifiedEvent
from shared.db.types import to_micros

LONGEST_VALUE = 500
NO_ACTIONS = "{}"
VIEW_COLUMNS = ("customer_id", "product_id", "session_id", "view_time", "duration_seconds", "page_actions")
PAGE_COLUMNS = ("customer_id", "session_id", "kind", "value", "details", "occurred_at")


def viewed_product(event: Event, kind: str) -> str:
    """Return the product whose page was shown (the platform's id); empty when the event is no product view."""
    return str(getattr(event, kind).product_id) if kind in ("product_view", "page_view") else ""


def view_row(act: IdentifiedEvent, product_key: int) -> tuple[Any, ...]:
    """Return the VIEW_COLUMNS of `browsing_history` for a product view, or for a page view of a product's page."""
    view = act.event.product_view
    actions = _actions(view.scrolls, view.clicks, view.scroll_depth) if act.kind == "product_view" else NO_ACTIONS
    return act.customer_key, product_key, act.session_key, to_micros(act.at), view.duration_seconds, actions


@lru_cache
def _actions(scrolls: int, clicks: int, scroll_depth: float) -> str:
    depth = {"scroll_depth": scroll_depth} if scroll_depth else {}
    return json.dumps({"scrolls": scrolls, "clicks": clicks, **depth})


def page_row(act: IdentifiedEvent) -> tuple[Any, ...] | None:
    """Return the PAGE_COLUMNS of `page_events`; None for events that are not about a page, or about a product's."""
    describe = _PAGES.get(act.kind)
    if describe is None or viewed_product(act.event, act.kind):
        return None
    value, details = describe(act.event)
    attributes = dict(act.event.attributes)
    said = json.dumps(details | ({"attributes": attributes} if attributes else {}))
    return act.customer_key, act.session_key, act.kind, value[:LONGEST_VALUE], said, to_micros(act.at)


def _page_view(event: Event) -> tuple[str, dict[str, Any]]:
    page = PageType.Name(event.page_view.page_type).removeprefix("PAGE_TYPE_").lower()
    category = event.page_view.category
    return page, {"category": category} if category else {}


def _search(event: Event) -> tuple[str, dict[str, Any]]:
    search = event.search
    return search.query, {"filter": search.filter, "product_ids": list(search.product_ids)}


_PAGES: dict[str, Callable[[Event], tuple[str, dict[str, Any]]]] = {
    "home_view": lambda _: ("", {}),
    "page_view": _page_view,
    "category_view": lambda event: (event.category_view.category, {}),
    "search": _search,
    "cart_view": lambda _: ("", {}),
    "custom": lambda event: (event.custom.name, {}),
}
