"""What lines of orders and carts cost, from columns whose values need no closer look."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from quintet.type.v1.event_pb2 import PurchaseLine

from cli.importing.coded_column import CodedColumn, coded
from cli.importing.event_rows import EventBuilder, EventRow
from cli.importing.plain_values import REMEMBERED, plain

ANY_PRODUCT = "-"
MONEY = ("quantity", "price", "amount", "currency")


class Money(NamedTuple):
    """What a line costs: units, amount in minor units, currency; and these as part of a serialised PurchaseLine."""

    quantity: float
    amount: int | None
    currency: str
    wire: bytes


class PlainMoney:
    """Finds the money of rows by column; None for what is not plain."""

    def __init__(self, builder: EventBuilder) -> None:
        self._builder = builder
        # Typed, because the float 1.005 is rounded and the text is refused.
        self._remembered = lru_cache(REMEMBERED, typed=True)(self._money)

    def of(self, columns: Mapping[str, Sequence[Any]], size: int) -> CodedColumn:
        """Return the money of `size` rows. Raises TypeError for lists and objects among the values."""
        given = {name: coded(columns[name]) for name in MONEY if name in columns}
        codes = np.zeros(size, np.int64)
        for column in given.values():
            _, codes = np.unique(codes * len(column.values) + column.codes, return_inverse=True)
        _, rows = np.unique(codes, return_index=True)
        values = ([column[row] for row in rows.tolist()] for column in given.values())
        named = dict(zip(given, values, strict=True))
        nothing = [None] * len(rows)
        return CodedColumn(list(map(self._remembered, *(named.get(name, nothing) for name in MONEY))), codes)

    def _money(self, quantity: Any, price: Any, amount: Any, currency: Any) -> Money | None:
        row = EventRow(product_id=ANY_PRODUCT, quantity=quantity, price=price, amount=amount, currency=currency)
        return plain(self._bought, row)

    def _bought(self, row: EventRow) -> Money:
        goods = self._builder.bought(row)
        line = PurchaseLine(quantity=goods.quantity)
        if goods.amount is not None:
            line.amount.currency_code, line.amount.amount_minor = goods.currency, goods.amount
        return Money(goods.quantity, goods.amount, goods.currency, line.SerializeToString())
