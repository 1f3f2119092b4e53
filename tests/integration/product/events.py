"""Rows as the customer and feedback agents write them, for tests of what the product agent reads."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Table

from shared.db import schema

START = datetime(2026, 1, 1, tzinfo=UTC)


def insert(connection: Connection, table: Table, **values: Any) -> int:
    """Insert a row and return its key."""
    [key] = connection.execute(table.insert().values(values)).inserted_primary_key or ()
    return int(key)


def new_session(connection: Connection) -> dict[str, int]:
    """Make a customer with a session and return both keys as columns."""
    customer = insert(connection, schema.customers, external_id=uuid4().hex, registration_date=START)
    times = {"started_at": START, "last_event_at": START}
    return {"customer_id": customer, "session_id": insert(connection, schema.sessions, customer_id=customer, **times)}


def record_view(connection: Connection, key: int, at: datetime) -> int:
    """Record a view of a product."""
    return insert(connection, schema.browsing_history, **new_session(connection), product_id=key, view_time=at)


def record_cart(connection: Connection, key: int, at: datetime) -> int:
    """Record that a product was put into a cart."""
    columns = {"product_id": key, "quantity": 1.0, "added_timestamp": at}
    return insert(connection, schema.cart_items, **new_session(connection), **columns)


def record_purchase(
    connection: Connection, at: datetime, lines: Mapping[int, Mapping[str, float]], currency: str = "USD"
) -> int:
    """Record an order with a line per product: one unit for 100 minor units unless its columns say otherwise."""
    purchase = insert(
        connection,
        schema.purchases,
        **new_session(connection),
        external_id=uuid4().hex,
        timestamp=at,
        total_amount=0,
        currency=currency,
    )
    for key, columns in lines.items():
        line = {"quantity": 1.0, "amount": 100, **columns}
        insert(connection, schema.purchase_items, purchase_id=purchase, product_id=key, **line)
    return purchase


def record_recommendation(connection: Connection, key: int, at: datetime, **marks: Any) -> int:
    """Record a recommendation of a product that somebody responded to."""
    row = {"product_id": key, "algorithm": "popular", "generated_at": at}
    return insert(connection, schema.recommendations, **row, **marks)
