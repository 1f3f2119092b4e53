"""Carts: one row for each time a product was put in; what is taken out or bought is counted on the rows.

Taking out undoes the latest addition first. A purchase buys the oldest units first, and only as many as were bought:
the rest of the cart stays open. Both follow the order of the event log, not the times the events claim.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, literal_column, select

from shared.db.batches import among
from shared.db.bulk import insert_rows, update_rows
from shared.db.schema import cart_items
from shared.db.types import to_micros

NOTHING = 1e-9
"""Units below this are none: quantities may be fractions, and their sums are rounded."""


@dataclass(eq=False)
class CartRow:
    """A row of `cart_items`; `key` is None until it is stored."""

    key: int | None
    customer_key: int
    product_key: int
    session_key: int
    added_at: datetime
    quantity: float
    removed: float = 0.0
    purchased: float = 0.0
    changed: bool = False

    @property
    def left(self) -> float:
        """Units in the cart still."""
        return self.quantity - self.removed - self.purchased


class Carts:
    """The open carts of some customers: loaded once, changed in memory, stored at the end.

    Customers who only put things in need not be among them.
    """

    def __init__(self, connection: Connection, customer_keys: Collection[int]) -> None:
        self._connection = connection
        self._rows: dict[tuple[int, int], list[CartRow]] = defaultdict(list)
        self._all: list[CartRow] = []
        self._owners: set[int] = set()
        for row in open_rows(connection, customer_keys):
            self.add(row)

    def add(self, row: CartRow) -> None:
        """Put units into the cart."""
        self._rows[row.customer_key, row.product_key].append(row)
        self._all.append(row)
        self._owners.add(row.customer_key)

    def has_any(self, customer_key: int) -> bool:
        """Say whether the customer had anything in the cart."""
        return customer_key in self._owners

    def remove(self, customer_key: int, product_key: int, quantity: float) -> None:
        """Take units out, the latest first; more than there are empties the product's rows."""
        for row in reversed(self._rows.get((customer_key, product_key), [])):
            taken = min(row.left, quantity)
            if taken > NOTHING:
                row.removed += taken
                row.changed = True
                quantity -= taken

    def buy(self, customer_key: int, product_key: int, quantity: float) -> None:
        """Mark units as bought, the oldest first; what was not in the cart was bought without it."""
        for row in self._rows.get((customer_key, product_key), []):
            taken = min(row.left, quantity)
            if taken > NOTHING:
                row.purchased += taken
                row.changed = True
                quantity -= taken

    def save(self) -> None:
        """Store what was added and changed."""
        fresh = [_inserted(row) for row in self._all if row.key is None]
        changed = [(*_counted(row), row.key) for row in self._all if row.key is not None and row.changed]
        insert_rows(self._connection, cart_items, _COLUMNS, fresh)
        update_rows(self._connection, cart_items, _COUNTED, changed)


def open_rows(connection: Connection, customer_keys: Collection[int]) -> Iterable[CartRow]:
    """Return the rows of customers' open carts, in the order they were added."""
    columns = cart_items.c
    query = select(
        columns.id,
        columns.customer_id,
        columns.product_id,
        columns.session_id,
        columns.added_timestamp,
        columns.quantity,
        columns.removed_quantity,
        columns.purchased_quantity,
    ).where(is_open())
    rows = connection.execute(query.where(among(connection, columns.customer_id, customer_keys)).order_by(columns.id))
    return [CartRow(*row) for row in rows]


def is_open() -> Any:
    """Return the condition that a row is in the cart still, in the very word that the partial index was made with."""
    return literal_column("open")


_COUNTED = ("removed_quantity", "purchased_quantity", "purchased", "open")
_COLUMNS = ("customer_id", "product_id", "session_id", "added_timestamp", "quantity", *_COUNTED)


def _inserted(row: CartRow) -> tuple[Any, ...]:
    at = to_micros(row.added_at)
    return row.customer_key, row.product_key, row.session_key, at, row.quantity, *_counted(row)


def _counted(row: CartRow) -> tuple[float, float, bool, bool]:
    return row.removed, row.purchased, row.purchased > NOTHING, row.left > NOTHING
