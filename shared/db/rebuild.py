"""Make what customers did anew from the event log, beside serving: some customers at a time, each in a transaction.

Everything that the projection writes belongs to one customer, so the rows of a customer can be replaced by what the log
gives, at once and by itself: who reads sees the old rows or the new ones. The projection waits meanwhile, with all
partitions equally far, and later events are applied afterwards as ever.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from time import monotonic, sleep

from quintet.type.v1.event_pb2 import Event
from sqlalchemy import Connection, select

from shared.db import event_log as log
from shared.db.engine import Database
from shared.db.event_faults import is_of_event, reason_of
from shared.db.event_log import LOGGED, LoggedEvent, logged
from shared.db.event_rows import is_kind
from shared.db.identified_events import Recorded, decode
from shared.db.log_consumer import LogConsumer
from shared.db.projection import project
from shared.db.schema import (
    browsing_history,
    cart_items,
    customers,
    event_log,
    failed_events,
    page_events,
    purchase_items,
    purchases,
    sessions,
)
from shared.db.slices import REST_SECONDS, SliceSize
from shared.errors import FailedPrecondition

CONSUMER = log.CUSTOMER_CONSUMER
REFUND = "refund"
_OF_CUSTOMERS = (purchases, cart_items, browsing_history, page_events, sessions)
Refunds = Mapping[str, Sequence[int]]
"""Numbers of the events that give back an order, by its id."""


def rebuild_customers(database: Database) -> Iterator[tuple[int, int]]:
    """Replace what customers did by what the log gives, and yield how many customers are done, and of how many.

    Raises
    ------
    FailedPrecondition
        If events were deleted for their age, for what they said would be lost; or if an event cannot be applied: then
        its customers keep their rows, and so do those that follow.
    """
    with database.read() as connection:
        _require_whole(connection)
        refunds = _refunds(connection)
        keys = list(connection.execute(_OWNERS).scalars())
    consumer = LogConsumer(database, CONSUMER, _project)
    size, done = SliceSize(), 0
    while done < len(keys):
        some = keys[done : done + size.rows]
        began = monotonic()
        with database.write() as connection:
            _rebuild(connection, consumer.lock_level(connection), some, refunds)
        size.learn(len(some), monotonic() - began)
        done += len(some)
        yield done, len(keys)
        sleep(REST_SECONDS)


def _require_whole(connection: Connection) -> None:
    trimmed = log.trimmed(connection)
    if trimmed:
        raise FailedPrecondition(
            f"events up to number {trimmed} were deleted for their age: what customers did then cannot be made anew"
        )


def _rebuild(connection: Connection, position: int, keys: Sequence[int], refunds: Refunds) -> None:
    _require_whole(connection)
    events = _events_of(connection, keys, position)
    bought = [each.event.purchase.purchase_id for each in events if each.kind == "purchase"]
    numbers = sorted({number for order_id in bought for number in refunds.get(order_id, ()) if number <= position})
    events = sorted([*events, *decode(_numbered(connection, numbers))], key=lambda each: each.sequence)
    _empty(connection, keys)
    for each in events:
        # Who a visitor is was settled when the event was applied first; the row has the owner.
        each.event.visitor_id = ""
    try:
        project(connection, events)
    except Exception as error:
        if not is_of_event(error):
            raise
        raise FailedPrecondition(f"an event could not be applied: {reason_of(error)}") from error
    aside = failed_events.c.consumer == CONSUMER
    applied = failed_events.c.sequence.in_([each.sequence for each in events])
    connection.execute(failed_events.delete().where(aside, applied))


def _project(connection: Connection, events: Sequence[LoggedEvent]) -> None:
    project(connection, decode(events))


def _events_of(connection: Connection, keys: Sequence[int], position: int) -> list[Recorded]:
    """Return all that customers did, but refunds: these belong to whose order it is."""
    columns = event_log.c
    query = select(*LOGGED).where(columns.customer_id.in_(keys), columns.sequence <= position, ~is_kind(REFUND))
    return decode(map(logged, connection.execute(query.order_by(columns.sequence))))


def _numbered(connection: Connection, numbers: Sequence[int]) -> list[LoggedEvent]:
    query = select(*LOGGED).where(event_log.c.sequence.in_(numbers))
    return list(map(logged, connection.execute(query)))


def _refunds(connection: Connection) -> Refunds:
    columns = event_log.c
    found: dict[str, list[int]] = defaultdict(list)
    rows = connection.execute(select(columns.sequence, columns.payload).where(is_kind(REFUND)))
    for sequence, payload in rows:
        found[Event.FromString(bytes(payload)).refund.purchase_id].append(sequence)
    return found


def _empty(connection: Connection, keys: Sequence[int]) -> None:
    theirs = select(purchases.c.purchase_id).where(purchases.c.customer_id.in_(keys))
    connection.execute(purchase_items.delete().where(purchase_items.c.purchase_id.in_(theirs)))
    for table in _OF_CUSTOMERS:
        connection.execute(table.delete().where(table.c.customer_id.in_(keys)))
    connection.execute(customers.update().where(customers.c.customer_id.in_(keys)).values(last_active=None))


_OWNERS = (
    select(event_log.c.customer_id)
    .where(event_log.c.customer_id.is_not(None))
    .distinct()
    .order_by(event_log.c.customer_id)
)
