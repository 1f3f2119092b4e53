"""Lines of orders that say nothing unusual, converted column by column instead of row by row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from quintet.type.v1.event_pb2 import Purchase, PurchaseLine

from cli.importing.coded_column import CodedColumn, Codes, coded
from cli.importing.plain_money import Money, PlainMoney
from cli.importing.plain_values import REMEMBERED, Mask, PlainId, plain_id, run_ends, there
from cli.importing.wire import nested_heads
from shared.db.order_lines import OrderLines

SAME = ("order_id", "customer_id", "event_type")
"""Columns in which a row repeats the row before it when it is one more line of the same order."""
NO_AMOUNT = -1


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

    def __init__(self, money: PlainMoney) -> None:
        self._money = money
        # Typed, because the number 1 and the text are different values of a column.
        self._product_of = lru_cache(REMEMBERED, typed=True)(_product)

    def of(self, columns: Mapping[str, Sequence[Any]], size: int) -> Lines | None:
        """Return the lines of `size` rows, from values by our column names; None when they are looked at one by one."""
        if "order_id" not in columns or "items" in columns or not size:
            return None
        try:
            same = [coded(columns[name]) for name in SAME if name in columns]
            moneys = self._money.of(columns, size)
            products = coded(columns.get("product_id") or [None] * size)
            ids = [self._product_of(value) for value in products.values]
        except TypeError:  # lists and objects cannot be looked up among what is remembered
            return None
        plain = there(ids)[products.codes] & there(moneys.values)[moneys.codes]
        found = [each or _NOTHING for each in moneys.values]
        says = LineColumns(
            CodedColumn([each and each.id for each in ids], products.codes),
            np.array([each.quantity for each in found])[moneys.codes],
            np.array([NO_AMOUNT if each.amount is None else each.amount for each in found], np.int64)[moneys.codes],
        )
        wire = _wire(
            CodedColumn([each.wire if each else b"" for each in ids], products.codes),
            CodedColumn([each.wire for each in found], moneys.codes),
        )
        return Lines(says, run_ends(_repeats(same) & _alike(moneys.values, moneys.codes) & plain), wire)


_NOTHING = Money(0.0, None, "", b"")


def _repeats(same: Sequence[CodedColumn]) -> Mask:
    """Return for each row whether it has an order, and the same order, customer and type as the row before it."""
    orders = same[0]
    found = there(orders.values)[orders.codes]
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


def _wire(products: CodedColumn, moneys: CodedColumn) -> list[bytes]:
    """Return each line as a serialised Purchase of that line alone.

    A message's bytes followed by those of another one are both merged, so a line is its product's followed by its
    money's. Each is serialised once; this spares making a message of every row, most of the time of a conversion.
    """
    longest = max(map(len, products.values)) + max(map(len, moneys.values))
    heads = nested_heads((Purchase.ITEMS_FIELD_NUMBER,), longest)
    return [heads[len(named) + len(paid)] + named + paid for named, paid in zip(products, moneys, strict=True)]


def _product(value: Any) -> PlainId | None:
    """Return the id of a product and it as part of a serialised PurchaseLine; None for what is not plain."""
    found = plain_id("product_id", PurchaseLine.PRODUCT_ID_FIELD_NUMBER, value)
    return found if found is not None and found.id else None
