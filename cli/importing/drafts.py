"""An event on its way from the rows of a file into the log."""

from dataclasses import dataclass

from quintet.type.v1.event_pb2 import Event

from shared.db.order_lines import OrderLines


@dataclass(slots=True)
class Draft:
    """An event on its way into the log.

    Attributes
    ----------
    event : Event
        The event.
    rows : list of int
        The rows of the batch it was made of.
    by_line : bool
        Whether each row is one line of the purchase, in the same order; then lines can be refused one by one.
    unmatched : bool
        Whether it is a refund whose order is still to be found from customer and product.
    lines : OrderLines or None
        What `by_line` says of the goods, where it is known without a look into the event.
    """

    event: Event
    rows: list[int]
    by_line: bool = False
    unmatched: bool = False
    lines: OrderLines | None = None
