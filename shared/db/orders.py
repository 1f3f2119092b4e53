"""Purchases: orders and their lines.

Amounts are minor units in the order's currency: the currency of the amounts given, else of the first product with a
price, else `USD`. A line without an amount costs the product's present price times the quantity, rounded half up; 0
when the price is unknown or in another currency. An order without a total costs the sum of its lines.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from quintet.type.v1.event_pb2 import Purchase
from sqlalchemy import Connection, case, select

from shared.db.batches import distinct_batches
from shared.db.identified_events import IdentifiedEvent
from shared.db.refunds import round_half_up
from shared.db.schema import customers, products, purchase_items, purchases
from shared.events.orders import OrderFacts

DEFAULT_CURRENCY = "USD"

# Lines are most of what an import writes. Given to the driver as plain tuples they take two thirds of the time that
# rows by name take: measured with 155,848 orders of 1,464,471 lines.
_LINE_COLUMNS = "purchase_id, product_id, quantity, amount, refunded_quantity, refunded_amount"
_ADD_LINE = {
    "sqlite": f"INSERT INTO purchase_items ({_LINE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)",  # noqa: S608 - no input in it
    "postgresql": f"INSERT INTO purchase_items ({_LINE_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s)",  # noqa: S608
}


class Priced(Protocol):
    """A product as an order needs it; price in minor units, None when unknown."""

    @property
    def key(self) -> int: ...
    @property
    def price(self) -> int | None: ...
    @property
    def currency(self) -> str | None: ...


Catalogue = Mapping[str, Priced]
"""Products by the platform's ids."""


def read_catalogue(connection: Connection, external_ids: Collection[str]) -> Catalogue:
    """Return products by the platform's ids; unknown ids are missing."""
    columns = products.c
    query = select(columns.external_id, columns.product_id.label("key"), columns.price, columns.currency)
    catalogue: dict[str, Any] = {}
    for some in distinct_batches(external_ids):
        catalogue.update((row[0], row) for row in connection.execute(query.where(columns.external_id.in_(some))).all())
    return catalogue


def known_orders(connection: Connection, external_ids: Collection[str]) -> set[str]:
    """Return those of the platform's purchase ids that are recorded."""
    column = purchases.c.external_id
    return {
        external_id
        for some in distinct_batches(external_ids)
        for external_id in connection.execute(select(column).where(column.in_(some))).scalars()
    }


def read_orders(connection: Connection, external_ids: Collection[str]) -> dict[str, OrderFacts]:
    """Return recorded purchases by the platform's ids, as refunds must fit them; unknown ids are missing."""
    query = (
        select(
            purchases.c.external_id.label("order_id"),
            customers.c.external_id.label("customer_id"),
            products.c.external_id.label("product_id"),
            # The currency of an order without any amount is made up.
            case((purchases.c.total_amount == 0, ""), else_=purchases.c.currency).label("currency"),
        )
        .join_from(purchases, customers, customers.c.customer_id == purchases.c.customer_id)
        .outerjoin(purchase_items, purchase_items.c.purchase_id == purchases.c.purchase_id)
        .outerjoin(products, products.c.product_id == purchase_items.c.product_id)
    )
    lines: dict[str, list[Any]] = defaultdict(list)
    for some in distinct_batches(external_ids):
        for row in connection.execute(query.where(purchases.c.external_id.in_(some))):
            lines[row.order_id].append(row)
    return {
        order_id: OrderFacts(rows[0].customer_id or "", frozenset(row.product_id for row in rows), rows[0].currency)
        for order_id, rows in lines.items()
    }


def add_orders(connection: Connection, acts: Sequence[IdentifiedEvent], catalogue: Catalogue) -> int:
    """Store purchases, each new, with their lines; return how many lines were left out for an unknown product."""
    if not acts:
        return 0
    orders, lines = zip(*(_order(act, catalogue) for act in acts), strict=True)
    # Not sorted by parameters: on SQLite that would insert one row at a time.
    insert = purchases.insert().returning(purchases.c.external_id, purchases.c.purchase_id)
    keys = {row.external_id: row.purchase_id for row in connection.execute(insert, list(orders))}
    rows = [
        (keys[order["external_id"]], product_key, quantity, amount, 0.0, 0)
        for order, some in zip(orders, lines, strict=True)
        for product_key, quantity, amount in some
    ]
    if rows:
        connection.exec_driver_sql(_ADD_LINE[connection.dialect.name], rows)
    return sum(len(act.event.purchase.items) for act in acts) - len(rows)


def _order(act: IdentifiedEvent, catalogue: Catalogue) -> tuple[dict[str, Any], list[tuple[int, float, int]]]:
    purchase = act.event.purchase
    currency = _currency(purchase, catalogue)
    lines = [
        (product.key, line.quantity or 1.0, _amount(line, product, currency))
        for line in purchase.items
        if (product := catalogue.get(line.product_id)) is not None
    ]
    given = purchase.total.amount_minor if purchase.HasField("total") else None
    row = {
        "external_id": purchase.purchase_id,
        "customer_id": act.customer_key,
        "session_id": act.session_key,
        "timestamp": act.at,
        "total_amount": sum(amount for _, _, amount in lines) if given is None else given,
        "currency": currency,
    }
    return row, lines


def _currency(purchase: Purchase, catalogue: Catalogue) -> str:
    if purchase.HasField("total"):
        return purchase.total.currency_code
    given = next((line.amount.currency_code for line in purchase.items if line.HasField("amount")), None)
    if given is not None:
        return given
    priced = (catalogue[line.product_id] for line in purchase.items if line.product_id in catalogue)
    return next((product.currency for product in priced if product.currency), DEFAULT_CURRENCY)


def _amount(line: Any, product: Priced, currency: str) -> int:
    if line.HasField("amount"):
        return int(line.amount.amount_minor)
    if product.price is None or product.currency != currency:
        return 0
    return round_half_up(product.price * Decimal(str(line.quantity or 1.0)))
