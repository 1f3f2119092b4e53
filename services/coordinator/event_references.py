"""What of all that an event refers to is not known, and what orders say of themselves."""

from collections.abc import Container, Sequence

from shared.db import event_log, orders
from shared.db.engine import Connection
from shared.db.unjoined_events import Missing
from shared.events.orders import OrderFacts


def missing_of(
    customer_id: str,
    product_ids: Sequence[str],
    refunded_order: str,
    customers: Container[str],
    products: Container[str],
    known_orders: Container[str],
) -> tuple[Missing, ...]:
    """Return what an event names and nobody knows, each once; empty names are nothing."""
    missing = [Missing("customer", customer_id)] if customer_id and customer_id not in customers else []
    missing += [Missing("product", each) for each in dict.fromkeys(product_ids) if each not in products]
    if refunded_order and refunded_order not in known_orders:
        missing.append(Missing("purchase", refunded_order))
    return tuple(missing)


def order_facts(connection: Connection, wanted: set[str]) -> dict[str, OrderFacts]:
    """Return those of the orders that exist, also those that are in the log and not projected yet."""
    if not wanted:
        return {}
    found = orders.read_orders(connection, wanted)
    for event in event_log.recorded_purchases(connection, wanted - found.keys()):
        found.setdefault(event.purchase.purchase_id, OrderFacts.of(event))
    return found
