"""Events into the event log, and from there into the tables, just as the agents do it."""

from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from functools import partial

from quintet.type.v1.event_pb2 import Event

from cli.importing.batch import RowBatch
from cli.importing.convert import Options, Reject, rejected
from cli.importing.events import Converted, Draft, EventConverter
from cli.importing.references import product_ids, refuse_unfitting, refuse_unknown
from cli.importing.refunds import match_refunds
from cli.importing.sinks import Prepared, Written
from shared.db import customers, event_log, orders, products, refundable_lines
from shared.db.customers import NewCustomer
from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent, NewEvent
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

    @property
    def make_converter(self) -> Callable[[], EventConverter]:
        """Makes the converter of rows into events."""
        return partial(EventConverter, self._options)

    def prepare(self, batch: RowBatch, converted: Converted) -> Prepared[Draft]:
        """Refuse events that refer to what does not exist, and find the orders of refunds."""
        drafts = converted.drafts
        if converted.lines is not None:
            for draft in drafts:
                draft.lines = converted.lines.of(draft.rows) if draft.by_line else None
        with self._database.read() as connection:
            named = {draft.event.customer_id for draft in drafts}
            known = named if self._create_customers else self._customers.of(connection, named).keys()
            products = self._products.of(connection, product_ids(drafts)).keys()
            drafts, unknown = refuse_unknown(batch, drafts, known, products)
            drafts, unfounded = (drafts, []) if self._dry_run else self._with_orders(connection, batch, drafts)
        return Prepared(batch, drafts, [*converted.rejects, *unknown, *unfounded])

    def write(self, connection: Connection, prepared: Prepared[Draft]) -> Written:
        """Append what is new; an order that is recorded with other lines already is refused."""
        self._appended.clear()
        drafts = [draft for draft in prepared.ready if not self._dry_run or not draft.unmatched]
        keys = self._customer_keys(connection, drafts)
        known = orders.known_orders(connection, {each.event.purchase.purchase_id for each in drafts} - {""})
        fresh = [draft for draft in drafts if draft.event.purchase.purchase_id not in known]
        numbers = event_log.append(connection, [_new_event(draft, keys) for draft in fresh])
        written = Written(imported=sum(len(draft.rows) for draft in prepared.ready if draft.unmatched))
        repeated = []
        for draft in drafts:
            number = numbers.pop(draft.event.event_id, None)
            if number is None:
                repeated.append(draft)
            else:
                self._appended[number] = draft
                written.imported += len(draft.rows)
        written.rejects = _conflicts(connection, prepared.batch, repeated)
        written.duplicates = sum(len(draft.rows) for draft in repeated) - len(written.rejects)
        return written

    def forget(self) -> None:
        """Look up anew which customers and products exist."""
        self._customers.forget()
        self._products.forget()

    def settle(self) -> None:
        """Project what is in the log and was not projected yet."""
        self._consumer.apply()
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

    def _customer_keys(self, connection: Connection, drafts: Sequence[Draft]) -> dict[str, int]:
        """Return the keys of customers by id and of visitors by `visitor:` and id; adds the unknown ones."""
        named = {draft.event.customer_id for draft in drafts} - {""}
        keys = self._customers.of(connection, named)
        if len(keys) < len(named):
            customers.upsert(connection, _unknown(drafts, keys))
            keys = customers.resolve_customers(connection, named)
        anonymous = {draft.event.visitor_id for draft in drafts if not draft.event.customer_id}
        found = customers.resolve_visitors(connection, sorted(anonymous))
        return keys | {f"visitor:{each}": key for each, key in found.items()}


def _unknown(drafts: Sequence[Draft], known: Container[str]) -> list[NewCustomer]:
    """Return the customers that nobody registered, as of their first event."""
    seen: dict[str, datetime] = {}
    for draft in drafts:
        customer_id, at = draft.event.customer_id, _at(draft.event)
        if customer_id and customer_id not in known:
            seen[customer_id] = min(at, seen.get(customer_id, at))
    return [NewCustomer(each, registered_at=at) for each, at in seen.items()]


def _new_event(draft: Draft, keys: Mapping[str, int]) -> NewEvent:
    event = draft.event
    kind = event.WhichOneof("detail")
    assert kind is not None  # noqa: S101 - for the type checker: checked on conversion
    key = keys[event.customer_id or f"visitor:{event.visitor_id}"]
    order_id = event.purchase.purchase_id if kind == "purchase" else None
    return NewEvent(event.event_id, key, kind, _at(event), event.SerializeToString(), order_id)


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


def _at(event: Event) -> datetime:
    return from_micros(event.event_time.seconds * 1_000_000 + event.event_time.nanos // 1_000)
