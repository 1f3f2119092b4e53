"""The page a shopper is on follows from the event."""

import pytest
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
    ProductView,
    Purchase,
    PurchaseLine,
    Refund,
    RemoveFromCart,
    Search,
)

from services.coordinator.context import context_of


@pytest.mark.parametrize(
    ("event", "page", "field", "value"),
    [
        (Event(home_view=HomeView()), PageType.PAGE_TYPE_HOME, "product_id", ""),
        (Event(product_view=ProductView(product_id="p")), PageType.PAGE_TYPE_PRODUCT, "product_id", "p"),
        (Event(category_view=CategoryView(category="tea")), PageType.PAGE_TYPE_CATEGORY, "category", "tea"),
        (Event(search=Search(query="green")), PageType.PAGE_TYPE_SEARCH, "search_query", "green"),
        (Event(cart_view=CartView()), PageType.PAGE_TYPE_CART, "product_id", ""),
        (Event(add_to_cart=AddToCart()), PageType.PAGE_TYPE_CART, "product_id", ""),
        (Event(remove_from_cart=RemoveFromCart()), PageType.PAGE_TYPE_CART, "product_id", ""),
        (
            Event(purchase=Purchase(items=[PurchaseLine(product_id="p")])),
            PageType.PAGE_TYPE_POST_PURCHASE,
            "purchased_product_ids",
            ["p"],
        ),
        (Event(refund=Refund()), PageType.PAGE_TYPE_HOME, "product_id", ""),
        (Event(impression=Impression()), PageType.PAGE_TYPE_HOME, "product_id", ""),
        (Event(custom=CustomEvent(name="x")), PageType.PAGE_TYPE_HOME, "product_id", ""),
        (
            Event(page_view=PageView(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="p")),
            PageType.PAGE_TYPE_PRODUCT,
            "product_id",
            "p",
        ),
        (
            Event(page_view=PageView(page_type=PageType.PAGE_TYPE_BUY_AGAIN)),
            PageType.PAGE_TYPE_BUY_AGAIN,
            "product_id",
            "",
        ),
    ],
)
def test_context(event: Event, page: PageType.ValueType, field: str, value: object) -> None:
    event.session_id = "s"
    context = context_of(event)
    assert context.page_type == page
    assert getattr(context, field) == value
    assert context.session_id == "s"


def test_every_kind_of_event_has_a_context() -> None:
    for kind in Event.DESCRIPTOR.oneofs_by_name["detail"].fields:
        event = Event()
        getattr(event, kind.name).SetInParent()
        assert context_of(event) is not None
