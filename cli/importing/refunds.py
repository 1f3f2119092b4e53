"""Find the orders of refunds that name a customer and a product only: the latest ones before that have units left."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from fractions import Fraction

from quintet.type.v1.event_pb2 import Event

from cli.importing.batch import RowBatch
from cli.importing.convert import Reject, rejected
from cli.importing.drafts import Draft
from shared.db.refundable_lines import NOTHING, Pair, RefundableLine
from shared.db.types import from_micros
from shared.errors import InvalidArgument
from shared.events.check import check_event
from shared.money import rounded, units

LookUp = Callable[[Collection[Pair]], dict[Pair, list[RefundableLine]]]
"""Gives what is stored of customers' products and was not given back yet."""

KnownOrders = Callable[[Collection[str]], set[str]]
"""Gives those of the orders that are stored, also those that were given back in full."""


def match_refunds(
    batch: RowBatch, drafts: Sequence[Draft], look_up: LookUp, known_orders: KnownOrders
) -> tuple[list[Draft], list[Reject]]:
    """Return the events with each unmatched refund as one refund per order, and the rows no order was found for.

    Parameters
    ----------
    batch : RowBatch
        The rows the events were made of.
    drafts : sequence of Draft
        Events in order; purchases among them count for the refunds after them.
    look_up : callable
        What is stored already, by customer and product.
    known_orders : callable
        Which orders are stored already.
    """
    # Guests are nobody in particular: what one bought, another cannot give back.
    pairs = {_pair(draft.event) for draft in drafts if draft.unmatched and draft.event.customer_id}
    lots = look_up(pairs) if pairs else {}
    counted = known_orders({draft.event.purchase.purchase_id for draft in drafts} - {""}) if pairs else set()
    matched: list[Draft] = []
    rejects: list[Reject] = []
    for draft in drafts:
        if pairs and draft.event.purchase.purchase_id not in counted:
            counted.add(draft.event.purchase.purchase_id)
            _remember(draft.event, pairs, lots)
        if not draft.unmatched:
            matched.append(draft)
            continue
        try:
            matched.extend(_matched(draft, lots.get(_pair(draft.event), [])))
        except InvalidArgument as error:
            rejects.extend(rejected(batch, index, error.message) for index in draft.rows)
    return matched, rejects


def _remember(purchase: Event, pairs: Collection[Pair], lots: dict[Pair, list[RefundableLine]]) -> None:
    for line in purchase.purchase.items:
        pair = (purchase.customer_id, line.product_id)
        if pair in pairs:
            lots.setdefault(pair, []).append(
                RefundableLine(purchase.purchase.purchase_id, _at(purchase), line.quantity or 1.0)
            )


def _matched(draft: Draft, lots: Sequence[RefundableLine]) -> list[Draft]:
    """Return the refunds of a draft, one an order. Raises InvalidArgument when too little was bought before."""
    event, at = draft.event, _at(draft.event)
    wanted = event.refund.items[0].quantity
    before = [lot for lot in lots if lot.at <= at and lot.left > NOTHING]
    available = sum(lot.left for lot in before)
    if available < wanted - NOTHING:
        problem = f"is more than the {available:g} units the customer bought before and has not given back"
        raise InvalidArgument.of("quantity", -wanted, problem)
    parts: list[tuple[RefundableLine, float]] = []
    rest = wanted
    for lot in reversed(before):
        taken = min(lot.left, rest)
        parts.append((lot, taken))
        rest -= taken
        if rest <= NOTHING:
            break
    return _split(draft, parts)


def _split(draft: Draft, parts: Sequence[tuple[RefundableLine, float]]) -> list[Draft]:
    amount = draft.event.refund.amount.amount_minor
    quantity = draft.event.refund.items[0].quantity
    drafts = []
    paid = 0
    taken = 0.0
    for number, (lot, count) in enumerate(parts, start=1):
        event = _copy(draft.event)
        taken += count
        due = rounded(amount * min(units(taken) / units(quantity), Fraction(1))) if number < len(parts) else amount
        event.refund.purchase_id = lot.order_id
        event.refund.items[0].quantity = count
        if event.refund.HasField("amount"):
            event.refund.amount.amount_minor = due - paid
        paid = due
        event.event_id += f".{number}" if number > 1 else ""
        check_event(event)
        drafts.append(Draft(event, draft.rows if number == 1 else []))
    for lot, count in parts:
        lot.left -= count
    return drafts


def _copy(event: Event) -> Event:
    copied = Event()
    copied.CopyFrom(event)
    return copied


def _pair(refund: Event) -> Pair:
    return refund.customer_id, refund.refund.items[0].product_id


def _at(event: Event) -> datetime:
    return from_micros(event.event_time.seconds * 1_000_000 + event.event_time.nanos // 1_000)
