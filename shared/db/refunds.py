"""Refunds: what is given back of a purchase, never more than was bought, in units and in money."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, select

from shared import money
from shared.db.batches import distinct_batches
from shared.db.schema import purchase_items, purchases

NOTHING = 1e-9


@dataclass(eq=False)
class BoughtLine:
    """A line of an order; amounts are minor units."""

    key: int
    product_key: int
    quantity: float
    amount: int
    refunded_quantity: float = 0.0
    refunded_amount: int = 0

    @property
    def left(self) -> float:
        """Units that were not given back."""
        return self.quantity - self.refunded_quantity

    def share(self, quantity: float) -> int:
        """Return what giving back `quantity` more units is worth; the last units are worth all that is left."""
        rest = self.amount - self.refunded_amount
        if quantity >= self.left - NOTHING:
            return rest
        return min(rest, money.share(self.amount, money.units(self.quantity), money.units(quantity)))


@dataclass(eq=False)
class Order:
    """A stored purchase with its lines in their order; amounts are minor units of `currency`."""

    key: int
    customer_key: int
    currency: str
    total: int
    refunded: int
    lines: list[BoughtLine] = field(default_factory=list)
    changed: bool = False

    def give_back(self, items: Sequence[tuple[int, float]] | None, amount: int | None) -> None:
        """Take back units by (product key, quantity), or all for None, and pay `amount`, by default their share.

        Units that were not bought, or given back before, are ignored. What is paid is never more than the order cost
        less what was paid back before; on the lines it is recorded in proportion to their shares, up to their amounts.
        """
        taken = self._everything() if items is None else self._some(items)
        shares = [line.share(quantity) for line, quantity in taken]
        for line, quantity in taken:
            line.refunded_quantity = min(line.quantity, line.refunded_quantity + quantity)
        rest = self.total - self.refunded
        whole = all(line.left <= NOTHING for line in self.lines)
        default = rest if whole else min(rest, sum(shares))
        paid = default if amount is None else min(rest, amount)
        for (line, _), part in zip(taken, money.split(min(paid, sum(shares)), shares), strict=True):
            line.refunded_amount += part
        self.refunded += paid
        self.changed = True

    def _everything(self) -> list[tuple[BoughtLine, float]]:
        return [(line, line.left) for line in self.lines if line.left > NOTHING]

    def _some(self, items: Sequence[tuple[int, float]]) -> list[tuple[BoughtLine, float]]:
        wanted: dict[int, float] = defaultdict(float)
        for product_key, quantity in items:
            wanted[product_key] += quantity
        taken = []
        for line in self.lines:
            quantity = min(line.left, wanted[line.product_key])
            if quantity > NOTHING:
                wanted[line.product_key] -= quantity
                taken.append((line, quantity))
        return taken


def read_refundable_orders(connection: Connection, external_ids: Collection[str]) -> dict[str, Order]:
    """Return purchases with their lines by the platform's ids; unknown ids are missing."""
    orders: dict[str, Order] = {}
    columns = purchases.c
    query = select(
        columns.external_id,
        columns.purchase_id,
        columns.customer_id,
        columns.currency,
        columns.total_amount,
        columns.refunded_amount,
    )
    for some in distinct_batches(external_ids):
        for external_id, *values in connection.execute(query.where(columns.external_id.in_(some))):
            orders[external_id] = Order(*values)
    _read_lines(connection, {order.key: order for order in orders.values()})
    return orders


def save_orders(connection: Connection, orders: Collection[Order]) -> None:
    """Store what refunds changed."""
    changed = [order for order in orders if order.changed]
    if not changed:
        return
    connection.execute(
        purchases.update().where(purchases.c.purchase_id == bindparam("of")),
        [{"of": order.key, "refunded_amount": order.refunded} for order in changed],
    )
    rows = [
        {"of": line.key, "refunded_quantity": line.refunded_quantity, "refunded_amount": line.refunded_amount}
        for order in changed
        for line in order.lines
    ]
    connection.execute(purchase_items.update().where(purchase_items.c.id == bindparam("of")), rows)


def _read_lines(connection: Connection, orders: dict[int, Order]) -> None:
    columns = purchase_items.c
    query = select(
        columns.purchase_id,
        columns.id,
        columns.product_id,
        columns.quantity,
        columns.amount,
        columns.refunded_quantity,
        columns.refunded_amount,
    ).order_by(columns.id)
    for some in distinct_batches(orders):
        for purchase_key, *values in connection.execute(query.where(columns.purchase_id.in_(some))):
            orders[purchase_key].lines.append(BoughtLine(*values))
