"""Events that a consumer of the log could not apply: set aside with the reason, to be applied again later."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, func, select, tuple_

from shared.db.batches import among
from shared.db.engine import insert_into
from shared.db.event_log import LoggedEvent
from shared.db.schema import failed_events


@dataclass(frozen=True)
class FailedEvent:
    """An event set aside by `consumer`: its number and kind in the log, why and when, and how often it was tried."""

    consumer: str
    sequence: int
    kind: str
    reason: str
    first_failed_at: datetime
    last_failed_at: datetime
    attempts: int


def set_aside(connection: Connection, consumer: str, event: LoggedEvent, reason: str) -> None:
    """Note that applying an event failed, for the first time or again."""
    now = datetime.now(UTC)
    columns = failed_events.c
    first = insert_into(connection, failed_events).values(
        consumer=consumer,
        sequence=event.sequence,
        kind=event.kind,
        reason=reason,
        first_failed_at=now,
        last_failed_at=now,
        attempts=1,
    )
    again = {"reason": reason, "last_failed_at": now, "attempts": columns.attempts + 1}
    connection.execute(first.on_conflict_do_update(index_elements=[columns.consumer, columns.sequence], set_=again))


def forget(connection: Connection, consumer: str, sequence: int) -> None:
    """Note that an event is applied after all."""
    columns = failed_events.c
    connection.execute(failed_events.delete().where(columns.consumer == consumer, columns.sequence == sequence))


def read(
    connection: Connection, consumer: str = "", after: tuple[int, str] = (0, ""), limit: int = 1_000
) -> list[FailedEvent]:
    """Return events set aside by one consumer, or by all, in the order of the log and then of the consumers.

    Parameters
    ----------
    after : tuple of int and str
        Number and consumer of the last event that is not returned.
    """
    columns = failed_events.c
    order = (columns.sequence, columns.consumer)
    query = select(failed_events).where(tuple_(*order) > after).order_by(*order)
    if consumer:
        query = query.where(columns.consumer == consumer)
    return [FailedEvent(**row._mapping) for row in connection.execute(query.limit(limit))]


def still_failed(connection: Connection, consumer: str, sequences: Collection[int]) -> list[int]:
    """Return those of `sequences` that the consumer set aside, ascending."""
    columns = failed_events.c
    query = select(columns.sequence).where(columns.consumer == consumer, among(connection, columns.sequence, sequences))
    return list(connection.execute(query.order_by(columns.sequence)).scalars())


def counts(connection: Connection) -> dict[str, int]:
    """Return how many events each consumer has set aside; consumers without any are missing."""
    columns = failed_events.c
    return dict(connection.execute(select(columns.consumer, func.count()).group_by(columns.consumer)).all())


def first_failures(connection: Connection) -> dict[str, datetime]:
    """Return when the first of the events failed that each consumer has set aside."""
    columns = failed_events.c
    query = select(columns.consumer, func.min(columns.first_failed_at)).group_by(columns.consumer)
    return dict(connection.execute(query).all())
