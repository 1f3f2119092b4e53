"""Moves kept events into the event log once the customers, products and orders that they name are known.

An event is joined whole: an order is one thing, and a part of it would be wrong for whoever counts it. It takes its
place at the end of the log under the time at which it happened.
"""

import threading
from collections.abc import Sequence
from time import monotonic

from quintet.type.v1.event_pb2 import Event

from services.coordinator.event_consent import denied_measuring, store_consent
from services.coordinator.event_references import missing_of, order_facts
from services.coordinator.event_validation import REFUND
from services.coordinator.measuring import unmeasured_payload
from shared.consent import ALL_PERMITTED, Consent, Permissions
from shared.consent_messages import to_consent
from shared.db import customers, event_log, products, unjoined_events
from shared.db.arrivals import Arrivals
from shared.db.batches import batches
from shared.db.engine import Connection, Database
from shared.db.event_log import NewEvent
from shared.db.unjoined_events import Period, UnjoinedEvent
from shared.errors import InvalidArgument
from shared.events.orders import OrderFacts, check_fits
from shared.events.references import product_ids
from shared.telemetry import EVENTS, UNJOINED_EVENTS

AT_ONCE = 200
"""Events of a transaction: others record meanwhile."""
COUNT_EVERY_SECONDS = 10.0


class EventJoiner:
    """Joins events of a database. Several may run at once: the lock of the log lets one at a time look and write.

    `default` is what is permitted where a shopper has said nothing.
    """

    def __init__(self, database: Database, default: Permissions = ALL_PERMITTED, *, plainly: bool = False) -> None:
        self._database = database
        self._default = default
        self._plainly = plainly
        self._arrivals = Arrivals()
        self._swept = False
        self._counted_at = 0.0
        self._turn = threading.Lock()

    def step(self) -> int:
        """Join what the customers, products and orders that came since the last step were missing for; return how many.

        The first step looks at all that waits.
        """
        with self._turn:
            with self._database.read() as connection:
                arrived = [
                    key
                    for kind, names in self._arrivals.look(connection)
                    for key in unjoined_events.waiting_for(connection, kind, names)
                ]
            count = sum(self._join(some) for some in batches(sorted(set(arrived)), AT_ONCE))
            if not self._swept:
                count += self.rejoin()
                self._swept = True
            self._count()
            return count

    def rejoin(self, period: Period | None = None, until: float | None = None) -> int:
        """Join all that misses nothing any longer, also what had waited too long where a period is given.

        Nothing is begun after `until`, a moment on the monotonic clock. Returns how many events were joined.
        """
        count = last = 0
        while until is None or monotonic() < until:
            with self._database.read() as connection:
                asked = period is not None
                keys = unjoined_events.ready(connection, last, AT_ONCE, period or Period(), expired=asked)
            if not keys:
                break
            count, last = count + self._join(keys), keys[-1]
        return count

    def _join(self, keys: Sequence[int]) -> int:
        with self._database.write() as connection:
            event_log.lock_log(connection)
            whole = _complete(connection, unjoined_events.read(connection, keys))
            event_log.append_new(connection, _logged(connection, whole, self._default), plainly=self._plainly)
            unjoined_events.drop(connection, [each.key for each in whole])
        for each in whole:
            EVENTS.labels(each.kind, "joined").inc()
        return len(whole)

    def _count(self) -> None:
        if monotonic() - self._counted_at < COUNT_EVERY_SECONDS:
            return
        self._counted_at = monotonic()
        with self._database.read() as connection:
            counts = unjoined_events.counts(connection)
        UNJOINED_EVENTS.labels("waiting").set(counts.waiting)
        UNJOINED_EVENTS.labels("expired").set(counts.expired)


def _complete(connection: Connection, kept: Sequence[UnjoinedEvent]) -> list[UnjoinedEvent]:
    """Return the events that miss nothing; of the others, note what they miss now or that they can never fit."""
    events = [Event.FromString(each.payload) for each in kept]
    customers_known = customers.resolve_customers(connection, {each.customer_id for each in kept if each.customer_id})
    named = {name for event, each in zip(events, kept, strict=True) for name in product_ids(event, each.kind)}
    products_known = products.product_keys(connection, named)
    refunded = {event.refund.purchase_id for event, each in zip(events, kept, strict=True) if each.kind == REFUND}
    orders = order_facts(connection, refunded)
    whole = []
    for event, each in zip(events, kept, strict=True):
        order_id = event.refund.purchase_id if each.kind == REFUND else ""
        missing = missing_of(
            each.customer_id, product_ids(event, each.kind), order_id, customers_known, products_known, orders
        )
        if missing:
            unjoined_events.miss_again(connection, each.key, missing)
        elif order_id and not _fits(event, orders[order_id]):
            unjoined_events.give_up(connection, each.key)
            EVENTS.labels(each.kind, "unfit").inc()
        else:
            whole.append(each)
    return whole


def _fits(event: Event, order: OrderFacts) -> bool:
    try:
        check_fits(event, order)
    except InvalidArgument:
        return False
    return True


def _logged(connection: Connection, whole: Sequence[UnjoinedEvent], default: Permissions) -> list[NewEvent]:
    """Return events as the log takes them, with their owners; visitors nobody knew become known.

    The consent that they carry is stored, and what `measure` is not permitted for is left out.
    """
    keys = customers.resolve_customers(connection, {each.customer_id for each in whole if each.customer_id})
    anonymous = {each.visitor_id for each in whole if not each.customer_id}
    visitors = customers.resolve_visitors(connection, sorted(anonymous)) if anonymous else {}
    owned = [(keys[each.customer_id] if each.customer_id else visitors[each.visitor_id], each) for each in whole]
    store_consent(connection, ((owner, each.occurred_at, _consent(each)) for owner, each in owned))
    denied = denied_measuring(connection, {owner for owner, _ in owned}, default)
    return [event for owner, each in owned if (event := _new_event(owner, each, measured=owner not in denied))]


def _consent(event: UnjoinedEvent) -> Consent:
    return to_consent(Event.FromString(event.payload).consent, "consent")


def _new_event(owner: int, event: UnjoinedEvent, *, measured: bool) -> NewEvent | None:
    """Return the event as the log takes it; None where nothing of it may be recorded."""
    payload = event.payload if measured else unmeasured_payload(event.kind, event.payload)
    if payload is None:
        return None
    return NewEvent(event.event_id, owner, event.kind, event.occurred_at, payload, event.order_id)
