"""What the recommendation agent must know of a shopper beside the recent history."""

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, bindparam, select

from shared.db.schema import page_events, purchase_items, purchases

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


def bought_products(connection: Connection, customer_key: int) -> NDArray[np.int64]:
    """Return the keys of all products a customer ever bought, given back or not; shape (n,), int64, in no order."""
    keys = connection.execute(_BOUGHT, {"customer": customer_key}).scalars()
    return np.fromiter(keys, np.int64)


def latest_search(connection: Connection, customer_key: int, session_key: int) -> str:
    """Return what a customer searched for last in a session; empty for nothing."""
    asked = {"customer": customer_key, "session": session_key}
    return connection.execute(_SEARCHED, asked).scalar_one_or_none() or ""
