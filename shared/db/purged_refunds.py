"""Refunds whose order is no longer recorded wait for it again, as if it had never been."""

from collections.abc import Sequence

from quintet.type.v1.event_pb2 import Event
from sqlalchemy import Connection, select

from shared.db import unjoined_events
from shared.db.batches import among
from shared.db.event_log import LoggedEvent, last_sequence
from shared.db.event_rows import PURCHASE
from shared.db.log_pieces import OrderRefunds, numbered
from shared.db.schema import customers, event_log
from shared.db.unjoined_events import Missing, UnjoinedEvent
from shared.timestamps import to_timestamp


def wait_again(connection: Connection, gone: Sequence[LoggedEvent], refunds: OrderRefunds) -> None:
    """Move the refunds of orders whose events are about to go out of the log, where they do not go themselves."""
    orders = [Event.FromString(each.payload).purchase.purchase_id for each in gone if each.kind == PURCHASE]
    if not orders:
        return
    going = {each.sequence for each in gone}
    given_back = refunds.of(connection, orders, last_sequence(connection))
    left = [each for each in numbered(connection, given_back) if each.sequence not in going]
    names = _names(connection, left)
    unjoined_events.keep(connection, [_waiting(each, names) for each in left])
    numbers = [each.sequence for each in left]
    connection.execute(event_log.delete().where(among(connection, event_log.c.sequence, numbers)))


def _names(connection: Connection, events: Sequence[LoggedEvent]) -> dict[int, str | None]:
    keys = {each.customer_key for each in events if each.customer_key is not None}
    query = select(customers.c.customer_id, customers.c.external_id)
    found = connection.execute(query.where(among(connection, customers.c.customer_id, keys)))
    return {row.customer_id: row.external_id for row in found}


def _waiting(logged: LoggedEvent, names: dict[int, str | None]) -> UnjoinedEvent:
    """Return a refund as a whole event again: rows of the log say its id, time and customer beside it."""
    event = Event.FromString(logged.payload)
    event.event_id = logged.event_id
    event.event_time.CopyFrom(to_timestamp(logged.occurred_at))
    owner = None if logged.customer_key is None else names.get(logged.customer_key)
    event.customer_id = event.customer_id or owner or ""
    order = Missing("purchase", event.refund.purchase_id)
    return UnjoinedEvent(
        event.event_id,
        logged.kind,
        event.customer_id,
        event.visitor_id,
        None,
        logged.occurred_at,
        event.SerializeToString(),
        (order,),
    )
