"""Events into the event log, and from there into the tables, just as the agents do it."""

from collections.abc import Callable, Container, Sequence
from functools import partial
from heapq import merge
from operator import attrgetter

import numpy as np
from quintet.type.v1.event_pb2 import Event

from cli.importing.batch import RowBatch
from cli.importing.coded_column import CodedColumn
from cli.importing.convert import Options, Reject, rejected
from cli.importing.drafts import Draft
from cli.importing.events import Converted, EventConverter
from cli.importing.plain_events import EventColumns
from cli.importing.plain_values import Mask
from cli.importing.ready_event import ReadyEvent, ready
from cli.importing.references import product_ids, refuse_unfitting, refuse_unknown
from cli.importing.refunds import match_refunds
from cli.importing.sinks import Prepared, Written
from shared.db import customer_updates, customers, event_log, orders, products, refundable_lines
from shared.db.customer_updates import NewCustomer
from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent
from shared.db.identified_events import Recorded, decoded, without_feedback
from shared.db.imported_history import pass_history
from shared.db.known_keys import KnownKeys
from shared.db.log_consumer import LogConsumer
from shared.db.orders import RememberedCatalogue
from shared.db.projection import project
from shared.db.types import from_micros
from shared.errors import InvalidArgument

PROJECTOR = "customer"
"""The agent whose tables events are projected into; its cursor keeps the two from doing it twice."""

EVENTS_AT_ONCE = 3_000
"""Events projected in one transaction; more would keep other writers waiting for longer."""


_row = attrgetter("row")


class EventSink:
    """Appends events to the log and projects them.

    Parameters
    ----------
    database : Database
        Where to.
    options : Options
        How values are understood.
    create_customers : bool
        Whether customers nobody registered are added instead of refused.
    dry_run : bool
        Whether nothing will be written: then the orders of refunds are not looked for, they may be in the same file.
    """

    def __init__(
        self, database: Database, options: Options, *, create_customers: bool = False, dry_run: bool = False
    ) -> None:
        self._database = database
        self._create_customers = create_customers
        self._dry_run = dry_run
        self._options = options
        self._customers = KnownKeys(customers.resolve_customers)
        self._products = KnownKeys(products.product_keys)
        self._consumer = LogConsumer(database, PROJECTOR, self._project, EVENTS_AT_ONCE)
        self._catalogue = RememberedCatalogue()
        self._appended: dict[int, Draft] = {}
        self._own = 0

    @property
    def make_converter(self) -> Callable[[], EventConverter]:
        """Makes the converter of rows into events."""
        return partial(EventConverter, self._options)

    def prepare(self, batch: RowBatch, converted: Converted) -> Prepared[ReadyEvent]:
        """Refuse events that refer to what does not exist, and find the orders of refunds."""
        drafts = converted.drafts
        if converted.lines is not None:
            for draft in drafts:
                draft.lines = converted.lines.of(draft.rows) if draft.by_line else None
        with self._database.read() as connection:
            plain, strange = self._plain(connection, converted.plain)
            drafts = list(merge(drafts, strange, key=_first_row))
            named = {draft.event.customer_id for draft in drafts}
            known = named if self._create_customers else self._customers.of(connection, named).keys()
            products = self._products.of(connection, product_ids(drafts)).keys()
            drafts, unknown = refuse_unknown(batch, drafts, known, products)
            drafts, unfounded = (drafts, []) if self._dry_run else self._with_orders(connection, batch, drafts)
        events = list(merge(ready(drafts), plain, key=_row))
        return Prepared(batch, events, [*converted.rejects, *unknown, *unfounded])

    def write(self, connection: Connection, prepared: Prepared[ReadyEvent]) -> Written:
        """Append what is new; an order that is recorded with other lines already is refused."""
        self._appended.clear()
        events = [each for each in prepared.ready if not self._dry_run or not each.unmatched]
        keys = self._customer_keys(connection, events)
        known = orders.known_orders(connection, {each.order_id for each in events} - {""})
        fresh = [each.logged_for(keys) for each in events if each.order_id not in known]
        numbers = event_log.append(connection, fresh)
        self._own = len(numbers)
        written = Written(imported=sum(each.rows for each in prepared.ready if each.unmatched))
        repeated = []
        for each in events:
            number = numbers.pop(each.event_id, None)
            if number is None:
                repeated.append(each)
                continue
            if each.draft is not None:
                self._appended[number] = each.draft
            written.imported += each.rows
        written.rejects = _conflicts(connection, prepared.batch, [each.draft for each in repeated if each.draft])
        written.duplicates = sum(each.rows for each in repeated) - len(written.rejects)
        return written

    def forget(self) -> None:
        """Look up anew which customers and products exist."""
        self._customers.forget()
        self._products.forget()

    def settle(self) -> None:
        """Project what is in the log and was not projected yet."""
        self._consumer.apply(own=self._own)
        self._own = 0
        self._appended.clear()

    def _project(self, connection: Connection, logged: Sequence[LoggedEvent]) -> None:
        project(connection, list(map(self._recorded, without_feedback(logged))), self._catalogue.read)
        pass_history(connection, logged[-1].sequence)

    def _recorded(self, logged: LoggedEvent) -> Recorded:
        """Return an event of the log, decoded; what was appended last is at hand still."""
        draft = self._appended.get(logged.sequence)
        # A number may be another event's: numbers of what was rolled back are given again.
        if draft is None or draft.lines is None or draft.event.event_id != logged.event_id:
            return decoded(logged)
        return Recorded(logged.sequence, logged.customer_key, logged.occurred_at, logged.kind, draft.event, draft.lines)

    def _with_orders(
        self, connection: Connection, batch: RowBatch, drafts: Sequence[Draft]
    ) -> tuple[list[Draft], list[Reject]]:
        """Find the orders that are refunded, and refuse refunds of what is in no order."""
        recorded = event_log.known_ids(connection, [draft.event.event_id for draft in drafts if draft.unmatched])
        for draft in drafts:
            draft.unmatched = draft.unmatched and draft.event.event_id not in recorded
        matched, rejects = match_refunds(
            batch,
            drafts,
            lambda pairs: refundable_lines.lots(connection, pairs),
            lambda order_ids: orders.known_orders(connection, order_ids),
        )
        kept, unfitting = refuse_unfitting(batch, matched, lambda order_ids: orders.read_orders(connection, order_ids))
        return kept, [*rejects, *unfitting]

    def _plain(self, connection: Connection, columns: EventColumns | None) -> tuple[list[ReadyEvent], list[Draft]]:
        """Return the events that were taken by column, and apart from them those of customers or products not known."""
        if columns is None:
            return [], []
        known = _among(columns.customers, {"", *self._customers.of(connection, columns.customers.values)})
        known &= _among(columns.products, self._products.of(connection, columns.products.values))
        return columns.taken(known).ready(), columns.taken(~known).drafts()

    def _customer_keys(self, connection: Connection, events: Sequence[ReadyEvent]) -> dict[str, int]:
        """Return the keys of customers by id and of visitors by `visitor:` and id; adds the unknown ones."""
        named = {each.customer_id for each in events} - {""}
        keys = self._customers.of(connection, named)
        if len(keys) < len(named):
            customer_updates.upsert(connection, _unknown(events, keys))
            keys = customers.resolve_customers(connection, named)
        anonymous = {each.visitor_id for each in events if not each.customer_id}
        found = customers.resolve_visitors(connection, sorted(anonymous))
        return keys | {f"visitor:{each}": key for each, key in found.items()}


def _first_row(draft: Draft) -> int:
    return draft.rows[0]


def _among(column: CodedColumn, known: Container[str]) -> Mask:
    return np.array([value in known for value in column.values], np.bool_)[column.codes]


def _unknown(events: Sequence[ReadyEvent], known: Container[str]) -> list[NewCustomer]:
    """Return the customers that nobody registered, as of their first event."""
    seen: dict[str, int] = {}
    for each in events:
        if each.customer_id and each.customer_id not in known:
            seen[each.customer_id] = min(each.micros, seen.get(each.customer_id, each.micros))
    return [NewCustomer(each, registered_at=from_micros(at)) for each, at in seen.items()]


def _conflicts(connection: Connection, batch: RowBatch, repeated: Sequence[Draft]) -> list[Reject]:
    """Return the rows of orders that are recorded with other lines: they would be lost without a word."""
    bought = [draft for draft in repeated if draft.by_line]
    recorded = event_log.payloads(connection, [draft.event.event_id for draft in bought])
    rejects: list[Reject] = []
    for draft in bought:
        payload = recorded.get(draft.event.event_id)
        if payload is not None and _lines(Event.FromString(payload)) != _lines(draft.event):
            problem = "is recorded with other lines already; the rows of an order must be adjacent"
            reason = InvalidArgument.of("order_id", draft.event.purchase.purchase_id, problem).message
            rejects.extend(rejected(batch, index, reason) for index in draft.rows)
    return rejects


def _lines(event: Event) -> list[tuple[str, float, int]]:
    return [(line.product_id, line.quantity, line.amount.amount_minor) for line in event.purchase.items]
