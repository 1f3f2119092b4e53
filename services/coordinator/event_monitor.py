"""Counts what is wrong with the events that arrive: malformed, unknown, late, repeated, by kind, field and hour.

Counts are gathered in memory and stored every few seconds; a crash loses those of the last seconds. Of more than 300
different faults in these seconds the rest is counted as `other`. No value of an event is kept but the ids of a few.
"""

import re
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic

from quintet.type.v1.event_pb2 import Event

from services.coordinator.event_validation import Submission
from services.coordinator.group_commit import CommitResult
from shared.db import event_quality
from shared.db.engine import Database
from shared.db.event_quality import Fault, FaultCount
from shared.errors import QuintetError
from shared.telemetry import EVENTS

LATE = timedelta(hours=1)
MOST_FAULTS = 300
EXAMPLES = 3
STORE_EVERY_SECONDS = 5.0
MOST_FIELD = 100
_OTHER = Fault("other", "other")
_INDEX = re.compile(r"\[[^]]*\]")
_FIELDS = {"customer": "customer_id", "product": "product_id", "purchase": "purchase_id"}


class EventMonitor:
    """Counts faults; safe to call from several threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._guard = threading.Lock()
        self._counts: dict[tuple[datetime, Fault], FaultCount] = {}
        self._stored_at = monotonic()

    def malformed(self, event: Event, error: QuintetError) -> None:
        """Count an event that breaks a rule of the contract."""
        kind = event.WhichOneof("detail") or ""
        EVENTS.labels(kind, "malformed").inc()
        self._count(Fault(kind, "malformed", _field(error)), event.event_id)

    def recorded(self, submissions: Sequence[Submission], outcomes: Sequence[CommitResult]) -> None:
        """Count what was repeated, late, refused, or names what is not known."""
        late = datetime.now(UTC) - LATE
        for submission, outcome in zip(submissions, outcomes, strict=True):
            kind, event_id = submission.kind, submission.event_id
            if outcome.error is not None:
                self._count(Fault(kind, "refused", _field(outcome.error)), event_id)
            elif outcome.duplicate:
                self._count(Fault(kind, "duplicate"), event_id)
            else:
                for name in {_FIELDS[each.kind] for each in outcome.missing}:
                    self._count(Fault(kind, "unknown", name), event_id)
                if submission.occurred_at < late:
                    self._count(Fault(kind, "late", "event_time"), event_id)

    def store_now_and_then(self) -> None:
        """Store what was counted, unless that was done a moment ago."""
        if monotonic() - self._stored_at >= STORE_EVERY_SECONDS:
            self.store()

    def store(self) -> None:
        """Store what was counted. What cannot be stored is counted on."""
        with self._guard:
            counted, self._counts, self._stored_at = self._counts, {}, monotonic()
        if not counted:
            return
        try:
            with self._database.write() as connection:
                event_quality.add(connection, counted.values())
        except QuintetError:
            with self._guard:
                for key, each in counted.items():
                    self._add(key, each.events, each.examples)
            raise

    def _count(self, fault: Fault, event_id: str) -> None:
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        with self._guard:
            full = len(self._counts) >= MOST_FAULTS and (hour, fault) not in self._counts
            self._add((hour, _OTHER if full else fault), 1, [event_id] if event_id else [])

    def _add(self, key: tuple[datetime, Fault], events: int, examples: list[str]) -> None:
        before = self._counts.get(key, FaultCount(*key, 0, []))
        some = (before.examples + examples)[:EXAMPLES]
        self._counts[key] = FaultCount(*key, before.events + events, some)


def _field(error: QuintetError) -> str:
    """Return the path in the event of the field at fault, without places in lists and names in maps."""
    if not error.violations:
        return ""
    path = _INDEX.sub("[]", error.violations[0].field)
    return path.removeprefix("events[].").removeprefix("event.")[:MOST_FIELD]
