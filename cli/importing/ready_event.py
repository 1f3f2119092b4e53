"""An event as the log takes it, and what is still to be known of the rows it came from."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from cli.importing.convert import MICROS_A_SECOND
from cli.importing.drafts import Draft
from shared import event_types
from shared.db.event_log import NewEvent
from shared.db.types import from_micros


class ReadyEvent(NamedTuple):
    """An event that is ready to be written.

    Attributes
    ----------
    row : int
        The row of the batch it begins with; events come in the order of these.
    event_id, kind : str
        Its id and kind.
    customer_id, visitor_id, order_id : str
        The customer, the visitor and the order that it records; "" for none.
    micros : int
        Its time in microseconds since 1970.
    payload : bytes
        The serialised event.
    draft : Draft or None
        What it was made of; None for one of a single row, of which nothing more need be known.
    """

    row: int
    event_id: str
    kind: str
    customer_id: str
    visitor_id: str
    micros: int
    payload: bytes
    order_id: str = ""
    draft: Draft | None = None

    @property
    def rows(self) -> int:
        """How many rows it was made of."""
        return 1 if self.draft is None else len(self.draft.rows)

    @property
    def unmatched(self) -> bool:
        """Whether it is a refund whose order is still to be found."""
        return self.draft is not None and self.draft.unmatched

    def logged_for(self, keys: Mapping[str, int]) -> NewEvent:
        """Return the event with the customer's key, given by customer's id or by `visitor:` and visitor's id."""
        key = keys[self.customer_id or f"visitor:{self.visitor_id}"]
        return NewEvent(self.event_id, key, self.kind, from_micros(self.micros), self.payload, self.order_id or None)


def ready(drafts: Iterable[Draft]) -> Iterator[ReadyEvent]:
    """Yield drafts that nothing will change any more as events for the log."""
    row = 0
    for draft in drafts:
        # A refund of several orders is one event for each; only the first has the row.
        row = draft.rows[0] if draft.rows else row
        yield _ready(draft, row)


def _ready(draft: Draft, row: int) -> ReadyEvent:
    event = draft.event
    kind = event.WhichOneof("detail")
    assert kind is not None  # noqa: S101 - for the type checker: checked on conversion
    return ReadyEvent(
        row,
        event.event_id,
        kind,
        event.customer_id,
        event.visitor_id,
        event.event_time.seconds * MICROS_A_SECOND + event.event_time.nanos // 1_000,
        event.SerializeToString(),
        event.purchase.purchase_id if kind == event_types.PURCHASE else "",
        draft,
    )
