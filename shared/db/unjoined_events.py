"""Events that name a customer, product or order not known yet: kept until it is, then moved to the event log."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from shared.db.batches import among, batches
from shared.db.driver import DriverCursor, PreparedBlobs, PreparedLookup, PreparedQuery
from shared.db.event_rows import pack_id, unpack_id
from shared.db.schema import customers, missing_references, products, purchases, unjoined_events

MOST_COUNTED = 100_000
EXAMPLES = 3


class Missing(NamedTuple):
    """Something that an event names and nobody knows: its kind (`customer`, `product`, `purchase`) and platform id."""

    kind: str
    external_id: str


class UnjoinedEvent(NamedTuple):
    """An event that is kept apart from the log; `payload` is the whole serialised event."""

    event_id: str
    kind: str
    customer_id: str
    visitor_id: str
    order_id: str | None
    occurred_at: datetime
    payload: bytes
    missing: Sequence[Missing] = ()
    key: int = 0


@dataclass(frozen=True)
class MostMissing:
    """Something that is missing, how many events wait for it, and the ids of some of them."""

    missing: Missing
    events: int
    examples: list[str]


@dataclass(frozen=True)
class UnjoinedCounts:
    """Events that wait and events that waited too long; of each at most 100,000 are counted."""

    waiting: int
    expired: int


class Period(NamedTuple):
    """Events that happened from `start` on and before `end`; None is no bound."""

    start: datetime | None = None
    end: datetime | None = None


ALWAYS = Period()


def keep(connection: Connection, events: Sequence[UnjoinedEvent]) -> None:
    """Keep events, each new, until what they miss is known."""
    now = datetime.now(UTC)
    for event in events:
        row = {
            "packed_id": pack_id(event.event_id),
            "kind": event.kind,
            "customer_id": event.customer_id or None,
            "visitor_id": event.visitor_id or None,
            "order_id": event.order_id,
            "occurred_at": min(event.occurred_at, now),
            "received_at": now,
            "payload": event.payload,
        }
        key = connection.execute(unjoined_events.insert().values(row).returning(unjoined_events.c.id)).scalar_one()
        _note_missing(connection, key, event.missing)


def kept_ids(connection: Connection, event_ids: Collection[str]) -> set[str]:
    """Return those of the event ids that are kept here."""
    if not event_ids or DriverCursor.of(connection).first(_ANY) is None:
        return set()
    return {unpack_id(bytes(each)) for (each,) in _KEPT.fetch(connection, {pack_id(each) for each in event_ids})}


def kept_orders(connection: Connection, order_ids: Collection[str]) -> set[str]:
    """Return those of the orders whose purchase is kept here."""
    return {order_id for (order_id,) in _ORDERS.fetch(connection, order_ids)}


def ready(
    connection: Connection, after: int, limit: int, period: Period = ALWAYS, *, expired: bool = False
) -> list[int]:
    """Return the keys above `after` of events that miss nothing any longer, ascending; with `expired` old ones too."""
    columns, reference = unjoined_events.c, missing_references.c
    still = exists().where(reference.unjoined_id == columns.id, ~_is_known())
    query = select(columns.id).where(columns.id > after, ~still, *_within(period)).order_by(columns.id).limit(limit)
    return list(connection.execute(query if expired else query.where(~columns.expired)).scalars())


def waiting_for(connection: Connection, kind: str, external_ids: Collection[str]) -> list[int]:
    """Return the keys of events that miss one of the things named, ascending, but not expired ones."""
    reference = missing_references.c
    query = (
        select(reference.unjoined_id)
        .join(unjoined_events, unjoined_events.c.id == reference.unjoined_id)
        .where(
            reference.kind == kind, among(connection, reference.external_id, external_ids), ~unjoined_events.c.expired
        )
        .distinct()
        .order_by(reference.unjoined_id)
    )
    return list(connection.execute(query).scalars())


def read(connection: Connection, keys: Collection[int]) -> list[UnjoinedEvent]:
    """Return events that are kept still, in the order they came."""
    columns = unjoined_events.c
    query = select(unjoined_events).where(among(connection, columns.id, keys)).order_by(columns.id)
    return [
        UnjoinedEvent(
            unpack_id(bytes(row.packed_id)),
            row.kind,
            row.customer_id or "",
            row.visitor_id or "",
            row.order_id,
            row.occurred_at,
            bytes(row.payload),
            key=row.id,
        )
        for row in connection.execute(query)
    ]


def drop(connection: Connection, keys: Iterable[int]) -> None:
    """Delete events: they are in the log now."""
    for some in batches(keys):
        connection.execute(unjoined_events.delete().where(unjoined_events.c.id.in_(some)))


def give_up(connection: Connection, key: int) -> None:
    """Let an event wait for nothing any longer."""
    connection.execute(unjoined_events.update().where(unjoined_events.c.id == key).values(expired=True))


def miss_again(connection: Connection, key: int, missing: Sequence[Missing]) -> None:
    """Say anew what an event misses."""
    connection.execute(missing_references.delete().where(missing_references.c.unjoined_id == key))
    _note_missing(connection, key, missing)


def expire(connection: Connection, before: datetime) -> int:
    """Give up what was received before a moment, and return how many events that are."""
    columns = unjoined_events.c
    late = unjoined_events.update().where(columns.received_at < before, ~columns.expired)
    return connection.execute(late.values(expired=True)).rowcount


def counts(connection: Connection) -> UnjoinedCounts:
    """Return how many events are kept here."""
    columns = unjoined_events.c
    waiting, expired = (
        connection.execute(
            select(func.count()).select_from(select(columns.id).where(condition).limit(MOST_COUNTED).subquery())
        ).scalar_one()
        for condition in (~columns.expired, columns.expired)
    )
    return UnjoinedCounts(waiting, expired)


def waiting_since(connection: Connection) -> datetime | None:
    """Return when the first of the events arrived that wait; None when none does."""
    columns = unjoined_events.c
    first: datetime | None = connection.execute(
        select(func.min(columns.received_at)).where(~columns.expired)
    ).scalar_one()
    return first


def most_missing(connection: Connection, limit: int) -> list[MostMissing]:
    """Return what most events wait for."""
    reference = missing_references.c
    number = func.count()
    query = (
        select(reference.kind, reference.external_id, number.label("events"))
        .group_by(reference.kind, reference.external_id)
        .order_by(number.desc(), reference.kind, reference.external_id)
        .limit(limit)
    )
    return [
        MostMissing(missing, row.events, _examples(connection, missing))
        for row in connection.execute(query).all()
        for missing in [Missing(row.kind, row.external_id)]
    ]


def _examples(connection: Connection, missing: Missing) -> list[str]:
    reference = missing_references.c
    query = (
        select(unjoined_events.c.packed_id)
        .join(missing_references, reference.unjoined_id == unjoined_events.c.id)
        .where(reference.kind == missing.kind, reference.external_id == missing.external_id)
        .order_by(unjoined_events.c.id)
        .limit(EXAMPLES)
    )
    return [unpack_id(bytes(each)) for each in connection.execute(query).scalars()]


def _note_missing(connection: Connection, key: int, missing: Sequence[Missing]) -> None:
    rows = [{**each._asdict(), "unjoined_id": key} for each in dict.fromkeys(missing)]
    if rows:
        connection.execute(missing_references.insert(), rows)


def _is_known() -> ColumnElement[bool]:
    """Return the condition that what a reference names is known."""
    reference = missing_references.c
    tables = {
        "customer": customers.c.external_id,
        "product": products.c.external_id,
        "purchase": purchases.c.external_id,
    }
    return or_(
        *(
            and_(reference.kind == kind, exists().where(column == reference.external_id))
            for kind, column in tables.items()
        )
    )


def _within(period: Period) -> list[ColumnElement[bool]]:
    at = unjoined_events.c.occurred_at
    bounds = [] if period.start is None else [at >= period.start]
    return bounds if period.end is None else [*bounds, at < period.end]


_ANY = PreparedQuery(select(unjoined_events.c.id).limit(1))
_KEPT = PreparedBlobs(select(unjoined_events.c.packed_id), unjoined_events.c.packed_id)
_ORDERS = PreparedLookup(select(unjoined_events.c.order_id), unjoined_events.c.order_id)
