"""What a profile shows of a customer: latest views and purchases, the cart, and the labels of the products in them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, select

from shared.db.batches import distinct_batches
from shared.db.carts import is_open
from shared.db.schema import browsing_history, cart_items, products, purchase_items, purchases, sessions


@dataclass(frozen=True)
class Shown:
    """One thing a customer did with a product; ids are the platform's.

    `quantity` is for carts (what is left in it) and purchases, `amount` (minor units of `currency`, as paid) and
    `purchase_id` for purchases, `duration_seconds` for views.
    """

    product_id: str
    product_name: str
    at: datetime
    duration_seconds: float = 0.0
    quantity: float = 0.0
    amount: int | None = None
    currency: str = ""
    purchase_id: str = ""


@dataclass(frozen=True)
class Labels:
    """A product as preferences need it."""

    product_id: str
    category: str
    brand: str


def latest_views(connection: Connection, customer_key: int, limit: int = 100) -> list[Shown]:
    """Return the latest product views, newest first."""
    row = browsing_history.c
    query = (
        select(products.c.external_id, products.c.name, row.view_time, row.duration_seconds)
        .join(products, products.c.product_id == row.product_id)
        .where(row.customer_id == customer_key)
        .order_by(row.view_time.desc(), row.id.desc())
        .limit(limit)
    )
    return [Shown(*found) for found in connection.execute(query)]


def latest_lines(connection: Connection, customer_key: int, limit: int = 500) -> list[Shown]:
    """Return the latest purchase lines as they were bought, newest first; lines of one order in their order."""
    order, line = purchases.c, purchase_items.c
    query = (
        select(
            products.c.external_id,
            products.c.name,
            order.timestamp,
            line.quantity,
            line.amount,
            order.currency,
            order.external_id,
        )
        .select_from(purchases)
        .join(purchase_items, line.purchase_id == order.purchase_id)
        .join(products, products.c.product_id == line.product_id)
        .where(order.customer_id == customer_key)
        .order_by(order.timestamp.desc(), order.purchase_id.desc(), line.id)
        .limit(limit)
    )
    return [
        Shown(product_id, name, at, 0.0, quantity, amount, currency, purchase_id)
        for product_id, name, at, quantity, amount, currency, purchase_id in connection.execute(query)
    ]


def open_cart(connection: Connection, customer_key: int) -> list[Shown]:
    """Return what is in the cart, one entry for each time something was put in, in that order."""
    row = cart_items.c
    left = row.quantity - row.removed_quantity - row.purchased_quantity
    query = (
        select(products.c.external_id, products.c.name, row.added_timestamp, left)
        .join(products, products.c.product_id == row.product_id)
        .where(row.customer_id == customer_key, is_open())
        .order_by(row.id)
    )
    return [Shown(product_id, name, at, 0.0, units) for product_id, name, at, units in connection.execute(query)]


def count_sessions(connection: Connection, customer_key: int) -> int:
    """Return the number of sessions of a customer."""
    query = select(func.count()).select_from(sessions).where(sessions.c.customer_id == customer_key)
    return int(connection.execute(query).scalar_one())


def currencies(connection: Connection, customer_key: int) -> dict[int, str]:
    """Return the currency of each purchase of a customer, by purchase key."""
    query = select(purchases.c.purchase_id, purchases.c.currency).where(purchases.c.customer_id == customer_key)
    return {row.purchase_id: row.currency for row in connection.execute(query)}


def labels(connection: Connection, product_keys: Collection[int]) -> dict[int, Labels]:
    """Return products by key as preferences need them; unknown keys are missing."""
    row = products.c
    query = select(row.product_id, row.external_id, row.category, row.brand)
    return {
        key: Labels(*values)
        for some in distinct_batches(product_keys)
        for key, *values in connection.execute(query.where(row.product_id.in_(some)))
    }


def all_labels(connection: Connection) -> dict[int, Labels]:
    """Return all products by key as preferences need them."""
    row = products.c
    query: Any = select(row.product_id, row.external_id, row.category, row.brand)
    return {key: Labels(*values) for key, *values in connection.execute(query)}
