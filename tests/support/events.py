"""Events for tests of what is made of the event log: written briefly, appended as the coordinator would."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.money_pb2 import Money
from sqlalchemy import select

from shared.db import customer_updates, customers, event_log, projection
from shared.db.customer_updates import NewCustomer
from shared.db.engine import Database
from shared.db.event_log import NewEvent
from shared.db.projection import Projected
from shared.db.schema import metadata, products

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
_numbers = count(1)

Price = tuple[int, str] | None


def add_products(database: Database, prices: Mapping[str, Price]) -> dict[str, int]:
    """Add products with a price in minor units and a currency, or None; return their keys."""
    with database.write() as connection:
        rows = [
            {
                "external_id": name,
                "name": f"Product {name}",
                "category": f"category {name[0]}",
                "brand": f"brand {name[-1]}",
                "price": price[0] if price else None,
                "currency": price[1] if price else None,
                "available_at": NOON,
                "updated_at": NOON,
                "change_sequence": number,
            }
            for number, (name, price) in enumerate(prices.items(), 1)
        ]
        connection.execute(products.insert(), rows)
        return {row.external_id: row.product_id for row in connection.execute(select(products))}


def add_customers(database: Database, *names: str) -> dict[str, int]:
    """Register customers and return their keys."""
    with database.write() as connection:
        customer_updates.upsert(connection, [NewCustomer(name) for name in names])
        return customers.resolve_customers(connection, names)


def event(
    who: str, minutes: float = 0.0, *, visitor: str = "", session: str = "", event_id: str = "", **detail: Any
) -> Event:
    """Return an event `minutes` after noon; `detail` is one field of the event, such as `cart_view={}`."""
    made = Event(
        event_id=event_id or f"event-{next(_numbers)}",
        customer_id=who,
        visitor_id=visitor,
        session_id=session,
        **detail,
    )
    made.event_time.FromDatetime(NOON + timedelta(minutes=minutes))
    return made


def view(who: str, product: str, minutes: float = 0.0, **more: Any) -> Event:
    """Return a product view."""
    return event(who, minutes, product_view={"product_id": product}, **more)


def add(who: str, items: Mapping[str, float], minutes: float = 0.0) -> Event:
    """Return an addition to the cart."""
    return event(who, minutes, add_to_cart={"items": _quantities(items)})


def remove(who: str, items: Mapping[str, float], minutes: float = 0.0) -> Event:
    """Return a removal from the cart."""
    return event(who, minutes, remove_from_cart={"items": _quantities(items)})


def purchase(
    who: str, order: str, items: Sequence[tuple[str, float, int | None]], minutes: float = 0.0, total: int | None = None
) -> Event:
    """Return a purchase of (product, quantity, amount of the line in cents or None)."""
    lines = [
        {"product_id": product, "quantity": quantity, **({} if amount is None else {"amount": usd(amount)})}
        for product, quantity, amount in items
    ]
    extra = {} if total is None else {"total": usd(total)}
    return event(who, minutes, purchase={"purchase_id": order, "items": lines, **extra})


def refund(who: str, order: str, items: Mapping[str, float] | None = None, amount: Money | None = None) -> Event:
    """Return a refund of some items, or of all."""
    extra = {} if amount is None else {"amount": amount}
    return event(who, 60.0, refund={"purchase_id": order, "items": _quantities(items or {}), **extra})


def usd(cents: int) -> Money:
    """Return an amount in US dollars."""
    return Money(currency_code="USD", amount_minor=cents)


def append(database: Database, events: Sequence[Event]) -> None:
    """Append events to the log, as the coordinator does."""
    with database.write() as connection:
        keys = customers.resolve_customers(connection, {each.customer_id for each in events if each.customer_id})
        anonymous = {each.visitor_id for each in events if not each.customer_id}
        visitors = customers.resolve_visitors(connection, anonymous)
        event_log.append(
            connection,
            [
                NewEvent(
                    each.event_id,
                    keys[each.customer_id] if each.customer_id else visitors[each.visitor_id],
                    each.WhichOneof("detail") or "",
                    each.event_time.ToDatetime(tzinfo=UTC),
                    each.SerializeToString(),
                    each.purchase.purchase_id or None,
                )
                for each in events
            ],
        )


def project_next(database: Database, limit: int = 500) -> Projected:
    """Project the next events of the log and move the cursor."""
    with database.write() as connection:
        logged = event_log.read_after(connection, event_log.lock_cursor(connection, "customer"), limit)
        projected = projection.project(connection, projection.decode(logged))
        event_log.move_cursor(connection, "customer", logged[-1].sequence)
        return projected


def happened(database: Database, *events: Event) -> Projected:
    """Append events and project them as one batch."""
    append(database, events)
    return project_next(database)


def rows(database: Database, table: str) -> list[dict[str, Any]]:
    """Return all rows of a table, in the order of its key."""
    found = metadata.tables[table]
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(found).order_by(*found.primary_key.columns))]


def _quantities(items: Mapping[str, float]) -> list[dict[str, Any]]:
    return [{"product_id": product, "quantity": quantity} for product, quantity in items.items()]
