"""From batches of rows to events: rows of one order become one purchase, every event gets an id and a time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quintet.type.v1.event_pb2 import Event

from cli.importing.batch import RowBatch
from cli.importing.convert import Options, Reject, rejected, set_time, value_of
from cli.importing.drafts import Draft
from cli.importing.event_ids import derived_id, short_id
from cli.importing.event_rows import EventBuilder, EventRow, add_line, rows_by_place
from cli.importing.orders import renamed, whole_orders
from cli.importing.plain_events import EventColumns, PlainEvents
from cli.importing.plain_lines import LineColumns, Lines, PlainLines
from cli.importing.plain_money import PlainMoney
from shared import event_types, values
from shared.column_mapping import ColumnMapping
from shared.errors import InvalidArgument
from shared.events.check import check_event

MOST_LINES = 1_000
"""Lines of a purchase, as the contract has it; longer orders become several purchases."""


@dataclass
class Converted:
    """The events and the rejected rows of a batch.

    `lines` are its rows as lines of orders, for the drafts that are `by_line`; None when nobody has looked at columns.
    `plain` are the events that were taken by column, for which there are no drafts; None for none.
    """

    drafts: list[Draft] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    lines: LineColumns | None = None
    plain: EventColumns | None = None


@dataclass
class _Order:
    """The order whose rows are being read: how many there were, and the purchases made of them.

    `first` is the row its latest purchase began with: a row that says the same but for the goods is one more line.
    """

    order_id: str = ""
    rows: int = 0
    purchases: list[Draft] = field(default_factory=list)
    first: EventRow | None = None

    def open(self) -> Draft | None:
        """Return the purchase that takes the next line, or None when one must be begun."""
        if not self.order_id or not self.purchases or len(self.purchases[-1].rows) >= MOST_LINES:
            return None
        return self.purchases[-1]

    def take_plain(self, lines: Lines, start: int) -> int:
        """Add the plain lines from the row `start` on that continue the order, and return the row behind them."""
        if start == len(lines.ends) or lines.ends[start] == start:
            return start
        purchase = self.open()
        if purchase is None or purchase.rows[-1] != start - 1:
            return start
        end = min(lines.ends[start], start + MOST_LINES - len(purchase.rows))
        purchase.event.purchase.MergeFromString(b"".join(lines.wire[start:end]))
        purchase.rows.extend(range(start, end))
        self.rows += end - start
        return end

    def left(self) -> "_Order":
        """Return the order of a row that is in none."""
        return _Order() if self.order_id else self

    def goes_on(self, row: EventRow) -> bool:
        """Return whether a row repeats the order's first row word for word in all but the goods: the common case."""
        first = self.first
        return (
            first is not None
            and row.order_id == first.order_id
            and row.customer_id == first.customer_id
            and row.event_type == first.event_type
            and row.items is None
        )


class EventConverter:
    """Turns batches of rows into events. All rows of an order must come in one batch, as from `batches`."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._types = event_types.EventTypes(options.event_types)
        self._builder = EventBuilder(options)
        money = PlainMoney(self._builder)
        self._lines = PlainLines(money)
        self._plain = PlainEvents(self._builder, money, self._types, options.shift_seconds)

    def batches(self, batches: Iterable[RowBatch], mapping: ColumnMapping) -> Iterator[RowBatch]:
        """Cut the rows where an order ends."""
        return whole_orders(batches, lambda batch: renamed(batch, mapping.resolve(batch.columns)).get("order_id", ()))

    def convert(self, batch: RowBatch, columns: Mapping[str, Sequence[Any]]) -> Converted:
        """Return the events of a batch and its rejected rows.

        Parameters
        ----------
        batch : RowBatch
            The rows.
        columns : mapping of str to sequence
            Their values under our column names.
        """
        size = len(batch)
        lines, plain = self._lines.of(columns, size), self._plain.of(columns, size)
        found = Converted(lines=lines and lines.columns, plain=plain and plain.columns)
        order = _Order()
        row_at = rows_by_place(columns)
        index = 0
        while index < size:
            if plain is not None and plain.ends[index] > index:
                order, index = order.left(), plain.ends[index]
                continue
            try:
                if index in batch.faults:
                    raise InvalidArgument(f"the row {batch.faults[index].reason}")
                row = row_at(index)
                order = self._order_of(row, order)
                draft = self._take(row, index, order)
                if draft is not None:
                    found.drafts.append(draft)
            except InvalidArgument as error:
                found.rejects.append(rejected(batch, index, error.message))
            except UnicodeError:
                found.rejects.append(rejected(batch, index, "the row is not UTF-8 text"))
            index += 1
            if lines is not None:
                index = order.take_plain(lines, index)
        return found

    def _order_of(self, row: EventRow, order: _Order) -> _Order:
        if order.goes_on(row):
            order.rows += 1
            return order
        order_id = value_of("order_id", values.text, row.order_id)
        if order_id != order.order_id:
            order = _Order(order_id)
        order.rows += 1
        return order

    def _take(self, row: EventRow, index: int, order: _Order) -> Draft | None:
        """Return the event that begins with a row; None when the row is another line of the order."""
        same = order.goes_on(row)
        if same and (purchase := order.open()) is not None and not self._builder.returned(row):
            add_line(purchase.event, self._builder.bought(row))
            purchase.rows.append(index)
            return None
        kind = self._types.of(value_of("event_type", values.text, row.event_type))
        if kind != event_types.PURCHASE:
            return Draft(self._completed(*self._builder.build(kind, row)), [index])
        if self._builder.returned(row):
            return self._refund(row, index, order)
        open_purchase = order.open() if row.items is None else None
        if open_purchase is None:
            return self._purchase(row, index, order)
        self._add_line(open_purchase, row, index)
        return None

    def _purchase(self, row: EventRow, index: int, order: _Order) -> Draft:
        event, micros = self._builder.build(event_types.PURCHASE, row)
        if order.purchases:
            event.purchase.purchase_id = f"{order.order_id}#{len(order.purchases) + 1}"
        draft = Draft(self._completed(event, micros), [index], by_line=row.items is None)
        if order.order_id and draft.by_line:
            order.purchases.append(draft)
            order.first = row
        return draft

    def _refund(self, row: EventRow, index: int, order: _Order) -> Draft:
        event, micros = self._builder.build(event_types.REFUND, row)
        event.refund.purchase_id = ""
        if not event.event_id and order.order_id:
            event.event_id = short_id(f"refund:{order.order_id}:{order.rows}")
        return Draft(self._completed(event, micros, check=False), [index], unmatched=True)

    def _add_line(self, draft: Draft, row: EventRow, index: int) -> None:
        customer_id = value_of("customer_id", values.text, row.customer_id)
        if customer_id != draft.event.customer_id:
            problem = f"the order's first row has the customer {draft.event.customer_id!r}"
            raise InvalidArgument.of("customer_id", customer_id, problem)
        add_line(draft.event, self._builder.bought(row))
        draft.rows.append(index)

    def _completed(self, event: Event, micros: int, *, check: bool = True) -> Event:
        """Give an event its time and id, and check it. Lines that join an order later are checked one by one."""
        set_time(event.event_time, micros)
        if not event.event_id:
            event.event_id = derived_id(event)
        if event.WhichOneof("detail") == event_types.PURCHASE and not event.purchase.purchase_id:
            event.purchase.purchase_id = event.event_id
        # Only now: ids must not depend on when a file is imported.
        event.event_time.seconds += self._options.shift_seconds
        if check:
            check_event(event)
        return event
