"""Products as one place offers them: its stock and prices, and for the rest what the products themselves say."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from shared.codes import Codes
from shared.db.product_offers import Offer
from shared.inventory import NOT_RECOMMENDABLE, stock_of
from shared.page_rules import ProductColumns, Rows
from shared.sale_times import SaleTimes

UNSAID = -2
"""Stock that the place says nothing about."""
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, eq=False)
class PlaceOffers:
    """What a place offers; few products of many.

    Parameters
    ----------
    rows : ndarray of shape (n,), int32
        Products, ascending.
    stock : ndarray of shape (n,), int8
        NOT_BUYABLE, ON_ORDER or NOW; UNSAID where the product's own holds.
    price : ndarray of shape (n,), int64
        Minor units; -1 where the product's own holds.
    currency : ndarray of shape (n,), int32
        Codes.
    """

    rows: Rows
    stock: NDArray[np.int8]
    price: NDArray[np.int64]
    currency: Rows

    @classmethod
    def of(cls, rows: Rows, offers: Sequence[Offer], currencies: Codes) -> "PlaceOffers":
        """Return the offers of a place, of the products at `rows`; each row once. A row of -1 is left out."""
        order = np.argsort(rows, kind="stable")
        order = order[rows[order] >= 0]
        sorted_offers = [offers[place] for place in order.tolist()]
        stock = [UNSAID if each.inventory_status is None else stock_of(each.inventory_status) for each in sorted_offers]
        return cls(
            rows[order].astype(np.int32),
            np.array(stock, np.int8),
            np.array([-1 if each.price is None else each.price for each in sorted_offers], np.int64),
            np.array([currencies.of(each.currency or "") for each in sorted_offers], np.int32),
        )

    @classmethod
    def none(cls) -> "PlaceOffers":
        """Return the offers of a place that offers nothing apart."""
        return cls.of(np.empty(0, np.int32), [], Codes())

    def updated(self, newer: "PlaceOffers") -> "PlaceOffers":
        """Return the offers with newer ones in place of those of the same products; what says nothing goes."""
        kept = ~np.isin(self.rows, newer.rows)
        said = (newer.stock != UNSAID) | (newer.price >= 0)
        rows = np.concatenate([self.rows[kept], newer.rows[said]])
        order = np.argsort(rows, kind="stable")
        columns = [
            np.concatenate([getattr(self, name)[kept], getattr(newer, name)[said]])[order]
            for name in ("stock", "price", "currency")
        ]
        return PlaceOffers(rows[order], *columns)


class PlaceColumns:
    """The columns that the rules of pages look at, at a place. Copies are made when they are asked for."""

    def __init__(self, products: ProductColumns, offers: PlaceOffers, currencies: Codes) -> None:
        self._products = products
        self._offers = offers
        self.currencies = currencies
        self.category: Rows = products.category
        self.categories: Codes = products.categories
        self.group: Rows = products.group
        self.times: SaleTimes = products.times

    @cached_property
    def stock(self) -> NDArray[np.int8]:
        """As in ProductColumns."""
        stock, rows = self._products.stock.copy(), self._offers.rows
        said = (self._offers.stock != UNSAID) & (stock[rows] != NOT_RECOMMENDABLE)
        stock[rows[said]] = self._offers.stock[said]
        return stock

    @cached_property
    def price(self) -> NDArray[np.int64]:
        """As in ProductColumns."""
        return self._with_prices(self._products.price, self._offers.price)

    @cached_property
    def currency(self) -> Rows:
        """As in ProductColumns."""
        return self._with_prices(self._products.currency, self._offers.currency)

    def row_of_id(self, external_id: str) -> int | None:
        """Return the row of the platform's id; None for an unknown one."""
        return self._products.row_of_id(external_id)

    def _with_prices(self, column: NDArray[Number], values: NDArray[Number]) -> NDArray[Number]:
        changed, said = column.copy(), self._offers.price >= 0
        changed[self._offers.rows[said]] = values[said]
        return changed


def price_at(products: ProductColumns, row: int) -> tuple[int, str] | None:
    """Return the price of a product in minor units and its currency; None for an unknown price."""
    price, code = int(products.price[row]), int(products.currency[row])
    return None if price < 0 else (price, products.currencies.names[code] if code >= 0 else "")
