"""The columns that the rules of pages look at, made of catalogue entries by all who keep products in memory."""

from collections.abc import Sequence
from math import ceil
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.db.products import CatalogueEntry
from shared.facets import Facets
from shared.inventory import INVENTORY_STATUSES, stock_of
from shared.page_rules import ProductColumns, Rows
from shared.sale_times import ALWAYS


class KeptColumns(ProductColumns, Protocol):
    """Columns that are kept in memory and follow changes."""

    @property
    def facets(self) -> Facets:
        """Attributes and tags."""

    @property
    def cost(self) -> NDArray[np.int64]:
        """What each costs the shop, in minor units of the currency of its price, shape (n,); -1 for unknown."""

    @property
    def expires(self) -> NDArray[np.int64]:
        """From when on each is no longer on sale, in Unix seconds, shape (n,); ALWAYS for no end."""


def updated_columns(products: KeptColumns, rows: Rows, entries: Sequence[CatalogueEntry]) -> dict[str, Any]:
    """Return the columns of `KeptColumns` by name, with the products at `rows` as their entries say.

    The columns given stay as they are.
    """
    categories = products.categories.extended(entry.category for entry in entries)
    currencies = products.currencies.extended(entry.currency or "" for entry in entries)
    groups = products.groups.extended(entry.group_id for entry in entries)
    values = {
        "category": [categories.of(entry.category) for entry in entries],
        "currency": [currencies.of(entry.currency or "") for entry in entries],
        "price": [-1 if entry.price is None else entry.price for entry in entries],
        "stock": [stock_of(entry.inventory_status, entry.recommendable) for entry in entries],
        "group": [groups.of(entry.group_id) for entry in entries],
        "added": [int(entry.available_at.timestamp()) for entry in entries],
        "expires": [ALWAYS if entry.expire_at is None else ceil(entry.expire_at.timestamp()) for entry in entries],
    }
    columns: dict[str, Any] = {name: with_values(getattr(products, name), rows, new) for name, new in values.items()}
    columns |= {"categories": categories, "currencies": currencies, "groups": groups}
    return columns | _described(products, rows, entries)


def _described(products: KeptColumns, rows: Rows, entries: Sequence[CatalogueEntry]) -> dict[str, Any]:
    """Return the columns that only filters and rules look at, with the products at `rows` as their entries say."""
    brands = products.brands.extended(entry.brand for entry in entries)
    subcategories = products.subcategories.extended(entry.subcategory for entry in entries)
    rating = products.rating.copy()
    rating[rows] = [np.nan if entry.average_rating is None else entry.average_rating for entry in entries]
    values = {
        "brand": [brands.of(entry.brand) for entry in entries],
        "subcategory": [subcategories.of(entry.subcategory) for entry in entries],
        "status": [INVENTORY_STATUSES.index(entry.inventory_status) for entry in entries],
        "cost": [-1 if entry.cost is None else entry.cost for entry in entries],
    }
    columns = {name: with_values(getattr(products, name), rows, new) for name, new in values.items()}
    facets = products.facets.updated(rows, entries)
    return {**columns, "rating": rating, "brands": brands, "subcategories": subcategories, "facets": facets}


def with_values(column: NDArray[Any], rows: Rows, values: Sequence[int]) -> NDArray[Any]:
    """Return a copy of a column with other values at `rows`; the column itself where these are the values it has."""
    if np.array_equal(column[rows], values):
        return column
    changed = column.copy()
    changed[rows] = values
    return changed
