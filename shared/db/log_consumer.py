"""Apply the event log to the tables of one agent: in order, each event once, whatever happens in between.

The projection and the cursor move in one transaction, so a process that dies half-way has done nothing, and several
replicas may run at once: each waits for the cursor, or takes other partitions of the customers where there are several
(`shared/db/partitions.py`). An event whose projection fails by a bug of ours must not stop the log for ever: batches
are halved until it fails alone, then it is set aside in `failed_events` with the reason, counted, and can be replayed.
Want of memory and the state of the database are no event's fault: then the cursor stays, and the event is tried again.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import NamedTuple

import structlog

from shared.db import event_log, failed_events, metric_marks
from shared.db.engine import Connection, Database
from shared.db.event_faults import is_of_event, reason_of
from shared.db.event_log import LoggedEvent
from shared.db.partitions import PartitionedCursor, Piece
from shared.telemetry import EVENTS_BEHIND, EVENTS_SET_ASIDE

BATCH = 500
BLOCKED_SECONDS = 0.01
"""Rest of who finds that others apply all there is at the moment."""
REST, LONGEST_REST_SECONDS = 2.0, 0.25
"""How long a consumer that is behind leaves the database to those who record, in times of what its batch took."""
STREAM_REST, LONGEST_STREAM_REST_SECONDS = 9.0, 1.0
"""The same while more is recorded than it could apply: it takes a tenth of the time, and catches up afterwards."""
log = structlog.get_logger()

Project = Callable[[Connection, Sequence[LoggedEvent]], None]
"""Applies events, in order, within the transaction given."""
Claim = Callable[[Connection, int], Piece | None]
"""Gives at most so many events to apply in the transaction, as `PartitionedCursor.claim` does."""


@dataclass(frozen=True)
class Applied:
    """Number up to which all that is in the log is applied, and how many events a call applied."""

    sequence: int
    events: int


@dataclass(frozen=True)
class Replayed:
    """How many events set aside were applied by a call, and how many failed again."""

    applied: int
    failed: int


class _Step(NamedTuple):
    """What a consumer did: the number it had applied before, how many events it applied, how long it should rest.

    `more` says whether the log went on after them, `done` whether there was nothing to apply.
    """

    position: int
    applied: int = 0
    rest: float = 0.0
    more: bool = False
    done: bool = False


class LogConsumer:
    """Follows the event log under a name of its own. Safe to call from several threads.

    On SQLite there is one write lock for everybody. While events are recorded, a consumer that is behind rests after
    each full batch, so that catching up does not slow recording. Whoever waits for an answer does not wait for a rest.

    Parameters
    ----------
    name : str
        The agent; also the name of its cursor.
    project : callable
        Applies up to `batch` events in a transaction. A QuintetError from it (the database is away), MemoryError and
        errors that are the database's own are passed on; any other exception is taken for a bug in the projection of
        one of the events.
    partitions : int
        How many parts the customers shall be in, each of which one process at a time applies; on SQLite there is one.
    """

    def __init__(
        self, database: Database, name: str, project: Project, batch: int = BATCH, *, partitions: int = 1
    ) -> None:
        self._database = database
        self._name = name
        self._project = project
        self._batch = batch
        several = partitions if database.dialect == "postgresql" else 1
        self._cursor = PartitionedCursor(name, batch, several)
        self._size = batch
        """How many events are applied at once: fewer around one that fails, or while memory is short."""
        self._tried = 0
        """How many events the last attempt had."""
        self._line = threading.Lock()
        self._turn = threading.Lock()
        self._seen_end = 0
        self._seen_at = 0.0
        self.end = 0
        """Number of the last event of the log when it was looked at last."""

    def apply(self, up_to: int = 0, own: int = 0, until: float | None = None) -> Applied:
        """Apply the log at least up to the number `up_to`, or its end where that comes first; 0 means its end.

        Parameters
        ----------
        own : int
            Events that the caller has recorded itself since the last call. It does not rest for these: nobody else
            waits.
        until : float, optional
            Moment on the monotonic clock from which nobody waits for the answer. Then no batch is begun, and the answer
            says how far it came.
        """
        events, position = 0, 0
        if own:
            self._expect(own)
        while _is_time_left(until):
            with self._in_line(until) as first:
                if not first:
                    break
                step = self._step(up_to)
                events, position = events + step.applied, step.position
                if step.done:
                    position = max(position, up_to)  # what is not in the log up to there was purged
                    break
                _pause(step.rest if until is None else min(step.rest, until - monotonic()))
        return Applied(position, events)

    def apply_now(self, up_to: int, patience_seconds: float) -> None:
        """Apply the log as `apply` does, without a rest; begin no batch after `patience_seconds`."""
        until = monotonic() + patience_seconds
        while monotonic() <= until and not self._step(up_to).done:
            pass

    def apply_batch(self) -> bool:
        """Apply at most one batch and return whether there is more."""
        with self._line:
            step = self._step()
            _pause(step.rest)
        return step.more

    def replay(self, sequences: Sequence[int]) -> Replayed:
        """Apply those of the events again that were set aside, in the order of the log, each in a transaction."""
        with self._database.read() as connection:
            wanted = failed_events.still_failed(connection, self._name, sequences)
        outcomes = [self._replay_one(sequence) for sequence in wanted]
        return Replayed(outcomes.count(True), outcomes.count(False))

    def lock_level(self, connection: Connection) -> int:
        """Have all partitions come equally far, and nobody apply anything until the transaction ends.

        Returns the number up to which all events are applied. What concerns customers of several partitions needs it.
        """
        event_log.lock_cursor(connection, self._name)
        while (position := self._cursor.level(connection)) is None:
            if self._apply_batch(self._cursor.claim_part) is None:
                sleep(BLOCKED_SECONDS)
        return position

    @contextmanager
    def _in_line(self, until: float | None) -> Iterator[bool]:
        """Wait for one's turn among those who apply the whole log, and say whether it came in time."""
        first = self._line.acquire(timeout=-1 if until is None else max(0.0, until - monotonic()))
        try:
            yield first
        finally:
            if first:
                self._line.release()

    def _expect(self, own: int) -> None:
        with self._turn:
            self._seen_end += own if self._seen_end else 0

    def _step(self, up_to: int = 0) -> _Step:
        """Apply a batch, unless all is applied up to the number `up_to`, 0 for the end of the log."""
        with self._turn:
            position, end = self._position()
            if position >= end or 0 < up_to <= position:
                return _Step(position, done=True)
            began = monotonic()
            events = self._apply_batch()
            if events is None:
                return _Step(position, rest=BLOCKED_SECONDS, more=self._cursor.is_divided)
            applied, last = len(events), events[-1].sequence if events else 0
            rest = self._rest(end, began)
            return _Step(
                position,
                applied,
                rest if applied >= self._batch else 0.0,
                more=0 < last < end or self._cursor.is_divided,
            )

    def _rest(self, end: int, began: float) -> float:
        """Return how long to rest after a batch that began when `end` was the last number of the log."""
        took, since = monotonic() - began, began - self._seen_at
        recorded = end - self._seen_end if self._seen_end else 0
        self._seen_end, self._seen_at = end, began
        rest = min(REST * took, LONGEST_REST_SECONDS)
        if recorded * (took + rest) > self._batch * since:
            return min(STREAM_REST * took, LONGEST_STREAM_REST_SECONDS)
        return rest if recorded else 0.0

    def _position(self) -> tuple[int, int]:
        with self._database.read() as connection:
            position = event_log.cursor(connection, self._name)
            end = event_log.last_sequence(connection)
        self.end = end
        EVENTS_BEHIND.labels(self._name).set(max(0, end - position))
        return position, end

    def _apply_batch(self, claim: Claim | None = None) -> Sequence[LoggedEvent] | None:
        """Apply the next events, fewer where one fails, and return them; None where others have all there is."""
        claim = claim or self._cursor.claim
        while self._size > 1:
            try:
                events = self._apply_piece(claim, self._size, self._project)
                break
            except Exception as error:
                # One bad event must not hold up the others, and fewer need less memory.
                if not is_of_event(error) and not isinstance(error, MemoryError):
                    raise
                self._size = max(1, self._tried // 2)
                log.warning("applying fewer events at once", consumer=self._name, reason=reason_of(error))
        else:
            events = self._apply_piece(claim, 1, self._apply_or_set_aside_all)
        self._size = min(self._batch, 2 * self._size)
        return events

    def _apply_piece(self, claim: Claim, most: int, project: Project) -> Sequence[LoggedEvent] | None:
        self._tried = 0
        with self._database.write() as connection:
            piece = claim(connection, most)
            if piece is None:
                return None
            self._tried = len(piece.events)
            if piece.events:
                project(connection, piece.events)
            piece.move(connection)
        return piece.events

    def _apply_or_set_aside_all(self, connection: Connection, events: Sequence[LoggedEvent]) -> None:
        for event in events:
            self._apply_or_set_aside(connection, event)

    def _replay_one(self, sequence: int) -> bool | None:
        """Return whether an event that was set aside is applied now; None where somebody else was faster."""
        with self._database.write() as connection:
            self.lock_level(connection)
            if not failed_events.still_failed(connection, self._name, [sequence]):
                return None
            [event] = event_log.read_after(connection, sequence - 1, 1)
            applied = self._apply_or_set_aside(connection, event)
            if applied:
                failed_events.forget(connection, self._name, sequence)
                metric_marks.mark(connection, metric_marks.EVENTS, [sequence])
            return applied

    def _apply_or_set_aside(self, connection: Connection, event: LoggedEvent) -> bool:
        try:
            with connection.begin_nested():
                self._project(connection, [event])
        except Exception as error:
            if not is_of_event(error):
                raise
            reason = reason_of(error)
            log.error(
                "set an event aside", consumer=self._name, sequence=event.sequence, kind=event.kind, reason=reason
            )
            failed_events.set_aside(connection, self._name, event, reason)
            EVENTS_SET_ASIDE.labels(self._name).inc()
            return False
        return True


def _is_time_left(until: float | None) -> bool:
    return until is None or monotonic() < until


def _pause(seconds: float) -> None:
    if seconds > 0:
        sleep(seconds)
