"""What an event refers to: the products and recommendations it names, with the field that names them."""

from collections.abc import Iterator, Sequence
from typing import Final

from quintet.type.v1.event_pb2 import Event

WITH_ITEMS = ("add_to_cart", "remove_from_cart", "purchase", "refund")
"""Kinds of events about several products."""
VIEWS = ("product_view", "page_view")
"""Kinds of events about one product, a `page_view` on pages of products only."""
ATTRIBUTION_TOKEN: Final = "attribution_token"  # noqa: S105 - the name of a field
"""Field with the token of a whole list."""


def named_products(event: Event, kind: str, field: str = "event") -> Iterator[tuple[str, str]]:
    """Yield (product id, field path) for each product that must exist for the event to be accepted.

    `kind` is the event's detail. See `product_ids` for the products alone, in the same order.
    """
    if kind in WITH_ITEMS:
        for index, item in enumerate(getattr(event, kind).items):
            yield item.product_id, f"{field}.{kind}.items[{index}].product_id"
    else:
        for product_id in product_ids(event, kind):
            yield product_id, f"{field}.{kind}.product_id"


def product_ids(event: Event, kind: str | None) -> Sequence[str]:
    """Return the products that must exist for the event to be accepted; `kind` is the event's detail. May repeat.

    Products of a search's result page are not among them: pages may show what is not in the catalogue yet.
    """
    if kind in VIEWS:
        product_id = getattr(event, kind).product_id
        return (product_id,) if product_id else ()
    if kind in WITH_ITEMS:
        return tuple([item.product_id for item in getattr(event, kind).items])
    return ()


def named_recommendations(event: Event, kind: str, field: str = "event") -> Sequence[tuple[str, str]]:
    """Return (recommendation id, field path) for each recommendation that the event names; `kind` is its detail.

    The token of a whole list comes as one of them, with a field path that ends with `ATTRIBUTION_TOKEN`.
    """
    named = [(event.recommendation_id, f"{field}.recommendation_id")] if event.recommendation_id else []
    if kind == "impression":
        path = f"{field}.impression"
        for index, recommendation_id in enumerate(event.impression.recommendation_ids):
            named.append((recommendation_id, f"{path}.recommendation_ids[{index}]"))
        if event.impression.attribution_token:
            named.append((event.impression.attribution_token, f"{path}.{ATTRIBUTION_TOKEN}"))
    return named
