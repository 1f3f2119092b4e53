"""Purchases: orders and their lines.

Amounts are minor units in the order's currency: the currency of the amounts given, else of the first product with a
price, else `USD`. A line without an amount costs the product's present price times the quantity, rounded half up; 0
when the price is unknown or in another currency. An order without a total costs the sum of its lines.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence, Set
from itertools import repeat
from typing import Any, NamedTuple

from quintet.type.v1.event_pb2 import Purchase
from sqlalchemy import Connection, case, func, select

from shared.db.batches import among
from shared.db.bulk import insert_numbered, insert_rows
from shared.db.identified_events import IdentifiedEvent
from shared.db.products import newest_change
from shared.db.schema import customers, products, purchase_items, purchases
from shared.db.types import to_micros
from shared.events.orders import OrderFacts
from shared.money import line_amount

DEFAULT_CURRENCY = "USD"
MOST_REMEMBERED = 500_000

_ORDER = ("external_id", "customer_id", "session_id", "timestamp", "total_amount", "refunded_amount", "currency")
_LINE = ("purchase_id", "product_id", "quantity", "amount", "refunded_quantity", "refunded_amount")


class Priced(NamedTuple):
    """A product as an order needs it; price in minor units, None when unknown."""

    key: int
    price: int | None
    currency: str | None


OrderColumns = tuple[Sequence[int], Sequence[float], Sequence[int]]

Catalogue = Mapping[str, Priced]
"""Products by the platform's ids."""


def usual_currency(connection: Connection) -> str:
    """Return the currency of most of the latest thousand orders; empty without orders."""
    latest = select(purchases.c.currency).order_by(purchases.c.purchase_id.desc()).limit(1_000).subquery()
    query = select(latest.c.currency).group_by(latest.c.currency).order_by(func.count().desc(), latest.c.currency)
    return str(connection.execute(query.limit(1)).scalar_one_or_none() or "")


def read_catalogue(connection: Connection, external_ids: Collection[str]) -> Catalogue:
    """Return products by the platform's ids; unknown ids are missing."""
    columns = products.c
    query = select(columns.external_id, columns.product_id, columns.price, columns.currency)
    rows = connection.execute(query.where(among(connection, columns.external_id, external_ids))).all()
    return {external_id: Priced(key, price, currency) for external_id, key, price, currency in rows}


class RememberedCatalogue:
    """Looks products up once, and anew when the catalogue has changed. Remembers about `most` products."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._change = -1
        self._products: dict[str, Priced] = {}

    def read(self, connection: Connection, external_ids: Set[str]) -> Catalogue:
        """Return at least the products named, as they are now; unknown ids are missing."""
        change = newest_change(connection)
        if change != self._change or len(self._products) > self._most:
            self._change, self._products = change, {}
        missing = {each for each in external_ids if each not in self._products}  # `-` would go through all products
        if missing:
            self._products.update(read_catalogue(connection, missing))
        return self._products


def known_orders(connection: Connection, external_ids: Collection[str]) -> set[str]:
    """Return those of the platform's purchase ids that are recorded."""
    column = purchases.c.external_id
    return set(connection.execute(select(column).where(among(connection, column, external_ids))).scalars())


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
    for row in connection.execute(query.where(among(connection, purchases.c.external_id, external_ids))):
        lines[row.order_id].append(row)
    return {
        order_id: OrderFacts(rows[0].customer_id or "", frozenset(row.product_id for row in rows), rows[0].currency)
        for order_id, rows in lines.items()
    }


def add_orders(connection: Connection, identified: Sequence[IdentifiedEvent], catalogue: Catalogue) -> int:
    """Store purchases, each new, with their lines; return how many lines were left out for an unknown product."""
    if not identified:
        return 0
    orders, lines = zip(*(_order(each, catalogue) for each in identified), strict=True)
    keys = insert_numbered(connection, purchases, _ORDER, orders)
    rows = [
        row for key, some in zip(keys, lines, strict=True) for row in zip(repeat(key), *some, repeat(0.0), repeat(0))
    ]
    insert_rows(connection, purchase_items, _LINE, rows)
    return sum(len(each.lines.products) for each in identified) - len(rows)


def _order(record: IdentifiedEvent, catalogue: Catalogue) -> tuple[tuple[Any, ...], OrderColumns]:
    """Return the values of an order's row and, of its lines, the products' keys, units and amounts."""
    purchase, lines = record.event.purchase, record.lines
    currency = _currency(purchase, catalogue)
    found = list(map(catalogue.get, lines.products))
    known = [product for product in found if product]
    if len(known) < len(found):
        lines = lines.only(found)
    quantities = [quantity or 1.0 for quantity in lines.quantities]
    amounts = [
        _price(product, quantity, currency) if amount is None else amount
        for amount, product, quantity in zip(lines.amounts, known, quantities, strict=True)
    ]
    total = purchase.total.amount_minor if purchase.HasField("total") else sum(amounts)
    row = (purchase.purchase_id, record.customer_key, record.session_key, to_micros(record.at), total, 0, currency)
    return row, ([product.key for product in known], quantities, amounts)


def _currency(purchase: Purchase, catalogue: Catalogue) -> str:
    if purchase.HasField("total"):
        return purchase.total.currency_code
    given = next((line.amount for line in purchase.items if line.HasField("amount")), None)
    if given is not None:
        return given.currency_code
    priced = (catalogue[line.product_id] for line in purchase.items if line.product_id in catalogue)
    return next((product.currency for product in priced if product.currency), DEFAULT_CURRENCY)


def _price(product: Priced, quantity: float, currency: str) -> int:
    if product.price is None or product.currency != currency:
        return 0
    return line_amount(product.price, quantity)
