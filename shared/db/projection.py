"""From recorded events to what customers did: views, pages, carts, purchases, refunds, sessions.

A batch is projected at once: everything it refers to is read first, its effects are worked out in memory in the order
of the log, and written table by table. Nothing here moves the cursor; the caller does, in the same transaction.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain

from sqlalchemy import Connection

from shared.db import sessions
from shared.db.browsing import PAGE_COLUMNS, VIEW_COLUMNS, page_row, view_row, viewed_product
from shared.db.bulk import insert_rows, raise_values
from shared.db.carts import CartRow, Carts
from shared.db.identified_events import IdentifiedEvent, Recorded, decode, identify
from shared.db.orders import Catalogue, add_orders, known_orders, read_catalogue
from shared.db.refunds import read_refundable_orders, save_orders
from shared.db.schema import browsing_history, customers, page_events
from shared.db.types import to_micros
from shared.events.references import product_ids

__all__ = ["Projected", "Recorded", "decode", "project"]

WITHOUT_VISIT = ("refund",)
"""Kinds that are not something the shopper does in the shop: they neither make a session nor a customer active."""

ReadCatalogue = Callable[[Connection, set[str]], Catalogue]
"""Gives products by the platform's ids, with prices as they are now."""


@dataclass(frozen=True)
class Projected:
    """What became of a batch.

    `touched` are the customers whose interactions with products changed; `merged` the customer by each visitor's key
    that was given up. `skipped` counts what had no effect, by reason: `unknown_customer` and `duplicate_purchase`
    (events), `unknown_purchase` (refunds), `unknown_product` (lines), `refund_currency` (amounts).
    """

    touched: frozenset[int]
    merged: dict[int, int]
    skipped: dict[str, int]


def project(connection: Connection, recorded: Sequence[Recorded], read: ReadCatalogue = read_catalogue) -> Projected:
    """Write the effects of events, which follow each other in the log and are not projected yet.

    `read` gives the products that they name.
    """
    skipped: Counter[str] = Counter()
    identified, merged = identify(connection, recorded, skipped)
    batch = _Batch(
        connection, _with_sessions(connection, _without_repeated(connection, identified, skipped)), skipped, read
    )
    batch.write()
    return Projected(frozenset(batch.touched | set(merged.values())), merged, dict(+skipped))


class _Batch:
    def __init__(
        self, connection: Connection, identified: Sequence[IdentifiedEvent], skipped: Counter[str], read: ReadCatalogue
    ) -> None:
        self._connection = connection
        self._identified = identified
        self._skipped = skipped
        self._catalogue = read(connection, set(chain.from_iterable(map(_products_of, identified))))
        self.touched: set[int] = set()

    def write(self) -> None:
        self._write_views()
        self._write_carts()
        self._write_orders()
        self._write_refunds()
        _move_last_active(self._connection, self._identified)

    def _of(self, *kinds: str) -> list[IdentifiedEvent]:
        return [each for each in self._identified if each.kind in kinds]

    def _product(self, external_id: str) -> int | None:
        product = self._catalogue.get(external_id)
        if product is None:
            self._skipped["unknown_product"] += 1
            return None
        return product.key

    def _write_views(self) -> None:
        views = []
        for each in self._identified:
            external_id = viewed_product(each.event, each.kind)
            product_key = self._product(external_id) if external_id else None
            if product_key is not None:
                views.append(view_row(each, product_key))
                self.touched.add(each.customer_key)
        pages = [row for each in self._identified if (row := page_row(each)) is not None]
        insert_rows(self._connection, browsing_history, VIEW_COLUMNS, views)
        insert_rows(self._connection, page_events, PAGE_COLUMNS, pages)

    def _write_carts(self) -> None:
        changes = self._of("add_to_cart", "remove_from_cart", "purchase")
        carts = Carts(self._connection, {each.customer_key for each in changes if each.kind != "add_to_cart"})
        for each in changes:
            if each.kind == "purchase":
                self._buy(carts, each)
            else:
                self._change(carts, each)
        carts.save()

    def _change(self, carts: Carts, record: IdentifiedEvent) -> None:
        for item in getattr(record.event, record.kind).items:
            product_key, quantity = self._product(item.product_id), item.quantity or 1.0
            if product_key is None:
                continue
            self.touched.add(record.customer_key)
            if record.kind == "add_to_cart":
                carts.add(CartRow(None, record.customer_key, product_key, record.session_key, record.at, quantity))
            else:
                carts.remove(record.customer_key, product_key, quantity)

    def _buy(self, carts: Carts, record: IdentifiedEvent) -> None:
        if not carts.has_any(record.customer_key):
            return
        for product_id, quantity in zip(record.lines.products, record.lines.quantities, strict=True):
            product = self._catalogue.get(product_id)
            if product is not None:
                carts.buy(record.customer_key, product.key, quantity or 1.0)

    def _write_orders(self) -> None:
        purchases = self._of("purchase")
        lost = add_orders(self._connection, purchases, self._catalogue)
        self._skipped["unknown_product"] += lost
        self.touched.update(each.customer_key for each in purchases)

    def _write_refunds(self) -> None:
        refunds = self._of("refund")
        orders = read_refundable_orders(self._connection, {each.event.refund.purchase_id for each in refunds})
        for each in refunds:
            order = orders.get(each.event.refund.purchase_id)
            if order is None:
                self._skipped["unknown_purchase"] += 1
                continue
            order.give_back(self._given_back(each), self._paid_back(each, order.currency))
            self.touched.add(order.customer_key)
        save_orders(self._connection, orders.values())

    def _given_back(self, record: IdentifiedEvent) -> list[tuple[int, float]] | None:
        if not record.event.refund.items:
            return None
        items = [(self._product(item.product_id), item.quantity or 1.0) for item in record.event.refund.items]
        return [(key, quantity) for key, quantity in items if key is not None]

    def _paid_back(self, record: IdentifiedEvent, currency: str) -> int | None:
        if not record.event.refund.HasField("amount"):
            return None
        if record.event.refund.amount.currency_code != currency:
            self._skipped["refund_currency"] += 1
            return None
        return int(record.event.refund.amount.amount_minor)


def _products_of(record: IdentifiedEvent) -> Iterable[str]:
    return record.lines.products or product_ids(record.event, record.kind)


def _without_repeated(
    connection: Connection, identified: Sequence[IdentifiedEvent], skipped: Counter[str]
) -> list[IdentifiedEvent]:
    """Leave out purchases that are recorded already, under another event id."""
    seen = known_orders(connection, {each.event.purchase.purchase_id for each in identified if each.kind == "purchase"})
    kept = []
    for each in identified:
        if each.kind == "purchase":
            if each.event.purchase.purchase_id in seen:
                skipped["duplicate_purchase"] += 1
                continue
            seen.add(each.event.purchase.purchase_id)
        kept.append(each)
    return kept


def _with_sessions(connection: Connection, identified: Sequence[IdentifiedEvent]) -> list[IdentifiedEvent]:
    visiting = [each for each in identified if each.kind not in WITHOUT_VISIT]
    visits = [
        sessions.Visit(each.customer_key, each.at, sessions.named_by_platform(each.event.session_id))
        for each in visiting
    ]
    keys = iter(sessions.assign(connection, visits))
    return [
        each if each.kind in WITHOUT_VISIT else IdentifiedEvent._make((*each[:-1], next(keys))) for each in identified
    ]


def _move_last_active(connection: Connection, identified: Sequence[IdentifiedEvent]) -> None:
    """Move `last_active` forward to the latest event of each customer."""
    latest: dict[int, datetime] = {}
    for each in identified:
        if each.kind not in WITHOUT_VISIT:
            latest[each.customer_key] = max(each.at, latest.get(each.customer_key, each.at))
    raise_values(connection, customers, "last_active", {key: to_micros(at) for key, at in latest.items()})
