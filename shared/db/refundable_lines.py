"""What customers can still give back: for refunds that name a product, but not the order."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from shared.db.batches import distinct_batches
from shared.db.schema import customers, products, purchase_items, purchases

NOTHING = 1e-9

Pair = tuple[str, str]
"""The platform's ids of a customer and of a product."""


@dataclass
class RefundableLine:
    """Units of a product in an order that were not given back yet; `order_id` is the platform's."""

    order_id: str
    at: datetime
    left: float


def lots(connection: Connection, pairs: Collection[Pair]) -> dict[Pair, list[RefundableLine]]:
    """Return what each customer has left of each product, oldest order first; pairs without any are missing."""
    found: dict[Pair, list[RefundableLine]] = defaultdict(list)
    wanted = set(pairs)
    left = purchase_items.c.quantity - purchase_items.c.refunded_quantity
    query = (
        select(customers.c.external_id, products.c.external_id, purchases.c.external_id, purchases.c.timestamp, left)
        .select_from(purchases)
        .join(customers, customers.c.customer_id == purchases.c.customer_id)
        .join(purchase_items, purchase_items.c.purchase_id == purchases.c.purchase_id)
        .join(products, products.c.product_id == purchase_items.c.product_id)
        .where(left > NOTHING)
        .order_by(purchases.c.timestamp, purchases.c.purchase_id, purchase_items.c.id)
    )
    by_customer: dict[str, set[str]] = defaultdict(set)
    for customer_id, product_id in wanted:
        by_customer[customer_id].add(product_id)
    for customer_id, product_ids in sorted(by_customer.items()):
        for some in distinct_batches(product_ids):
            of_one = query.where(customers.c.external_id == customer_id, products.c.external_id.in_(some))
            for customer, product, order_id, at, units in connection.execute(of_one):
                found[customer, product].append(RefundableLine(order_id, at, units))
    return dict(found)
