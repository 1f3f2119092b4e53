"""Which recorded events an operator means: by kind, time, shopper, product and the platform's own attributes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from google.protobuf.message import DecodeError
from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.recommendation_pb2 import Feedback
from sqlalchemy import ColumnElement, Table

from shared.db.event_rows import FEEDBACK, stored_kinds
from shared.db.unjoined_events import ALWAYS, Period
from shared.events.references import product_ids


@dataclass(frozen=True)
class EventFilter:
    """Conditions that hold all at once; an empty one does not restrict.

    `product_id` is named by the event itself, not through a recommendation. Feedback has no products and no attributes.
    """

    kinds: frozenset[str] = frozenset()
    period: Period = ALWAYS
    customer_id: str = ""
    visitor_id: str = ""
    product_id: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def of_rows(self, table: Table) -> list[ColumnElement[bool]]:
        """Return what rows of a table with columns `kind` and `occurred_at` must meet; `matches` has all of it."""
        columns = table.c
        conditions: list[ColumnElement[bool]] = []
        if self.kinds:
            conditions.append(columns.kind.in_(stored_kinds(self.kinds)))
        if self.period.start is not None:
            conditions.append(columns.occurred_at >= self.period.start)
        if self.period.end is not None:
            conditions.append(columns.occurred_at < self.period.end)
        return conditions

    def matches(self, kind: str, occurred_at: datetime, payload: bytes, *, customers: bool) -> bool:
        """Say whether a recorded event meets all conditions.

        `customers` says that the event is known to be the customer's: events of the log do not name their customers.
        A payload that cannot be read meets no condition that needs it.
        """
        if not self._matches_row(kind, occurred_at):
            return False
        try:
            recording = Feedback.FromString(payload) if kind == FEEDBACK else Event.FromString(payload)
        except DecodeError:
            recording = Event()
        if self.customer_id and not customers and recording.customer_id != self.customer_id:
            return False
        if self.visitor_id and recording.visitor_id != self.visitor_id:
            return False
        return self._matches_facts(kind, recording)

    def _matches_row(self, kind: str, occurred_at: datetime) -> bool:
        start, end = self.period
        early, late = start is not None and occurred_at < start, end is not None and occurred_at >= end
        return (not self.kinds or kind in self.kinds) and not early and not late

    def _matches_facts(self, kind: str, recording: Event | Feedback) -> bool:
        if isinstance(recording, Feedback):
            return not self.product_id and not self.attributes
        if self.product_id and self.product_id not in product_ids(recording, kind):
            return False
        return all(recording.attributes.get(name) == value for name, value in self.attributes.items())
