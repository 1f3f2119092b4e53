"""Several processes apply one log side by side: customers are spread over partitions, each with a cursor of its own.

A partition has the customers whose key has the same rest when divided by the number of partitions. Its cursor is a row
of `event_partitions`, and who applies its events holds a lock on that row until the transaction ends: a process that
dies gives it back with its connection, and nobody waits for a lease to run out. The cursor of the whole log
(`event_cursors`) says up to where every partition has come; it is also what a process holds to apply events of all.

Most events change rows of one customer. Some do not, such as one that says that a visitor is a customer
(`shared/db/event_scope.py`). No partition passes such an event: events are planned up to it, and when all partitions
have come so far, one process applies the next events of all, in their order. So it does too when few are left.

PostgreSQL only: SQLite has one writer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, func, select

from shared.db import event_log
from shared.db.driver import DriverCursor, PreparedQuery
from shared.db.event_log import LOGGED, LoggedEvent, logged
from shared.db.event_scope import before_shared
from shared.db.schema import event_cursors, event_partitions
from shared.db.schema import event_log as log_table

PLAN_BATCHES = 4
"""How many batches are planned at once, and how far the plan may be ahead of the slowest partition."""


class Piece(NamedTuple):
    """Events that nobody else applies, in their order, and how the cursor is moved behind them."""

    events: Sequence[LoggedEvent]
    move: Callable[[Connection], None]


class Progress(NamedTuple):
    """How far a log is applied: `all` events up to there, and each partition's up to its own number in `parts`.

    No partition goes further than `planned`.
    """

    all: int
    planned: int
    parts: dict[int, int]

    @property
    def floor(self) -> int:
        """Number up to which every partition has come."""
        return min(self.parts.values())

    @property
    def is_level(self) -> bool:
        """Whether every partition has applied all that was planned."""
        return self.floor >= self.planned


@dataclass
class PartitionedCursor:
    """Hands out pieces of the log to those who apply it as `consumer`.

    `partitions` is how many there shall be, and is arranged as soon as all have come equally far: of processes with
    different numbers, the one that starts last decides. A log with fewer than `batch` events left is not divided.
    """

    consumer: str
    batch: int
    partitions: int = 1
    _arranged: bool = False
    _divided: bool = False
    _stopped_at: int = -1
    """The plan that ends before an event of several customers: it need not be looked for again."""

    @property
    def is_divided(self) -> bool:
        """Whether there were several partitions when it was looked last."""
        return self._divided

    def claim(self, connection: Connection, most: int) -> Piece | None:
        """Return up to `most` events to apply in this transaction; None where others have all there is.

        A piece without events is work too: further events may be had after it.
        """
        if connection.dialect.name != "postgresql":
            return self._undivided(connection, event_log.lock_cursor(connection, self.consumer), most)
        if not self._divided:
            event_log.lock_cursor(connection, self.consumer)
        elif (part := self.claim_part(connection, most)) is not None:
            return part
        elif not _lock_free(connection, self.consumer):
            return None
        return self._claim_all(connection, most)

    def claim_part(self, connection: Connection, most: int) -> Piece | None:
        """Return the next planned events of the partition that is furthest behind of those that nobody holds."""
        parts, cursors = event_partitions.c, event_cursors.c
        planned = select(cursors.sequence).where(cursors.consumer == plan_name(self.consumer)).scalar_subquery()
        behind = (
            select(parts.partition, parts.partitions, parts.sequence, planned)
            .where(parts.consumer == self.consumer, parts.sequence < planned)
            .order_by(parts.sequence)
            .limit(1)
            .with_for_update(skip_locked=True, of=event_partitions)
        )
        found = connection.execute(behind).first()
        if found is None:
            return None
        partition, partitions, sequence, until = found
        rows = DriverCursor.of(connection).fetch(
            _OF_PARTITION, after=sequence, until=until, part=partition, parts=partitions, most=most
        )
        events = list(map(logged, rows))
        end = until if len(events) < most else events[-1].sequence
        return Piece(events, lambda later: _move_part(later, self.consumer, partition, end))

    def level(self, connection: Connection) -> int | None:
        """Return the number that all have come to, and note it; None where a partition is behind the plan.

        The caller holds the cursor of the whole log, so nothing more is planned.
        """
        progress = read_progress(connection, self.consumer)
        if not progress.is_level:
            return None
        if progress.planned > progress.all:
            event_log.move_cursor(connection, self.consumer, progress.planned)
        return progress.planned

    def _claim_all(self, connection: Connection, most: int) -> Piece | None:
        """Return the next events of all, or plan for the partitions, or note how far they have come.

        The caller holds the cursor of the whole log.
        """
        progress = read_progress(connection, self.consumer)
        if progress.is_level and not self._arranged:
            progress = self._arrange(connection, progress)
        self._divided = len(progress.parts) > 1
        if not self._divided:
            return self._undivided(connection, progress.all, most)
        if not progress.is_level:
            return self._go_on(connection, progress)
        events = event_log.read_after(connection, progress.planned, self._ahead)
        alone = before_shared(connection, events) if len(events) >= self.batch else ()
        if len(alone) >= self.batch:
            return self._plan(connection, progress, alone[-1].sequence)
        some = events[:most]
        end = some[-1].sequence if some else progress.planned
        return Piece(some, lambda later: _move_all(later, self.consumer, end)) if end > progress.all else None

    def _undivided(self, connection: Connection, position: int, most: int) -> Piece | None:
        events = event_log.read_after(connection, position, most)
        end = events[-1].sequence if events else position
        return Piece(events, lambda later: event_log.move_cursor(later, self.consumer, end)) if events else None

    def _go_on(self, connection: Connection, progress: Progress) -> Piece | None:
        """Have the partitions that are ahead go on, and note how far all have come."""
        planned = progress.planned
        if self._arranged and planned != self._stopped_at and planned - progress.floor < self._ahead:
            events = event_log.read_after(connection, planned, self._ahead)
            alone = before_shared(connection, events)
            planned = alone[-1].sequence if alone else planned
            self._stopped_at = planned if len(alone) < len(events) else -1
        return self._plan(connection, progress, planned)

    def _plan(self, connection: Connection, progress: Progress, planned: int) -> Piece | None:
        """Have the partitions go up to a number, and note how far all have come; None where both are as they were."""
        moved = {plan_name(self.consumer): planned, self.consumer: max(progress.all, progress.floor)}
        if moved == {plan_name(self.consumer): progress.planned, self.consumer: progress.all}:
            return None
        for name, sequence in moved.items():
            event_log.move_cursor(connection, name, sequence)
        return Piece([], _nothing)

    def _arrange(self, connection: Connection, progress: Progress) -> Progress:
        """Have as many partitions as there shall be; all have come equally far."""
        self._arranged = True
        if len(progress.parts) == self.partitions:
            return progress
        divide(connection, self.consumer, self.partitions, progress.planned)
        return read_progress(connection, self.consumer)

    @property
    def _ahead(self) -> int:
        return PLAN_BATCHES * self.batch


def plan_name(consumer: str) -> str:
    """Return the name of the cursor that says up to where the partitions of a consumer may go."""
    return f"{consumer} planned"


def read_progress(connection: Connection, consumer: str) -> Progress:
    """Return how far a consumer's log is applied; one that is not divided has one partition."""
    parts = event_partitions.c
    rows = connection.execute(select(parts.partition, parts.sequence).where(parts.consumer == consumer)).all()
    position = event_log.cursor(connection, consumer)
    if not rows:
        return Progress(position, position, {0: position})
    planned = event_log.cursor(connection, plan_name(consumer))
    return Progress(position, planned, dict(rows))


def stop_applying(connection: Connection, consumer: str) -> None:
    """Have nobody apply events as `consumer` until the transaction ends, after waiting for who is at it."""
    event_log.lock_cursor(connection, consumer)
    parts = event_partitions.c
    every = select(parts.partition).where(parts.consumer == consumer).order_by(parts.partition).with_for_update()
    connection.execute(every).all()


def position_of(connection: Connection, consumer: str, customer_key: int) -> int:
    """Return the number up to which all events of a customer are applied."""
    parts = event_partitions.c
    theirs = parts.partition == func.mod(customer_key, parts.partitions)
    part = connection.scalar(select(parts.sequence).where(parts.consumer == consumer, theirs))
    return max(event_log.cursor(connection, consumer), part or 0)


def divide(connection: Connection, consumer: str, partitions: int, sequence: int) -> None:
    """Have so many partitions, all of which have come to the number `sequence`.

    The caller holds the cursor of the whole log, and all have come equally far.
    """
    connection.execute(event_partitions.delete().where(event_partitions.c.consumer == consumer))
    event_log.lock_cursor(connection, plan_name(consumer))
    _move_all(connection, consumer, sequence)
    if partitions > 1:
        facts = {"consumer": consumer, "partitions": partitions, "sequence": sequence}
        connection.execute(event_partitions.insert(), [facts | {"partition": number} for number in range(partitions)])


def _lock_free(connection: Connection, consumer: str) -> bool:
    """Take the lock on the cursor of the whole log, unless somebody has it."""
    columns = event_cursors.c
    free = select(columns.sequence).where(columns.consumer == consumer).with_for_update(skip_locked=True)
    return connection.execute(free).first() is not None


def _move_part(connection: Connection, consumer: str, partition: int, sequence: int) -> None:
    parts = event_partitions.c
    this = event_partitions.update().where(parts.consumer == consumer, parts.partition == partition)
    connection.execute(this.values(sequence=sequence))


def _move_all(connection: Connection, consumer: str, sequence: int) -> None:
    for name in (consumer, plan_name(consumer)):
        event_log.move_cursor(connection, name, sequence)
    every = event_partitions.update().where(event_partitions.c.consumer == consumer)
    connection.execute(every.values(sequence=sequence))


def _nothing(_: Connection) -> None:
    """Leave the cursors where they are."""


_OF_PARTITION = PreparedQuery(
    select(*LOGGED)
    .where(
        log_table.c.sequence > bindparam("after", type_=BigInteger),
        log_table.c.sequence <= bindparam("until", type_=BigInteger),
        func.mod(log_table.c.customer_id, bindparam("parts", type_=BigInteger)) == bindparam("part", type_=BigInteger),
    )
    .order_by(log_table.c.sequence)
    .limit(bindparam("most", type_=BigInteger))
)
