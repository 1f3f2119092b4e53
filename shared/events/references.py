"""What an event refers to: the products and recommendations it names, with the field that names them."""

from collections.abc import Iterator

from quintet.type.v1.event_pb2 import Event


def named_products(event: Event, field: str = "event") -> Iterator[tuple[str, str]]:
    """Yield (product id, field path) for each product that must exist for the event to be accepted.

    Products of a search's result page are not among them: pages may show what is not in the catalogue yet.
    """
    kind = event.WhichOneof("detail")
    if kind in ("product_view", "page_view"):
        product_id = getattr(event, kind).product_id
        if product_id:
            yield product_id, f"{field}.{kind}.product_id"
    elif kind in ("add_to_cart", "remove_from_cart", "purchase", "refund"):
        for index, item in enumerate(getattr(event, kind).items):
            yield item.product_id, f"{field}.{kind}.items[{index}].product_id"


def named_recommendations(event: Event, field: str = "event") -> Iterator[tuple[str, str]]:
    """Yield (recommendation id, field path) for each recommendation that the event names."""
    if event.recommendation_id:
        yield event.recommendation_id, f"{field}.recommendation_id"
    if event.WhichOneof("detail") == "impression":
        for index, recommendation_id in enumerate(event.impression.recommendation_ids):
            yield recommendation_id, f"{field}.impression.recommendation_ids[{index}]"
