"""When events were received, to the minute: one row for the first event of each minute in which there were any."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, func, select

from shared.db.bulk import insert_rows
from shared.db.driver import DriverCursor, PreparedQuery
from shared.db.schema import event_log, event_receipts
from shared.db.types import MICROSECOND

LEAST = timedelta(minutes=1)
LEAST_MICROS = LEAST // MICROSECOND
_COLUMNS = ("first_sequence", "received_at")
_LAST = PreparedQuery(select(func.max(event_receipts.c.received_at)))


def note(connection: Connection, sequence: int, now: int) -> None:
    """Say that the event `sequence` is received `now`, in microseconds; nothing within a minute of the last time said.

    The caller is the only one who appends to the log.
    """
    [(last,)] = DriverCursor.of(connection).fetch(_LAST)
    if last is None or now >= last + LEAST_MICROS:
        insert_rows(connection, event_receipts, _COLUMNS, [(sequence, now)])


def last_before(connection: Connection, moment: datetime) -> int:
    """Return a number up to which all events were received before a moment; 0 for none. A minute may be missing."""
    columns = event_receipts.c
    later = select(func.min(columns.first_sequence)).where(columns.received_at > moment - LEAST)
    first = connection.execute(later).scalar_one()
    if first is None:
        first = connection.execute(select(func.coalesce(func.max(event_log.c.sequence), 0) + 1)).scalar_one()
    return int(first) - 1


def received_before(connection: Connection, sequence: int) -> datetime:
    """Return a moment before which all events up to a number were received; the present where it is not known."""
    columns = event_receipts.c
    last = select(func.max(columns.received_at)).where(columns.first_sequence <= sequence)
    noted: datetime | None = connection.execute(last).scalar_one()
    return datetime.now(UTC) if noted is None else noted + LEAST


def forget(connection: Connection, sequence: int) -> None:
    """Forget when events up to a number were received, but the last time: it holds on for those that follow."""
    columns = event_receipts.c
    last = select(func.max(columns.first_sequence)).where(columns.first_sequence <= sequence).scalar_subquery()
    connection.execute(event_receipts.delete().where(columns.first_sequence < last))
