"""The columns that the rules of pages look at, made of catalogue entries by all who keep products in memory."""

from collections.abc import Sequence
from math import ceil
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.codes import Codes
from shared.db.products import CatalogueEntry
from shared.inventory import stock_of
from shared.page_rules import ProductColumns, Rows
from shared.sale_times import ALWAYS


class KeptColumns(ProductColumns, Protocol):
    """Columns that are kept in memory and follow changes."""

    @property
    def groups(self) -> Codes:
        """Codes of the groups."""

    @property
    def added(self) -> NDArray[np.int64]:
        """From when on each is on sale, in Unix seconds, shape (n,)."""

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
    columns = {name: with_values(getattr(products, name), rows, new) for name, new in values.items()}
    return {**columns, "categories": categories, "currencies": currencies, "groups": groups}


def with_values(column: NDArray[Any], rows: Rows, values: Sequence[int]) -> NDArray[Any]:
    """Return a copy of a column with other values at `rows`; the column itself where these are the values it has."""
    if np.array_equal(column[rows], values):
        return column
    changed = column.copy()
    changed[rows] = values
    return changed
