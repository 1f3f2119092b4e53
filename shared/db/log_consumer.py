"""Apply the event log to the tables of one agent: in order, each event once, whatever happens in between.

The projection and the cursor move in one transaction, so a process that dies half-way has done nothing, and several
replicas may run at once: each waits for the cursor. An event whose projection fails by a bug of ours must not stop the
log for ever: when it fails alone as well it is stepped over, logged with its number and counted; it stays in the log.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import NamedTuple

import structlog
from sqlalchemy.exc import OperationalError

from shared.db import event_log
from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent
from shared.errors import QuintetError
from shared.telemetry import BACKGROUND_ERRORS, EVENTS_BEHIND

BATCH = 500
REST, LONGEST_REST_SECONDS = 2.0, 0.25
"""How long a consumer that is behind leaves the database to those who record, in times of what its batch took."""
STREAM_REST, LONGEST_STREAM_REST_SECONDS = 9.0, 1.0
"""The same while more is recorded than it could apply: it takes a tenth of the time, and catches up afterwards."""
log = structlog.get_logger()

Project = Callable[[Connection, Sequence[LoggedEvent]], None]
"""Applies events, in order, within the transaction given."""


@dataclass(frozen=True)
class Applied:
    """Number of the last event applied, and how many events a call applied."""

    sequence: int
    events: int


class _Step(NamedTuple):
    """What a consumer did: the number it had applied before, how many events it applied, how long it should rest."""

    position: int
    applied: int = 0
    rest: float = 0.0
    done: bool = False
    """Whether there was nothing to apply."""


class LogConsumer:
    """Follows the event log under a name of its own. Safe to call from several threads.

    On SQLite there is one write lock for everybody. While events are recorded, a consumer that is behind rests after
    each full batch, so that catching up does not slow recording. Whoever waits for an answer does not wait for a rest.

    Parameters
    ----------
    name : str
        The agent; also the name of its cursor.
    project : callable
        Applies up to `batch` events in a transaction. A QuintetError from it (the database is away) is passed on;
        any other exception is taken for a bug in the projection of one of the events.
    """

    def __init__(self, database: Database, name: str, project: Project, batch: int = BATCH) -> None:
        self._database = database
        self._name = name
        self._project = project
        self._batch = batch
        self._line = threading.Lock()
        self._turn = threading.Lock()
        self._seen_end = 0
        self._seen_at = 0.0
        self.end = 0
        """Number of the last event of the log when it was looked at last."""

    def apply(self, up_to: int = 0, own: int = 0) -> Applied:
        """Apply the log at least up to the number `up_to`, or its end where that comes first; 0 means its end.

        The caller has recorded `own` events itself since the last call. It does not rest for these: nobody else waits.
        """
        events = 0
        self._expect(own)
        while True:
            with self._line:
                step = self._step(up_to)
                events += step.applied
                if step.done:
                    return Applied(step.position, events)
                _pause(step.rest)

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
        return step.applied >= self._batch

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
            applied = self._apply_batch()
            rest = self._rest(end, began)
            return _Step(position, applied, rest if applied >= self._batch else 0.0)

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

    def _apply_batch(self) -> int:
        try:
            with self._database.write() as connection:
                events = self._next(connection, self._batch)
                if events:
                    self._project(connection, events)
                    event_log.move_cursor(connection, self._name, events[-1].sequence)
            return len(events)
        except QuintetError:
            raise
        except Exception:  # one bad event must not hold up the others
            log.exception("a batch of events failed, applying them one by one", consumer=self._name)
            return sum(self._apply_one() for _ in range(self._batch))

    def _apply_one(self) -> int:
        with self._database.write() as connection:
            events = self._next(connection, 1)
            for event in events:
                self._apply_or_step_over(connection, event)
                event_log.move_cursor(connection, self._name, event.sequence)
        return len(events)

    def _apply_or_step_over(self, connection: Connection, event: LoggedEvent) -> None:
        try:
            with connection.begin_nested():
                self._project(connection, [event])
        except OperationalError:
            raise  # the database is away or locked: not the event's fault
        except Exception:  # it would fail again for ever; the log keeps it
            log.exception("stepped over an event", consumer=self._name, sequence=event.sequence, kind=event.kind)
            BACKGROUND_ERRORS.labels(self._name, "apply_event").inc()

    def _next(self, connection: Connection, limit: int) -> list[LoggedEvent]:
        return event_log.read_after(connection, event_log.lock_cursor(connection, self._name), limit)


def _pause(seconds: float) -> None:
    if seconds:
        sleep(seconds)
