"""The lines of an order as columns: what orders and carts are worked out from."""

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

from quintet.type.v1.event_pb2 import Purchase


class OrderLines(NamedTuple):
    """Lines of an order, in their order.

    Attributes
    ----------
    products : sequence of str
        The platform's ids.
    quantities : sequence of float
        Units; 0 for the default of one.
    amounts : sequence of int or None
        Minor units; None where the platform did not say.
    """

    products: Sequence[str] = ()
    quantities: Sequence[float] = ()
    amounts: Sequence[int | None] = ()

    def only(self, wanted: Sequence[object]) -> "OrderLines":
        """Return the lines at whose place `wanted` is true."""
        return OrderLines(
            list(compress(self.products, wanted)),
            list(compress(self.quantities, wanted)),
            list(compress(self.amounts, wanted)),
        )


NO_LINES = OrderLines()


def lines_of(purchase: Purchase) -> OrderLines:
    """Return the lines of a purchase."""
    lines = list(purchase.items)
    return OrderLines(
        [line.product_id for line in lines],
        [line.quantity for line in lines],
        [line.amount.amount_minor if line.HasField("amount") else None for line in lines],
    )
