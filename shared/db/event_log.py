"""The event log: every event once, in the order it was accepted, and how far each agent has applied it.

Events are appended by the coordinator before they are acknowledged. Agents project them in order; the projection and
its cursor move in one transaction, so that each event takes effect exactly once.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from quintet.type.v1.event_pb2 import Event
from sqlalchemy import BigInteger, ColumnElement, Connection, bindparam, case, cast, func, select, text

from shared.db import event_receipts
from shared.db.batches import among
from shared.db.bulk import insert_numbered
from shared.db.driver import DriverCursor, PreparedBlobs, PreparedLookup, PreparedQuery
from shared.db.engine import insert_into
from shared.db.event_rows import StoredEvent, compact, id_of, kind_of, pack_id, plain, stored_kinds, unpack_id
from shared.db.schema import counters, customers, event_cursors, event_log
from shared.db.types import from_micros, to_micros

TRIMMED = "event_log_trimmed"
"""Counter of the last number that was deleted for its age."""
CUSTOMER_CONSUMER, FEEDBACK_CONSUMER, METRICS_CONSUMER = CONSUMERS = ("customer", "feedback", "metrics")
"""Names under which the agents that project the log, and the metrics that follow them, keep their cursors."""
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


def append(connection: Connection, events: Sequence[NewEvent], *, plainly: bool = False) -> dict[str, int]:
    """Append the events that are new and return their numbers by event id; ids that are missing were recorded before.

    Of events with one id in `events`, the first is taken. `plainly` is as in `append_new`.
    """
    lock_log(connection)
    known = known_ids(connection, [event.event_id for event in events])
    fresh = {event.event_id: event for event in reversed(events) if event.event_id not in known}
    return append_new(connection, [event for event in events if fresh.get(event.event_id) is event], plainly=plainly)


def append_new(connection: Connection, events: Sequence[NewEvent], *, plainly: bool = False) -> dict[str, int]:
    """Append events that are not in the log, each id once, and return their numbers by event id.

    The caller has called `lock_log` in this transaction before it looked for the ids. `plainly` writes rows that
    releases before 0012 can read.
    """
    if not events:
        return {}
    now = to_micros(datetime.now(UTC))
    row = _plain_row if plainly else _compact_row
    numbers = insert_numbered(connection, event_log, _COLUMNS, [row(event, now) for event in events])
    event_receipts.note(connection, numbers[0], now)
    return {event.event_id: number for event, number in zip(events, numbers, strict=True)}


def lock_log(connection: Connection) -> None:
    """Keep others from appending until the transaction ends; a write transaction on SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        # Numbers must become visible in their order, or a reader could step over one that commits late.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": APPEND_LOCK})


def known_ids(connection: Connection, event_ids: Sequence[str]) -> set[str]:
    """Return those of `event_ids` that are in the log."""
    packed = {pack_id(each): each for each in event_ids}
    found = {packed[bytes(each)] for (each,) in _PACKED.fetch(connection, packed)}
    if DriverCursor.of(connection).first(_ANY_PLAIN):
        found.update(event_id for (event_id,) in _KNOWN.fetch(connection, event_ids))
    return found


def recorded_purchases(connection: Connection, order_ids: Collection[str]) -> list[Event]:
    """Return the events that record orders, by the platform's ids of the orders, in the order of the log.

    One look-up by an index, however much of the log is not projected yet. They name the customer whose they are now.
    """
    found = []
    for _, payload, customer_id in sorted(_PURCHASES.fetch(connection, order_ids)):
        found.append(Event.FromString(bytes(payload)))
        found[-1].customer_id = customer_id or found[-1].customer_id
    return found


def payloads(connection: Connection, event_ids: Sequence[str]) -> dict[str, bytes]:
    """Return what was recorded under event ids, without what the row says beside it; unknown ids are missing."""
    columns = event_log.c
    query = select(columns.event_id, columns.payload).where(among(connection, columns.event_id, event_ids))
    packed = _PACKED_PAYLOADS.fetch(connection, {pack_id(each) for each in event_ids})
    return dict(connection.execute(query).all()) | {unpack_id(bytes(key)): bytes(value) for key, value in packed}


def read_after(connection: Connection, sequence: int, limit: int) -> list[LoggedEvent]:
    """Return up to `limit` events with numbers above `sequence`, in order; `[]` at the end of the log."""
    return list(map(logged, DriverCursor.of(connection).fetch(_AFTER, sequence=sequence, most=limit)))


def read_where(
    connection: Connection, after: int, up_to: int, limit: int, conditions: Sequence[ColumnElement[bool]]
) -> list[LoggedEvent]:
    """Return up to `limit` events with numbers above `after` and up to `up_to` whose rows meet conditions, in order."""
    within = (event_log.c.sequence > after, event_log.c.sequence <= up_to)
    rows = connection.execute(select(*LOGGED).where(*within, *conditions).order_by(event_log.c.sequence).limit(limit))
    return list(map(logged, rows))


def of_customers_between(
    connection: Connection,
    keys: Collection[int],
    since: datetime,
    until: datetime,
    kinds: Collection[str],
    up_to: int,
) -> list[LoggedEvent]:
    """Return the events of customers, of some kinds, from `since` to `until` (inclusive), with numbers up to `up_to`.

    They are in the order of the log. No event is recorded before it happens, so the log is read from where it was at
    `since`.
    """
    columns, first = event_log.c, event_receipts.last_before(connection, since)
    theirs = (among(connection, columns.customer_id, keys), columns.sequence > first, columns.sequence <= up_to)
    inside = (columns.occurred_at.between(since, until), columns.kind.in_(stored_kinds(kinds)))
    return list(map(logged, connection.execute(select(*LOGGED).where(*theirs, *inside).order_by(columns.sequence))))


def logged(row: Sequence[Any]) -> LoggedEvent:
    """Return the event of a row that has `LOGGED`, as the driver gives it."""
    number, event_id, packed_id, customer_key, kind, at, payload = row
    return LoggedEvent(number, id_of(event_id, packed_id), customer_key, kind_of(kind), from_micros(at), payload)


def last_sequence(connection: Connection) -> int:
    """Return the number of the last event; 0 for an empty log."""
    return int(connection.execute(select(func.coalesce(func.max(event_log.c.sequence), 0))).scalar_one())


def last_sequence_of(connection: Connection, customer_key: int) -> int:
    """Return the number of the last event of a customer; 0 for none. One look-up by an index."""
    columns = event_log.c
    latest = select(func.coalesce(func.max(columns.sequence), 0)).where(columns.customer_id == customer_key)
    return int(connection.execute(latest).scalar_one())


def note_trimmed(connection: Connection, sequence: int) -> None:
    """Say that events up to a number were deleted for their age."""
    noted = insert_into(connection, counters).values(name=TRIMMED, value=sequence)
    raised = {"value": case((counters.c.value > sequence, counters.c.value), else_=sequence)}
    connection.execute(noted.on_conflict_do_update(index_elements=[counters.c.name], set_=raised))


def trimmed(connection: Connection) -> int:
    """Return the number up to which events were deleted for their age; 0 for none."""
    found = connection.execute(select(counters.c.value).where(counters.c.name == TRIMMED)).scalar()
    return int(found or 0)


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


_COLUMNS = (
    "event_id",
    "packed_id",
    "customer_id",
    "kind",
    "occurred_at",
    "received_at",
    "payload",
    "order_id",
)
LOGGED = (
    event_log.c.sequence,
    event_log.c.event_id,
    event_log.c.packed_id,
    event_log.c.customer_id,
    event_log.c.kind,
    cast(event_log.c.occurred_at, BigInteger),
    event_log.c.payload,
)
"""What `logged` takes of a row."""
_AFTER = PreparedQuery(
    select(*LOGGED)
    .where(event_log.c.sequence > bindparam("sequence", type_=BigInteger))
    .order_by(event_log.c.sequence)
    .limit(bindparam("most", type_=BigInteger))
)
_PACKED = PreparedBlobs(select(event_log.c.packed_id), event_log.c.packed_id)
_PACKED_PAYLOADS = PreparedBlobs(select(event_log.c.packed_id, event_log.c.payload), event_log.c.packed_id)
_KNOWN = PreparedLookup(select(event_log.c.event_id), event_log.c.event_id)
_ANY_PLAIN = PreparedQuery(select(event_log.c.sequence).where(event_log.c.event_id.is_not(None)).limit(1))
_PURCHASES = PreparedLookup(
    select(event_log.c.sequence, event_log.c.payload, customers.c.external_id).outerjoin(
        customers, customers.c.customer_id == event_log.c.customer_id
    ),
    event_log.c.order_id,
)


def _compact_row(event: NewEvent, now: int) -> tuple[object, ...]:
    stored = compact(event.event_id, event.kind, event.payload, event.customer_key)
    return _row(event, stored, now, None)


def _plain_row(event: NewEvent, now: int) -> tuple[object, ...]:
    return _row(event, plain(event.event_id, event.kind, event.payload), now, now)


def _row(event: NewEvent, stored: StoredEvent, now: int, received_at: int | None) -> tuple[object, ...]:
    # Clocks of clients may be ahead: an event that is still to come would be the latest for hours.
    at = min(to_micros(event.occurred_at), now)
    identity = (stored.event_id, stored.packed_id, event.customer_key, stored.kind)
    return *identity, at, received_at, stored.payload, event.order_id
