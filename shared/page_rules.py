"""The rules of pages: which products a page may show to a shopper, whoever orders them.

One implementation for all that answers: the ranker asks it for a mask over the whole catalogue, the coordinator's
fallback for one over the best-sellers. Both give their products as columns; no rule looks at a product by itself.

A page never shows what the caller filters out, what cannot be bought at the moment and place or is not recommendable,
what is on the page or in the cart already, what the call names as just bought, and what the shopper said no to. What
the shopper ever bought is left out too, but for the pages in ONLY_BOUGHT, which show nothing else.

Products of one group are variants of one product. What is left out for the shopper's sake takes its variants with it,
and a page shows one of a group. On pages in ONLY_BOUGHT every variant stands for itself: who bought two sizes may need
either.
"""

from collections.abc import Set
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.codes import Codes
from shared.inventory import NOT_BUYABLE, NOW
from shared.sale_times import SaleTimes

Rows: TypeAlias = NDArray[np.int32]
Mask: TypeAlias = NDArray[np.bool_]

DEFAULT_LIMIT, MAX_LIMIT = 10, 100
"""Products that a page shows where the caller does not say, and at most."""


class Page(StrEnum):
    """Kinds of pages, named as in the contract."""

    HOME = "HOME"
    PRODUCT = "PRODUCT"
    CATEGORY = "CATEGORY"
    CART = "CART"
    SEARCH = "SEARCH"
    POST_PURCHASE = "POST_PURCHASE"
    BUY_AGAIN = "BUY_AGAIN"


ONLY_BOUGHT: Set[Page] = frozenset({Page.BUY_AGAIN})
"""Pages that show what the shopper bought before, and only that."""


@dataclass(frozen=True)
class Price:
    """An amount in minor units of a currency."""

    amount: int
    currency: str


@dataclass(frozen=True)
class Filters:
    """Which products may be shown; all conditions hold at once. Empty `categories` and `page_category` mean all."""

    categories: frozenset[str] = frozenset()
    page_category: str = ""
    min_price: Price | None = None
    max_price: Price | None = None
    exclude_product_ids: frozenset[str] = frozenset()
    in_stock_only: bool = False

    def on(self, page: Page, category: str) -> "Filters":
        """Return the filters together with what the page itself demands; `category` is the one the caller names."""
        return replace(self, page_category=category if page is Page.CATEGORY else "")


def _no_rows() -> Rows:
    return np.empty(0, np.int32)


class ProductColumns(Protocol):
    """What the rules look at of each product, by row."""

    @property
    def stock(self) -> NDArray[np.int8]:
        """NOT_RECOMMENDABLE, NOT_BUYABLE, ON_ORDER or NOW, shape (n,)."""

    @property
    def category(self) -> Rows:
        """Codes in `categories`, shape (n,); -1 for none."""

    @property
    def currency(self) -> Rows:
        """Codes in `currencies`, shape (n,); -1 for unknown."""

    @property
    def price(self) -> NDArray[np.int64]:
        """Minor units, shape (n,); -1 for unknown."""

    @property
    def group(self) -> Rows:
        """Codes of the groups, shape (n,); -1 for none."""

    @property
    def times(self) -> SaleTimes:
        """When products are on sale that are not so at all times."""

    @property
    def categories(self) -> Codes:
        """Codes of the categories."""

    @property
    def currencies(self) -> Codes:
        """Codes of the currencies."""

    def row_of_id(self, external_id: str) -> int | None:
        """Return the row of the platform's id; None for an unknown one."""


@dataclass(frozen=True, eq=False)
class NamedRows:
    """Rows of the products that a call names, int32; -1 stands for products that are not among the columns.

    Parameters
    ----------
    current : ndarray of shape (0,) or (1,)
        The product that the page is about.
    cart, purchased : ndarray of shape (n,)
        What is in the cart, and what was just bought; empty where the call says nothing about it.
    """

    current: Rows = field(default_factory=_no_rows)
    cart: Rows = field(default_factory=_no_rows)
    purchased: Rows = field(default_factory=_no_rows)


@dataclass(frozen=True, eq=False)
class PastRows:
    """Rows of the products that events left with a shopper, int32, each of shape (n,); -1 as in `NamedRows`."""

    cart: Rows = field(default_factory=_no_rows)
    bought: Rows = field(default_factory=_no_rows)
    dismissed: Rows = field(default_factory=_no_rows)


@dataclass(frozen=True, eq=False)
class ShopperRows:
    """Rows of products that a page treats apart for a shopper, int32, each of shape (n,).

    Parameters
    ----------
    on_page : ndarray
        On the page, in the cart or named as just bought.
    bought : ndarray
        Ever bought.
    dismissed : ndarray
        Said no to.
    groups : ndarray
        Codes of the groups of further ones of them, which are not among the products.
    """

    on_page: Rows = field(default_factory=_no_rows)
    bought: Rows = field(default_factory=_no_rows)
    dismissed: Rows = field(default_factory=_no_rows)
    groups: Rows = field(default_factory=_no_rows)

    @classmethod
    def of(cls, named: NamedRows, past: PastRows) -> "ShopperRows":
        """Return what a page treats apart, by what the call names and what events left."""
        on_page = np.concatenate([named.current, open_cart(named, past), named.purchased])
        return cls(on_page, np.concatenate([past.bought, named.purchased]), past.dismissed)


def open_cart(named: NamedRows, past: PastRows) -> Rows:
    """Return the cart as the call names it; where it names none, as events left it."""
    return named.cart if len(named.cart) else past.cart


def allowed_on_page(
    products: ProductColumns, filters: Filters, shopper: ShopperRows, *, only_bought: bool, now: float
) -> Mask:
    """Return which products a page may show to a shopper, shape (n,), bool.

    Parameters
    ----------
    products : ProductColumns
        The products there are.
    filters : Filters
        What the caller and the page ask for.
    shopper : ShopperRows
        What the page treats apart for this shopper.
    only_bought : bool
        Whether the page is one of ONLY_BOUGHT.
    now : float
        The moment of asking in Unix seconds.
    """
    apart = np.concatenate([shopper.on_page, shopper.dismissed] + ([] if only_bought else [shopper.bought]))
    allowed = allowed_rows(products, filters, apart)
    allowed[products.times.closed(now)] = False
    if only_bought:
        bought = np.zeros_like(allowed)
        bought[shopper.bought[shopper.bought >= 0]] = True
        return allowed & bought
    groups = np.concatenate([products.group[apart[apart >= 0]], shopper.groups])
    groups = np.unique(groups[groups >= 0])
    return allowed & ~np.isin(products.group, groups) if len(groups) else allowed


def one_of_each_group(products: ProductColumns, rows: Rows) -> Rows:
    """Return rows without further variants of what is among them: of each group the first that is in stock now.

    Parameters
    ----------
    products : ProductColumns
        The products there are.
    rows : ndarray of shape (n,), int32
        Products, best first.

    Returns
    -------
    ndarray of shape (m,), int32
        Some of `rows`, in their order. Where no variant is in stock now, the first one of the group.
    """
    groups = products.group[rows]
    if not len(rows) or groups.max() < 0:
        return rows
    order = np.lexsort((np.arange(len(rows)), products.stock[rows] != NOW, groups))
    kept = np.ones(len(rows), bool)
    kept[1:] = groups[order][1:] != groups[order][:-1]
    kept |= groups[order] < 0
    return rows[np.sort(order[kept])]


def allowed_rows(products: ProductColumns, filters: Filters, excluded: Rows) -> Mask:
    """Return which products may be shown by the filters, shape (n,), bool.

    Parameters
    ----------
    products : ProductColumns
        The products there are.
    filters : Filters
        What the caller and the page ask for.
    excluded : ndarray of shape (n,), int32
        Rows that this shopper must not see here; -1 stands for products that are not among the columns.
    """
    allowed = products.stock == NOW if filters.in_stock_only else products.stock > NOT_BUYABLE
    for names in _category_sets(filters):
        allowed &= _in_categories(products, names)
    if filters.min_price is not None or filters.max_price is not None:
        allowed &= _within_prices(products, filters)
    named = (products.row_of_id(external_id) for external_id in filters.exclude_product_ids)
    allowed[[row for row in named if row is not None]] = False
    allowed[excluded[excluded >= 0]] = False
    return allowed


def _category_sets(filters: Filters) -> list[frozenset[str]]:
    """Return the sets of categories that a product must be in, all at once."""
    page = frozenset({filters.page_category} - {""})
    return [names for names in (filters.categories, page) if names]


def _in_categories(products: ProductColumns, names: frozenset[str]) -> Mask:
    """Return which products are in one of the categories, shape (n,), bool."""
    codes = [code for code in map(products.categories.of, names) if code >= 0]
    if len(codes) == 1:
        return np.asarray(products.category == codes[0])
    # The last place is that of products without a category, whose code is -1.
    wanted = np.zeros(len(products.categories.names) + 1, bool)
    wanted[codes] = True
    return np.asarray(wanted[products.category])


def _within_prices(products: ProductColumns, filters: Filters) -> Mask:
    within = np.ones(len(products.price), dtype=bool)
    for bound, sign in ((filters.min_price, 1), (filters.max_price, -1)):
        if bound is not None:
            within &= (products.currency == products.currencies.of(bound.currency)) & (products.currency >= 0)
            within &= (products.price >= 0) & (sign * products.price >= sign * bound.amount)
    return within
