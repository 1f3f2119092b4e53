"""The columns that filter expressions look at, and where each field is found in them."""

from collections.abc import Collection
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.codes import Codes
from shared.filters.fields import ATTRIBUTE_PREFIX
from shared.inventory import INVENTORY_STATUSES
from shared.money import decimals

Rows: TypeAlias = NDArray[np.int32]
Numbers: TypeAlias = NDArray[np.float64]


class FacetColumn(Protocol):
    """What products say under one name: `rows` of products, their `values`, and for texts the `names` of the codes."""

    @property
    def rows(self) -> Rows:
        """Rows, ascending; a product that says several things stands there as often."""

    @property
    def values(self) -> NDArray[Any]:
        """Values, as many: numbers, truth values, or codes of texts."""

    @property
    def names(self) -> Codes:
        """Codes of the texts."""


class FacetColumns(Protocol):
    """Attributes and tags of all products."""

    @property
    def tags(self) -> FacetColumn:
        """The tags."""

    def texts(self, name: str) -> FacetColumn:
        """Return what products say in texts under a name."""

    def numbers(self, name: str) -> FacetColumn:
        """Return what products say in numbers under a name."""

    def flags(self, name: str) -> FacetColumn:
        """Return where products say yes or no under a name."""


class FilterColumns(Protocol):
    """What filters look at of each product, by row; n products."""

    @property
    def category(self) -> Rows:
        """Codes in `categories`, shape (n,); -1 for none."""

    @property
    def subcategory(self) -> Rows:
        """Codes in `subcategories`, shape (n,); -1 for none."""

    @property
    def brand(self) -> Rows:
        """Codes in `brands`, shape (n,); -1 for none."""

    @property
    def group(self) -> Rows:
        """Codes in `groups` of the variants of one product, shape (n,); -1 for none."""

    @property
    def currency(self) -> Rows:
        """Codes in `currencies`, shape (n,); -1 for unknown."""

    @property
    def status(self) -> NDArray[np.int8]:
        """Places in INVENTORY_STATUSES, shape (n,)."""

    @property
    def price(self) -> NDArray[np.int64]:
        """Minor units, shape (n,); -1 for unknown."""

    @property
    def rating(self) -> NDArray[np.float32]:
        """Mean rating, shape (n,); NaN for unknown."""

    @property
    def added(self) -> NDArray[np.int64]:
        """From when on each is on sale, in Unix seconds, shape (n,)."""

    @property
    def facets(self) -> FacetColumns:
        """Attributes and tags."""

    @property
    def categories(self) -> Codes:
        """Codes of the categories."""

    @property
    def subcategories(self) -> Codes:
        """Codes of the subcategories."""

    @property
    def brands(self) -> Codes:
        """Codes of the brands."""

    @property
    def groups(self) -> Codes:
        """Codes of the groups."""

    @property
    def currencies(self) -> Codes:
        """Codes of the currencies."""

    def row_of_id(self, external_id: str) -> int | None:
        """Return the row of the platform's id; None for an unknown one."""


_CODED = {
    "category": "categories",
    "subcategory": "subcategories",
    "brand": "brands",
    "group_id": "groups",
    "currency": "currencies",
}
_COLUMNS = {"group_id": "group"}
_STATUSES = Codes().extended(INVENTORY_STATUSES)


def rows_with_text(products: FilterColumns, field: str, values: Collection[str]) -> Rows:
    """Return the rows of the products that have one of some texts in a field; a row may occur several times."""
    if field == "product_id":
        found = (products.row_of_id(value) for value in values)
        return np.array([row for row in found if row is not None], np.int32)
    facet = _text_facet(products, field)
    if facet is not None:
        return np.asarray(facet.rows[_is_one_of(facet.values, _codes(facet.names, values))])
    column, names = _coded(products, field)
    return _rows_where(_is_one_of(column, _codes(names, values)))


def rows_with_truth(products: FilterColumns, field: str, value: bool) -> Rows:
    """Return the rows of the products of which an attribute has a truth value."""
    facet = products.facets.flags(field.removeprefix(ATTRIBUTE_PREFIX))
    return np.asarray(facet.rows[facet.values == value])


def numbers_of(products: FilterColumns, field: str) -> tuple[Rows, Numbers]:
    """Return rows and the numbers that they have in a field.

    Prices are in whole units of their currency (19.99), times in Unix seconds.
    """
    if field.startswith(ATTRIBUTE_PREFIX):
        facet = products.facets.numbers(field.removeprefix(ATTRIBUTE_PREFIX))
        return facet.rows, facet.values
    column = _number_column(products, field)
    known = _rows_where(~np.isnan(column))
    return known, column[known]


def rows_with_any(products: FilterColumns, field: str) -> Rows:
    """Return the rows of the products that have any value in a field; a row may occur several times."""
    if field.startswith(ATTRIBUTE_PREFIX):
        name, facets = field.removeprefix(ATTRIBUTE_PREFIX), products.facets
        return np.concatenate([facets.texts(name).rows, facets.numbers(name).rows, facets.flags(name).rows])
    if field == "tags":
        return products.facets.tags.rows
    if field in _CODED:
        return _rows_where(_coded(products, field)[0] >= 0)
    if field in ("price", "rating"):
        return numbers_of(products, field)[0]
    return np.arange(len(products.price), dtype=np.int32)


def _text_facet(products: FilterColumns, field: str) -> FacetColumn | None:
    if field == "tags":
        return products.facets.tags
    if field.startswith(ATTRIBUTE_PREFIX):
        return products.facets.texts(field.removeprefix(ATTRIBUTE_PREFIX))
    return None


def _coded(products: FilterColumns, field: str) -> tuple[NDArray[Any], Codes]:
    """Return the column of codes of a text field, and the codes."""
    if field == "status":
        return products.status, _STATUSES
    return getattr(products, _COLUMNS.get(field, field)), getattr(products, _CODED[field])


def _codes(names: Codes, values: Collection[str]) -> list[int]:
    return [code for code in map(names.of, values) if code >= 0]


def _is_one_of(column: NDArray[Any], codes: list[int]) -> NDArray[np.bool_]:
    """Return where a column has one of some codes; most filters name one, which is found several times faster."""
    return np.asarray(column == codes[0]) if len(codes) == 1 else np.isin(column, codes)


def _number_column(products: FilterColumns, field: str) -> Numbers:
    """Return the numbers of all products in a field, shape (n,); NaN for unknown."""
    if field == "rating":
        # 4.3 as it was said, not as float32 has it.
        return np.asarray(np.round(products.rating.astype(np.float64), 4), np.float64)
    if field == "available_time":
        return products.added.astype(np.float64)
    # Of a price without a currency, whose code is -1, nobody knows what it is worth: the last unit is that.
    units = np.array([*(10.0 ** decimals(name) for name in products.currencies.names), np.nan], np.float64)
    price: Numbers = products.price.astype(np.float64) / units[products.currency]
    price[products.price < 0] = np.nan
    return price


def _rows_where(mask: NDArray[np.bool_]) -> Rows:
    return np.flatnonzero(mask).astype(np.int32)
