"""What an event refers to: the products and recommendations it names, with the field that names them."""

from collections.abc import Iterable, Iterator

from quintet.type.v1.event_pb2 import Event

WITH_ITEMS = ("add_to_cart", "remove_from_cart", "purchase", "refund")
"""Kinds of events about several products."""


def named_products(event: Event, field: str = "event") -> Iterator[tuple[str, str]]:
    """Yield (product id, field path) for each product that must exist for the event to be accepted.

    Products of a search's result page are not among them: pages may show what is not in the catalogue yet.
    """
    kind = event.WhichOneof("detail")
    if kind in ("product_view", "page_view"):
        product_id = getattr(event, kind).product_id
        if product_id:
            yield product_id, f"{field}.{kind}.product_id"
    elif kind in WITH_ITEMS:
        for index, item in enumerate(getattr(event, kind).items):
            yield item.product_id, f"{field}.{kind}.items[{index}].product_id"


def product_ids(event: Event, kind: str | None) -> Iterable[str]:
    """Return the products of `named_products` without the fields; `kind` is the event's detail. May repeat."""
    if kind in WITH_ITEMS:
        return [item.product_id for item in getattr(event, kind).items]
    return [product_id for product_id, _ in named_products(event)]


def named_recommendations(event: Event, field: str = "event") -> Iterator[tuple[str, str]]:
    """Yield (recommendation id, field path) for each recommendation that the event names."""
    if event.recommendation_id:
        yield event.recommendation_id, f"{field}.recommendation_id"
    if event.WhichOneof("detail") == "impression":
        for index, recommendation_id in enumerate(event.impression.recommendation_ids):
            yield recommendation_id, f"{field}.impression.recommendation_ids[{index}]"
