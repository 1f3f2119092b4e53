"""Lines of orders that say nothing unusual, converted column by column instead of row by row."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice, pairwise, repeat
from typing import Any

from quintet.type.v1.event_pb2 import Event

from cli.importing.event_rows import EventBuilder, EventRow, id_of
from shared.errors import InvalidArgument

REMEMBERED = 65_536
ANY_PRODUCT = "-"
MONEY = ("quantity", "price", "amount", "currency")
SAME = ("order_id", "customer_id", "event_type")
"""Columns in which a row repeats the row before it when it is one more line of the same order."""

Money = tuple[float, int | None, str]
"""Units, amount in minor units, currency."""
Line = tuple[bool, str | None, Money | None]
"""Whether a row repeats the order of the row before it, its product, its money; None for what is not plain."""


class PlainLines:
    """Converts lines of orders by column.

    What is not plain is left to `EventConverter`, which looks at rows one by one and says what is wrong with them. So a
    plain line is what its row would have become there, and no reason to reject a row is given here.
    """

    def __init__(self, builder: EventBuilder) -> None:
        self._builder = builder
        # Ids, units and amounts repeat in a file. Typed, because the float 1.005 is rounded and the text is refused.
        self._product_of = lru_cache(REMEMBERED, typed=True)(_product)
        self._money_of = lru_cache(REMEMBERED, typed=True)(self._money)

    def of(self, columns: Mapping[str, Sequence[Any]], size: int) -> Sequence[Line]:
        """Return what each of `size` rows adds to the order of the row before it, from values by our column names."""
        if "order_id" not in columns or "items" in columns:
            return [(False, None, None)] * size
        try:
            moneys = map(self._money_of, *(_values(columns, name, size) for name in MONEY))
            products = map(self._product_of, _values(columns, "product_id", size))
            return list(zip(_repeats(columns, size), products, moneys, strict=True))
        except TypeError:  # lists and objects cannot be looked up among what is remembered
            return [(False, None, None)] * size

    def _money(self, quantity: Any, price: Any, amount: Any, currency: Any) -> Money | None:
        row = EventRow(product_id=ANY_PRODUCT, quantity=quantity, price=price, amount=amount, currency=currency)
        try:
            goods = self._builder.bought(row)
            goods.currency.encode()
        except (InvalidArgument, UnicodeError):
            return None
        return goods.quantity, goods.amount, goods.currency


def add_plain_lines(event: Event, lines: Sequence[Line], start: int, most: int) -> int:
    """Add the plain lines from `start` on, at most `most`, to a purchase, and return the row behind the last of them.

    A line in another currency than the order's first one is not taken.
    """
    items = event.purchase.items
    order_currency = items[0].amount.currency_code
    for index in range(start, min(start + most, len(lines))):
        repeats, product_id, money = lines[index]
        if not repeats or product_id is None or money is None:
            return index
        quantity, amount, currency = money
        if amount is None:
            items.add(product_id=product_id, quantity=quantity)
        elif currency == order_currency:
            paid = items.add(product_id=product_id, quantity=quantity).amount
            paid.currency_code, paid.amount_minor = currency, amount
        else:
            return index
    return min(start + most, len(lines))


def _repeats(columns: Mapping[str, Sequence[Any]], size: int) -> list[bool]:
    """Return for each row whether it has an order, and the same order, customer and type as the row before it."""
    same = [[before == value for before, value in pairwise(columns[name])] for name in SAME if name in columns]
    ordered = (order is not None for order in islice(columns["order_id"], 1, None))
    return [False, *map(all, zip(ordered, *same, strict=True))][:size]


def _values(columns: Mapping[str, Sequence[Any]], name: str, size: int) -> Iterable[Any]:
    return columns.get(name) or repeat(None, size)


def _product(value: Any) -> str | None:
    try:
        found = id_of("product_id", value)
        found.encode()
    except (InvalidArgument, UnicodeError):
        return None
    return found or None
