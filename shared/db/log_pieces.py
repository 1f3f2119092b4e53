"""Pieces of the event log from which the tables of an agent are made anew: events by customer, by number, by order."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from quintet.type.v1.event_pb2 import Event
from sqlalchemy import Connection, select

from shared.db import event_log as log
from shared.db import event_receipts
from shared.db.batches import among, batches
from shared.db.event_log import LOGGED, LoggedEvent, logged
from shared.db.event_rows import REFUND, is_kind
from shared.db.schema import browsing_history, cart_items, event_log, page_events, purchases
from shared.errors import FailedPrecondition

_TIMES = (
    (browsing_history, browsing_history.c.view_time),
    (page_events, page_events.c.occurred_at),
    (cart_items, cart_items.c.added_timestamp),
    (purchases, purchases.c.timestamp),
)
"""What customers did, with the time at which they did it."""


def require_whole(connection: Connection) -> None:
    """Raise FailedPrecondition when events were deleted for their age: what they said would be lost."""
    trimmed = log.trimmed(connection)
    if trimmed:
        raise FailedPrecondition(
            f"events up to number {trimmed} were deleted for their age: what customers did then cannot be made anew"
        )


def require_whole_for(connection: Connection, keys: Collection[int]) -> None:
    """Raise FailedPrecondition when something is stored of the customers that events said which are gone for their age.

    Whatever happened after the last of these was received is of events that are in the log still.
    """
    trimmed = log.trimmed(connection)
    if not trimmed:
        return
    moment = event_receipts.received_before(connection, trimmed)
    for table, time in _TIMES:
        older = select(table.c.customer_id).where(among(connection, table.c.customer_id, keys))
        if connection.execute(older.where(time < moment).limit(1)).first() is not None:
            raise FailedPrecondition(
                f"events up to number {trimmed} were deleted for their age, some of them of these customers: what they "
                "did cannot be made anew"
            )


def events_of(connection: Connection, keys: Collection[int], up_to: int) -> list[LoggedEvent]:
    """Return all events of customers up to a number, in order, feedback and refunds included."""
    columns = event_log.c
    query = select(*LOGGED).where(among(connection, columns.customer_id, keys), columns.sequence <= up_to)
    return list(map(logged, connection.execute(query.order_by(columns.sequence))))


def numbered(connection: Connection, numbers: Iterable[int]) -> list[LoggedEvent]:
    """Return the events with numbers, in order; those that are gone are missing."""
    query = select(*LOGGED).order_by(event_log.c.sequence)
    return [
        logged(row)
        for some in batches(sorted(set(numbers)))
        for row in connection.execute(query.where(event_log.c.sequence.in_(some)))
    ]


class OrderRefunds:
    """Numbers of the events that give back an order, by its id. It reads on in the log as that grows."""

    def __init__(self) -> None:
        self._numbers: dict[str, list[int]] = defaultdict(list)
        self._read_up_to = 0

    def read_on(self, connection: Connection, up_to: int) -> None:
        """Read what came up to a number since the last time: the first time all of the log."""
        columns = event_log.c
        new = (columns.sequence > self._read_up_to, columns.sequence <= up_to, is_kind(REFUND))
        for sequence, payload in connection.execute(select(columns.sequence, columns.payload).where(*new)):
            self._numbers[Event.FromString(bytes(payload)).refund.purchase_id].append(sequence)
        self._read_up_to = max(self._read_up_to, up_to)

    def of(self, connection: Connection, order_ids: Iterable[str], up_to: int) -> list[int]:
        """Return the numbers, up to one, of the events that give back any of the orders, ascending."""
        self.read_on(connection, up_to)
        found = {number for order_id in set(order_ids) for number in self._numbers.get(order_id, ())}
        return sorted(number for number in found if number <= up_to)
