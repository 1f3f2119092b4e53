"""Apply the event log to the tables of one agent: in order, each event once, whatever happens in between.

The projection and the cursor move in one transaction, so a process that dies half-way has done nothing, and several
replicas may run at once: each waits for the cursor. An event whose projection fails by a bug of ours must not stop the
log for ever: when it fails alone as well it is stepped over, logged with its number and counted; it stays in the log.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic, sleep

import structlog
from sqlalchemy.exc import OperationalError

from shared.db import event_log
from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent
from shared.errors import QuintetError
from shared.telemetry import BACKGROUND_ERRORS, EVENTS_BEHIND

BATCH = 500
REST = 2.0
"""How long a consumer that is behind leaves the database to those who record, in times of what its batch took."""
LONGEST_REST_SECONDS = 0.25
log = structlog.get_logger()

Project = Callable[[Connection, Sequence[LoggedEvent]], None]
"""Applies events, in order, within the transaction given."""


@dataclass(frozen=True)
class Applied:
    """Number of the last event applied, and how many events a call applied."""

    sequence: int
    events: int


class LogConsumer:
    """Follows the event log under a name of its own. Safe to call from several threads.

    On SQLite there is one write lock for everybody. While events are recorded, a consumer that is behind rests after
    each full batch, so that catching up does not slow recording.

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
        self._turn = threading.Lock()
        self._seen_end = 0

    def apply(self, up_to: int = 0, patience_seconds: float = inf) -> Applied:
        """Apply the log at least up to the number `up_to`, or its end where that comes first; 0 means its end.

        No batch is begun after `patience_seconds`.
        """
        events = 0
        until = monotonic() + patience_seconds
        while True:
            with self._turn:
                position, end = self._position()
                if position >= end or 0 < up_to <= position or monotonic() > until:
                    return Applied(position, events)
                events += self._apply_and_rest(end)

    def apply_batch(self) -> bool:
        """Apply at most one batch and return whether there is more."""
        with self._turn:
            position, end = self._position()
            return position < end and self._apply_and_rest(end) >= self._batch

    def _apply_and_rest(self, end: int) -> int:
        """Apply a batch, and rest when events were recorded since the last one; `end` is the last number of the log."""
        recorded = end > self._seen_end > 0
        self._seen_end = end
        began = monotonic()
        applied = self._apply_batch()
        if recorded and applied >= self._batch:
            sleep(min(REST * (monotonic() - began), LONGEST_REST_SECONDS))
        return applied

    def _position(self) -> tuple[int, int]:
        with self._database.read() as connection:
            position = event_log.cursor(connection, self._name)
            end = event_log.last_sequence(connection)
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
