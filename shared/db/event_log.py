"""The event log: every event once, in the order it was accepted, and how far each agent has applied it.

Events are appended by the coordinator before they are acknowledged. Agents project them in order; the projection and
its cursor move in one transaction, so that each event takes effect exactly once.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, cast, func, select, text

from shared.db.batches import among
from shared.db.bulk import insert_numbered
from shared.db.driver import DriverCursor, PreparedLookup, PreparedQuery
from shared.db.engine import insert_into
from shared.db.schema import event_cursors, event_log
from shared.db.types import from_micros, to_micros

CUSTOMER_CONSUMER, FEEDBACK_CONSUMER = "customer", "feedback"
"""Names under which the agents that project the log keep their cursors."""
APPEND_LOCK = 0x5175_6576  # any number that nobody else uses as an advisory lock


class NewEvent(NamedTuple):
    """An event to append. `payload` is the serialised message; `kind` its field in `Event.detail`, or `feedback`.

    An event that says it is still to come is taken to happen when it is appended. `order_id` is the platform's id of
    the order that a purchase records; None for other kinds.
    """

    event_id: str
    customer_key: int | None
    kind: str
    occurred_at: datetime
    payload: bytes
    order_id: str | None = None


class LoggedEvent(NamedTuple):
    """An event of the log under its number."""

    sequence: int
    event_id: str
    customer_key: int | None
    kind: str
    occurred_at: datetime
    payload: bytes


def append(connection: Connection, events: Sequence[NewEvent]) -> dict[str, int]:
    """Append the events that are new and return their numbers by event id; ids that are missing were recorded before.

    Of events with one id in `events`, the first is taken.
    """
    lock_log(connection)
    known = known_ids(connection, [event.event_id for event in events])
    fresh = {event.event_id: event for event in reversed(events) if event.event_id not in known}
    return append_new(connection, [event for event in events if fresh.get(event.event_id) is event])


def append_new(connection: Connection, events: Sequence[NewEvent]) -> dict[str, int]:
    """Append events that are not in the log, each id once, and return their numbers by event id.

    The caller has called `lock_log` in this transaction before it looked for the ids.
    """
    if not events:
        return {}
    now = to_micros(datetime.now(UTC))
    numbers = insert_numbered(connection, event_log, _COLUMNS, [_row(event, now) for event in events])
    return {event.event_id: number for event, number in zip(events, numbers, strict=True)}


def lock_log(connection: Connection) -> None:
    """Keep others from appending until the transaction ends; a write transaction on SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        # Numbers must become visible in their order, or a reader could step over one that commits late.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": APPEND_LOCK})


def known_ids(connection: Connection, event_ids: Sequence[str]) -> set[str]:
    """Return those of `event_ids` that are in the log."""
    return {event_id for (event_id,) in _KNOWN.fetch(connection, event_ids)}


def recorded_purchases(connection: Connection, order_ids: Collection[str]) -> list[bytes]:
    """Return the events that record orders, by the platform's ids of the orders, in the order of the log.

    One look-up by an index, however much of the log is not projected yet.
    """
    return [bytes(payload) for _, payload in sorted(_PURCHASES.fetch(connection, order_ids))]


def payloads(connection: Connection, event_ids: Sequence[str]) -> dict[str, bytes]:
    """Return what was recorded under event ids; unknown ids are missing."""
    columns = event_log.c
    query = select(columns.event_id, columns.payload).where(among(connection, columns.event_id, event_ids))
    return dict(connection.execute(query).all())


def read_after(connection: Connection, sequence: int, limit: int) -> list[LoggedEvent]:
    """Return up to `limit` events with numbers above `sequence`, in order; `[]` at the end of the log."""
    rows = DriverCursor.of(connection).fetch(_AFTER, sequence=sequence, most=limit)
    return [
        LoggedEvent(number, event_id, customer_key, kind, from_micros(at), payload)
        for number, event_id, customer_key, kind, at, payload in rows
    ]


def last_sequence(connection: Connection) -> int:
    """Return the number of the last event; 0 for an empty log."""
    return int(connection.execute(select(func.coalesce(func.max(event_log.c.sequence), 0))).scalar_one())


def last_sequence_of(connection: Connection, customer_key: int) -> int:
    """Return the number of the last event of a customer; 0 for none. One look-up by an index."""
    columns = event_log.c
    latest = select(func.coalesce(func.max(columns.sequence), 0)).where(columns.customer_id == customer_key)
    return int(connection.execute(latest).scalar_one())


def cursor(connection: Connection, consumer: str) -> int:
    """Return the number of the last event that `consumer` applied; 0 for none."""
    found = connection.execute(select(event_cursors.c.sequence).where(event_cursors.c.consumer == consumer)).scalar()
    return int(found or 0)


def lock_cursor(connection: Connection, consumer: str) -> int:
    """Return the cursor of `consumer` and keep other replicas from moving it until the transaction ends."""
    first = insert_into(connection, event_cursors).values(consumer=consumer, sequence=0, updated_at=datetime.now(UTC))
    connection.execute(first.on_conflict_do_nothing())
    locked = select(event_cursors.c.sequence).where(event_cursors.c.consumer == consumer).with_for_update()
    return int(connection.execute(locked).scalar_one())


def move_cursor(connection: Connection, consumer: str, sequence: int) -> None:
    """Say that `consumer` has applied all events up to `sequence`."""
    connection.execute(
        event_cursors.update()
        .where(event_cursors.c.consumer == consumer)
        .values(sequence=sequence, updated_at=datetime.now(UTC))
    )


_COLUMNS = ("event_id", "customer_id", "kind", "occurred_at", "received_at", "payload", "order_id")
_AFTER = PreparedQuery(
    select(
        event_log.c.sequence,
        event_log.c.event_id,
        event_log.c.customer_id,
        event_log.c.kind,
        cast(event_log.c.occurred_at, BigInteger),
        event_log.c.payload,
    )
    .where(event_log.c.sequence > bindparam("sequence", type_=BigInteger))
    .order_by(event_log.c.sequence)
    .limit(bindparam("most", type_=BigInteger))
)
_KNOWN = PreparedLookup(select(event_log.c.event_id), event_log.c.event_id)
_PURCHASES = PreparedLookup(select(event_log.c.sequence, event_log.c.payload), event_log.c.order_id)


def _row(event: NewEvent, now: int) -> tuple[object, ...]:
    # Clocks of clients may be ahead: an event that is still to come would be the latest for hours.
    at = min(to_micros(event.occurred_at), now)
    return event.event_id, event.customer_key, event.kind, at, now, event.payload, event.order_id
