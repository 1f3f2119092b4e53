"""Lines of orders that say nothing unusual, converted column by column instead of row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from quintet.type.v1.event_pb2 import Purchase, PurchaseLine

from cli.importing.coded_column import CodedColumn, Codes, coded
from cli.importing.event_rows import EventBuilder, EventRow, id_of
from shared.db.order_lines import OrderLines
from shared.errors import InvalidArgument

REMEMBERED = 65_536
ANY_PRODUCT = "-"
MONEY = ("quantity", "price", "amount", "currency")
SAME = ("order_id", "customer_id", "event_type")
"""Columns in which a row repeats the row before it when it is one more line of the same order."""
ITEMS_TAG = bytes([Purchase.ITEMS_FIELD_NUMBER << 3 | 2])
NO_AMOUNT = -1

Mask = NDArray[np.bool_]


class Money(NamedTuple):
    """What a line costs: units, amount in minor units, currency; and these as part of a serialised PurchaseLine."""

    quantity: float
    amount: int | None
    currency: str
    wire: bytes


@dataclass(frozen=True, eq=False)
class LineColumns:
    """The rows of a batch as lines of orders.

    Attributes
    ----------
    products : CodedColumn of length n
        Ids of the products; None where a row's is not plain.
    quantities : ndarray of shape (n,), float64
        Units.
    amounts : ndarray of shape (n,), int64
        Minor units; NO_AMOUNT for none.
    """

    products: CodedColumn
    quantities: NDArray[np.float64]
    amounts: NDArray[np.int64]

    def of(self, rows: Sequence[int]) -> OrderLines:
        """Return the lines that rows became; each must be one of an accepted order."""
        taken: Any = slice(rows[0], rows[-1] + 1) if rows[-1] - rows[0] + 1 == len(rows) else rows
        amounts = self.amounts[taken].tolist()
        return OrderLines(
            list(map(self.products.values.__getitem__, self.products.codes[taken].tolist())),
            self.quantities[taken].tolist(),
            [None if amount == NO_AMOUNT else amount for amount in amounts] if NO_AMOUNT in amounts else amounts,
        )


class Lines(NamedTuple):
    """Lines of orders by row of a batch.

    Attributes
    ----------
    columns : LineColumns of length n
        What they say.
    ends : list of int, length n
        The row behind the last of those that, from this row on, go on with the order of the row before: this row
        itself when it does not.
    wire : list of bytes, length n
        Each line as a serialised Purchase of nothing else; such bytes one after the other are a Purchase of all.
    """

    columns: LineColumns
    ends: list[int]
    wire: list[bytes]


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

    def of(self, columns: Mapping[str, Sequence[Any]], size: int) -> Lines | None:
        """Return the lines of `size` rows, from values by our column names; None when they are looked at one by one."""
        if "order_id" not in columns or "items" in columns or not size:
            return None
        try:
            same = [coded(columns[name]) for name in SAME if name in columns]
            moneys, money = self._moneys(columns, size)
            products = coded(columns.get("product_id") or [None] * size)
            ids = [self._product_of(value) for value in products.values]
        except TypeError:  # lists and objects cannot be looked up among what is remembered
            return None
        plain = _there(ids)[products.codes] & _there(moneys)[money]
        found = [each or _NOTHING for each in moneys]
        says = LineColumns(
            CodedColumn([each and each[0] for each in ids], products.codes),
            np.array([each.quantity for each in found])[money],
            np.array([NO_AMOUNT if each.amount is None else each.amount for each in found], np.int64)[money],
        )
        return Lines(
            says,
            _ends(_repeats(same) & _alike(moneys, money) & plain),
            _wire([each[1] if each else b"" for each in ids], products.codes, [each.wire for each in found], money),
        )

    def _moneys(self, columns: Mapping[str, Sequence[Any]], size: int) -> tuple[list[Money | None], Codes]:
        """Return the distinct moneys, None for what is not plain, and the place of each row's among them."""
        given = {name: coded(columns[name]) for name in MONEY if name in columns}
        codes = np.zeros(size, np.int64)
        for column in given.values():
            _, codes = np.unique(codes * len(column.values) + column.codes, return_inverse=True)
        _, rows = np.unique(codes, return_index=True)
        values = ([column[row] for row in rows.tolist()] for column in given.values())
        named = dict(zip(given, values, strict=True))
        nothing = [None] * len(rows)
        return list(map(self._money_of, *(named.get(name, nothing) for name in MONEY))), codes

    def _money(self, quantity: Any, price: Any, amount: Any, currency: Any) -> Money | None:
        row = EventRow(product_id=ANY_PRODUCT, quantity=quantity, price=price, amount=amount, currency=currency)
        try:
            goods = self._builder.bought(row)
            goods.currency.encode()
        except (InvalidArgument, UnicodeError):
            return None
        line = PurchaseLine(quantity=goods.quantity)
        if goods.amount is not None:
            line.amount.currency_code, line.amount.amount_minor = goods.currency, goods.amount
        return Money(goods.quantity, goods.amount, goods.currency, line.SerializeToString())


_NOTHING = Money(0.0, None, "", b"")


def _there(values: Sequence[Any]) -> Mask:
    return np.array([value is not None for value in values])


def _repeats(same: Sequence[CodedColumn]) -> Mask:
    """Return for each row whether it has an order, and the same order, customer and type as the row before it."""
    orders = same[0]
    found = _there(orders.values)[orders.codes]
    found[0] = False
    for column in same:
        found[1:] &= column.codes[1:] == column.codes[:-1]
    return found


def _alike(moneys: Sequence[Money | None], codes: Codes) -> Mask:
    """Return for each row whether it is paid in the currency of the row before, or, as that one, not at all."""
    currencies: dict[str, int] = {}
    paid_in = [
        currencies.setdefault("" if each is None or each.amount is None else each.currency, len(currencies))
        for each in moneys
    ]
    by_row = np.array(paid_in)[codes]
    return np.concatenate([[False], by_row[1:] == by_row[:-1]])


def _ends(goes_on: Mask) -> list[int]:
    """Return for each row the first one from it on that does not go on."""
    size = len(goes_on)
    ends = np.where(goes_on, size, np.arange(size))
    return np.minimum.accumulate(ends[::-1])[::-1].tolist()  # type: ignore[no-any-return]


def _wire(products: Sequence[bytes], product: Codes, moneys: Sequence[bytes], money: Codes) -> list[bytes]:
    """Return each line as a serialised Purchase of that line alone.

    A message's bytes followed by those of another one are both merged, so a line is its product's followed by its
    money's. Each is serialised once; this spares making a message of every row, most of the time of a conversion.
    """
    longest = max(map(len, products)) + max(map(len, moneys))
    heads = [ITEMS_TAG + _varint(length) for length in range(longest + 1)]
    pairs = zip(map(products.__getitem__, product.tolist()), map(moneys.__getitem__, money.tolist()), strict=True)
    return [heads[len(named) + len(paid)] + named + paid for named, paid in pairs]


def _varint(number: int) -> bytes:
    """Return a number as protobuf writes lengths: seven bits a byte, lowest first, the eighth says that more follow."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _product(value: Any) -> tuple[str, bytes] | None:
    """Return the id of a product and it as part of a serialised PurchaseLine; None for what is not plain."""
    try:
        found = id_of("product_id", value)
        found.encode()
    except (InvalidArgument, UnicodeError):
        return None
    return (found, PurchaseLine(product_id=found).SerializeToString()) if found else None
