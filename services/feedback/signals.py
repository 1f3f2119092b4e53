"""Reads from a logged event what it says about recommendations, or about the clicks on them before."""

from datetime import datetime
from typing import NamedTuple

from quintet.type.v1.event_pb2 import Event, PageType, Purchase, Refund
from quintet.type.v1.recommendation_pb2 import Feedback, InteractionType

from services.feedback.click_grades import PageView
from shared.db.event_log import LoggedEvent
from shared.db.recommendations import recommendation_key

FEEDBACK = "feedback"
PAGE_KINDS = ("home_view", "category_view", "search", "product_view", "page_view")
"""Views of pages that a shopper may have left a product's page for. A cart or an order is no return from a product."""
_NO_RETURN = (PageType.PAGE_TYPE_CART, PageType.PAGE_TYPE_POST_PURCHASE)


class Signal(NamedTuple):
    """What one event says about recommendations.

    `shown`, `clicked`, `carted` and `dismissed` have keys of recommendations, `cart_products` the platform's product
    ids. `carted` and `dismissed` are set by feedback on the recommendation itself, `cart_products` by an `add_to_cart`
    event. A carted or dismissed recommendation counts as shown, a carted one also as clicked. `page` is a page that was
    seen, which says something of a click before it.
    """

    sequence: int
    kind: str
    at: datetime
    customer_key: int | None
    shown: tuple[int, ...] = ()
    clicked: int | None = None
    carted: int | None = None
    dismissed: int | None = None
    cart_products: tuple[str, ...] = ()
    purchase: Purchase | None = None
    refund: Refund | None = None
    page: PageView | None = None

    @property
    def named(self) -> tuple[int, ...]:
        """Keys of all recommendations that the event names."""
        one = self.clicked if self.clicked is not None else self.dismissed
        return self.shown if one is None else (*self.shown, one)

    @property
    def needs_touches(self) -> bool:
        """Whether the customer's earlier clicks and impressions are needed to apply the event."""
        return self.customer_key is not None and (self.purchase is not None or bool(self.cart_products))

    def only_purchase(self) -> "Signal":
        """Return it without what it says about recommendations by name, carts and refunds."""
        return Signal(self.sequence, self.kind, self.at, self.customer_key, purchase=self.purchase)

    @property
    def products(self) -> tuple[str, ...]:
        """Ids of the carted or purchased products, which may be credited to an earlier recommendation."""
        bought = tuple(line.product_id for line in self.purchase.items) if self.purchase is not None else ()
        return self.cart_products + bought


def read_signal(logged: LoggedEvent) -> Signal | None:
    """Return what an event says about recommendations; None if it says nothing."""
    if logged.kind == FEEDBACK:
        return _of_feedback(logged)
    event = Event.FromString(logged.payload)
    page = _page(event, logged.kind) if logged.kind in PAGE_KINDS else None
    silent = page is None and logged.kind not in ("add_to_cart", "purchase", "refund", "impression")
    if silent and not event.recommendation_id:
        return None
    return Signal(
        sequence=logged.sequence,
        kind=logged.kind,
        at=logged.occurred_at,
        customer_key=logged.customer_key,
        shown=_keys(event) if logged.kind == "impression" else (),
        clicked=recommendation_key(event.recommendation_id),
        cart_products=_carted(event) if logged.kind == "add_to_cart" else (),
        purchase=event.purchase if logged.kind == "purchase" else None,
        refund=event.refund if logged.kind == "refund" else None,
        page=page,
    )


def _of_feedback(logged: LoggedEvent) -> Signal | None:
    feedback = Feedback.FromString(logged.payload)
    key = recommendation_key(feedback.recommendation_id)
    if key is None:
        return None
    response = feedback.interaction_type
    carted = response == InteractionType.INTERACTION_TYPE_ADD_TO_CART
    return Signal(
        sequence=logged.sequence,
        kind=logged.kind,
        at=logged.occurred_at,
        customer_key=logged.customer_key,
        shown=(key,) if response == InteractionType.INTERACTION_TYPE_SHOWN else (),
        clicked=key if carted or response == InteractionType.INTERACTION_TYPE_CLICK else None,
        carted=key if carted else None,
        dismissed=key if response == InteractionType.INTERACTION_TYPE_DISMISS else None,
    )


def _page(event: Event, kind: str) -> PageView | None:
    if kind == "product_view":
        view = event.product_view
        return PageView(view.product_id, view.duration_seconds, view.scrolls, view.scroll_depth)
    if kind == "page_view" and event.page_view.page_type in _NO_RETURN:
        return None
    return PageView(event.page_view.product_id if kind == "page_view" else "")


def _carted(event: Event) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.product_id for item in event.add_to_cart.items))


def _keys(event: Event) -> tuple[int, ...]:
    keys = (recommendation_key(each) for each in event.impression.recommendation_ids)
    return tuple(dict.fromkeys(key for key in keys if key is not None))
