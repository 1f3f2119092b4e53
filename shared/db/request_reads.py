"""What the recommendation agent reads with every request beside the recent history.

The statements are made once: on a path of a few milliseconds, making them anew and looking them up in the cache of
compiled ones takes a noticeable part of the time.
"""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, func, select

from shared.db.products import CatalogueEntry
from shared.db.schema import algorithm_weights, customers, page_events, products, purchase_items, purchases

_LATEST = select(
    select(func.coalesce(func.max(products.c.change_sequence), 0)).scalar_subquery(),
    select(func.coalesce(func.max(algorithm_weights.c.version), 0)).scalar_subquery(),
)
_PERSON = select(customers.c.customer_id, customers.c.demographics).where(
    customers.c.external_id == bindparam("external_id")
)
_NOW = select(
    products.c.product_id,
    products.c.external_id,
    products.c.name,
    products.c.category,
    products.c.subcategory,
    products.c.brand,
    products.c.price,
    products.c.currency,
    products.c.image_urls[0].as_string(),
    products.c.inventory_status,
    products.c.recommendable,
    products.c.available_at,
    products.c.change_sequence,
).where(products.c.product_id.in_(bindparam("keys", expanding=True)))

_BOUGHT = (
    select(purchase_items.c.product_id)
    .join(purchases, purchases.c.purchase_id == purchase_items.c.purchase_id)
    .where(purchases.c.customer_id == bindparam("customer"))
    .distinct()
)
_SEARCHED = (
    select(page_events.c.value)
    .where(
        page_events.c.customer_id == bindparam("customer"),
        page_events.c.session_id == bindparam("session"),
        page_events.c.kind == "search",
    )
    .order_by(page_events.c.occurred_at.desc(), page_events.c.id.desc())
    .limit(1)
)


def latest_changes(connection: Connection) -> tuple[int, int]:
    """Return the number of the catalogue's latest change and the version of the weights in force; 0 for none."""
    row = connection.execute(_LATEST).one()
    return int(row[0]), int(row[1])


def find_person(connection: Connection, external_id: str) -> tuple[int, dict[str, Any]] | None:
    """Return key and demographics of a customer by the platform's id; None for an unknown one."""
    row = connection.execute(_PERSON, {"external_id": external_id}).one_or_none()
    return None if row is None else (row.customer_id, row.demographics)


def products_now(connection: Connection, keys: Collection[int]) -> dict[int, CatalogueEntry]:
    """Return products as they are now, at most some hundreds, by key; unknown keys are left out."""
    rows = connection.execute(_NOW, {"keys": list(keys)})
    return {row[0]: CatalogueEntry._make(row) for row in rows}


def bought_products(connection: Connection, customer_key: int) -> NDArray[np.int64]:
    """Return the keys of all products a customer ever bought, given back or not; shape (n,), int64, in no order."""
    keys = connection.execute(_BOUGHT, {"customer": customer_key}).scalars()
    return np.fromiter(keys, np.int64)


def latest_search(connection: Connection, customer_key: int, session_key: int) -> str:
    """Return what a customer searched for last in a session; empty for nothing."""
    asked = {"customer": customer_key, "session": session_key}
    return connection.execute(_SEARCHED, asked).scalar_one_or_none() or ""
