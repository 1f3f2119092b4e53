"""What an order says of itself, and whether a refund fits it."""

from dataclasses import dataclass

from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import Event

from shared.errors import InvalidArgument


@dataclass(frozen=True)
class OrderFacts:
    """What a refund of an order must fit.

    Attributes
    ----------
    customer_id : str
        The platform's id of who bought; empty for a visitor.
    products : frozenset of str
        The platform's ids of what was bought.
    currency : str
        Of the amounts; empty where none was given.
    """

    customer_id: str
    products: frozenset[str]
    currency: str

    @classmethod
    def of(cls, event: Event) -> "OrderFacts":
        """Return the order of an event that is a purchase."""
        purchase = event.purchase
        amounts = [purchase.total] if purchase.HasField("total") else []
        amounts += [line.amount for line in purchase.items if line.HasField("amount")]
        products = frozenset(line.product_id for line in purchase.items)
        return cls(event.customer_id, products, amounts[0].currency_code if amounts else "")


def check_fits(event: Event, order: OrderFacts, field: str = "event") -> None:
    """Raise InvalidArgument naming the field under `field` unless a refund is of something in the order.

    A visitor's refund or order fits everybody: who the visitor is may become known later.
    """
    refund, name = event.refund, event.refund.purchase_id
    if event.customer_id and order.customer_id and event.customer_id != order.customer_id:
        raise InvalidArgument.of(
            f"{field}.customer_id", event.customer_id, f"is not who bought order {name!r}", ErrorReason.SHOPPER_MISMATCH
        )
    for index, item in enumerate(refund.items):
        if item.product_id not in order.products:
            place = f"{field}.refund.items[{index}].product_id"
            raise InvalidArgument.of(
                place, item.product_id, f"is not in order {name!r}", ErrorReason.PRODUCT_NOT_IN_ORDER
            )
    given = refund.amount.currency_code if refund.HasField("amount") else ""
    if given and order.currency and given != order.currency:
        place = f"{field}.refund.amount.currency_code"
        raise InvalidArgument.of(
            place, given, f"must be {order.currency} as in order {name!r}", ErrorReason.CURRENCY_MISMATCH
        )
