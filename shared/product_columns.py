"""The columns that the rules of pages look at, made of catalogue entries by all who keep products in memory."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared.db.products import CatalogueEntry
from shared.inventory import stock_of
from shared.page_rules import ProductColumns, Rows


def updated_columns(products: ProductColumns, rows: Rows, entries: Sequence[CatalogueEntry]) -> dict[str, Any]:
    """Return the columns of `ProductColumns` by name, with the products at `rows` as their entries say.

    The columns given stay as they are.
    """
    categories = products.categories.extended(entry.category for entry in entries)
    currencies = products.currencies.extended(entry.currency or "" for entry in entries)
    values = {
        "category": [categories.of(entry.category) for entry in entries],
        "currency": [currencies.of(entry.currency or "") for entry in entries],
        "price": [-1 if entry.price is None else entry.price for entry in entries],
        "stock": [stock_of(entry.inventory_status, entry.recommendable) for entry in entries],
    }
    columns = {name: with_values(getattr(products, name), rows, new) for name, new in values.items()}
    return {**columns, "categories": categories, "currencies": currencies}


def with_values(column: NDArray[Any], rows: Rows, values: Sequence[int]) -> NDArray[Any]:
    """Return a copy of a column with other values at `rows`; the column itself where these are the values it has."""
    if np.array_equal(column[rows], values):
        return column
    changed = column.copy()
    changed[rows] = values
    return changed
