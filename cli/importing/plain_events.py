"""Views and changes of carts that say nothing unusual, converted column by column instead of row by row."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from quintet.type.v1.event_pb2 import AddToCart, Event, ProductQuantity, ProductView, RemoveFromCart

from cli.importing.coded_column import CodedColumn, coded
from cli.importing.convert import MICROS_A_SECOND, set_time, value_of
from cli.importing.drafts import Draft
from cli.importing.event_ids import content_id
from cli.importing.event_rows import EventBuilder, EventRow
from cli.importing.plain_money import ANY_PRODUCT, PlainMoney
from cli.importing.plain_values import REMEMBERED, Mask, plain, plain_id, run_ends, there
from cli.importing.ready_event import ReadyEvent
from cli.importing.wire import nested_heads
from shared import event_types, values
from shared.event_types import EventTypes
from shared.events.check import check_event, check_time
from shared.limits import MAX_ID

ANYBODY = "-"
PATHS = {
    event_types.PRODUCT_VIEW: (Event.PRODUCT_VIEW_FIELD_NUMBER,),
    event_types.ADD: (Event.ADD_TO_CART_FIELD_NUMBER, AddToCart.ITEMS_FIELD_NUMBER),
    event_types.REMOVE: (Event.REMOVE_FROM_CART_FIELD_NUMBER, RemoveFromCart.ITEMS_FIELD_NUMBER),
}
"""The kinds that are taken by column, and the fields of Event that lead to their product."""
LONGEST_ID = MAX_ID * 4
"""Bytes of an id in UTF-8 at most."""


@dataclass(frozen=True, eq=False)
class EventColumns:
    """Events of a batch, each of one row and one product.

    Attributes
    ----------
    rows : ndarray of shape (n,), int64
        Places of their rows in the batch, ascending.
    ids : list of str, length n
        Their ids.
    kinds, customers, visitors, products : CodedColumn of length n
        Kinds, and ids of customers, visitors and products; "" for none.
    micros : CodedColumn of length n
        Their times in microseconds since 1970.
    payloads : list of bytes, length n
        The serialised events.
    """

    rows: NDArray[np.int64]
    ids: list[str]
    kinds: CodedColumn
    customers: CodedColumn
    visitors: CodedColumn
    products: CodedColumn
    micros: CodedColumn
    payloads: list[bytes]

    def taken(self, wanted: Mask) -> "EventColumns":
        """Return the events at whose place `wanted` is true."""
        return EventColumns(
            self.rows[wanted],
            list(compress(self.ids, wanted.tolist())),
            self.kinds.taken(wanted),
            self.customers.taken(wanted),
            self.visitors.taken(wanted),
            self.products.taken(wanted),
            self.micros.taken(wanted),
            list(compress(self.payloads, wanted.tolist())),
        )

    def ready(self) -> list[ReadyEvent]:
        """Return the events one by one."""
        columns = (self.kinds, self.customers, self.visitors, self.micros)
        return list(map(ReadyEvent, self.rows.tolist(), self.ids, *columns, self.payloads))

    def drafts(self) -> list[Draft]:
        """Return the events as they would have come from their rows one by one."""
        return [
            Draft(Event.FromString(payload), [row])
            for row, payload in zip(self.rows.tolist(), self.payloads, strict=True)
        ]


class PlainRows(NamedTuple):
    """The events of a batch that were taken by column.

    `ends` has for each row of the batch the first one from it on that was not taken.
    """

    columns: EventColumns
    ends: list[int]


class _Time(NamedTuple):
    """A moment in microseconds; and as part of a serialised Event, as the file says it and as it is stored."""

    micros: int
    said: bytes
    stored: bytes


class _Pieces(NamedTuple):
    """What rows say, by column: converted values, None for what is not plain."""

    kinds: CodedColumn
    event_ids: CodedColumn
    customers: CodedColumn
    visitors: CodedColumn
    sessions: CodedColumn
    times: CodedColumn
    products: CodedColumn
    details: CodedColumn

    def taken(self, wanted: Mask) -> "_Pieces":
        return _Pieces(*(column.taken(wanted) for column in self))


class PlainEvents:
    """Converts views and changes of carts by column.

    What is not plain is left to `EventConverter`, as with `PlainLines`. So a plain event is, byte by byte, what its row
    would have become there, and no reason to reject a row is given here.
    """

    def __init__(self, builder: EventBuilder, money: PlainMoney, types: EventTypes, shift_seconds: int) -> None:
        self._builder = builder
        self._money = money
        self._types = types
        self._shift_seconds = shift_seconds
        product = partial(plain_id, "product_id", ProductView.PRODUCT_ID_FIELD_NUMBER)
        self._product_of = lru_cache(REMEMBERED, typed=True)(product)
        self._duration_of = lru_cache(REMEMBERED, typed=True)(partial(plain, self._duration))

    def of(self, columns: Mapping[str, Sequence[Any]], size: int) -> PlainRows | None:
        """Return the events among `size` rows, from values by our column names; None when none is taken by column."""
        if "attributes" in columns or not size:
            return None
        try:
            pieces = self._pieces(columns, size)
            taken = _taken(pieces) & _only_product(columns, size)
        except TypeError:  # lists and objects cannot be looked up among what is remembered
            return None
        if not taken.any():
            return None
        return PlainRows(_assembled(pieces.taken(taken), np.flatnonzero(taken)), run_ends(taken))

    def _pieces(self, columns: Mapping[str, Sequence[Any]], size: int) -> _Pieces:
        column = partial(_converted, columns, size)
        kinds = column("event_type", partial(plain, self._kind))
        return _Pieces(
            kinds,
            column("event_id", partial(plain_id, "event_id", Event.EVENT_ID_FIELD_NUMBER)),
            column("customer_id", partial(plain_id, "customer_id", Event.CUSTOMER_ID_FIELD_NUMBER)),
            column("visitor_id", partial(plain_id, "visitor_id", Event.VISITOR_ID_FIELD_NUMBER)),
            column("session_id", partial(plain_id, "session_id", Event.SESSION_ID_FIELD_NUMBER)),
            column("timestamp", partial(plain, self._time)),
            column("product_id", self._product_of),
            _either(
                np.array([kind == event_types.PRODUCT_VIEW for kind in kinds.values])[kinds.codes],
                column("duration_seconds", self._duration_of),
                _quantities(self._money.of(columns, size)),
            ),
        )

    def _kind(self, event_type: Any) -> str | None:
        kind = self._types.of(value_of("event_type", values.text, event_type))
        return kind if kind in PATHS else None

    def _time(self, timestamp: Any) -> _Time:
        event = Event()
        set_time(event.event_time, self._builder.micros(timestamp))
        said = event.SerializeToString()
        event.event_time.seconds += self._shift_seconds
        check_time(event.event_time, "timestamp")
        at = event.event_time
        return _Time(at.seconds * MICROS_A_SECOND + at.nanos // 1_000, said, event.SerializeToString())

    def _duration(self, seconds: Any) -> bytes:
        row = EventRow(customer_id=ANYBODY, product_id=ANY_PRODUCT, timestamp=0, duration_seconds=seconds)
        event, _ = self._builder.build(event_types.PRODUCT_VIEW, row)
        check_event(event)
        return ProductView(duration_seconds=event.product_view.duration_seconds).SerializeToString()


def _converted(
    columns: Mapping[str, Sequence[Any]], size: int, name: str, convert: Callable[[Any], Any]
) -> CodedColumn:
    column = coded(columns[name]) if name in columns else CodedColumn([None], np.zeros(size, np.int64))
    return CodedColumn(list(map(convert, column.values)), column.codes)


def _quantities(moneys: CodedColumn) -> CodedColumn:
    """Return the units that are put into a cart or out of it, as part of a serialised ProductQuantity."""
    found = [each and ProductQuantity(quantity=each.quantity).SerializeToString() for each in moneys.values]
    return CodedColumn(found, moneys.codes)


def _either(first: Mask, yes: CodedColumn, no: CodedColumn) -> CodedColumn:
    """Return the values of `yes` in rows where `first` holds, and those of `no` in the others."""
    return CodedColumn([*yes.values, *no.values], np.where(first, yes.codes, no.codes + len(yes.values)))


def _taken(pieces: _Pieces) -> Mask:
    """Return the rows all of whose values are plain, with somebody and a product."""
    taken: Mask = np.logical_and.reduce([there(column.values)[column.codes] for column in pieces])
    return taken & (_named(pieces.customers) | _named(pieces.visitors)) & _named(pieces.products)


def _named(ids: CodedColumn) -> Mask:
    return np.array([each is not None and each.id != "" for each in ids.values])[ids.codes]


def _only_product(columns: Mapping[str, Sequence[Any]], size: int) -> Mask:
    """Return the rows that are in no order and have neither attributes nor items."""
    orders = _converted(columns, size, "order_id", partial(plain, partial(value_of, "order_id", values.text)))
    found: Mask = np.array([order == "" for order in orders.values])[orders.codes]
    for name, column in columns.items():
        if name == "items" or name.startswith("attributes."):
            found &= ~there(column)
    return found


def _assembled(pieces: _Pieces, rows: NDArray[np.int64]) -> EventColumns:
    serialised = list(_serialised(pieces))
    return EventColumns(
        rows,
        [event_id for event_id, _ in serialised],
        pieces.kinds,
        _ids(pieces.customers),
        _ids(pieces.visitors),
        _ids(pieces.products),
        CodedColumn([each and each.micros for each in pieces.times.values], pieces.times.codes),
        [payload for _, payload in serialised],
    )


def _serialised(pieces: _Pieces) -> Iterable[tuple[str, bytes]]:
    """Yield the id of each event and the event.

    A message is its fields one after the other, by number. Each distinct value is serialised once; this spares making
    a message of every row, most of the time of a conversion.
    """
    longest = max(len(each.wire) for each in pieces.products.values if each)
    longest += max(len(each) for each in pieces.details.values if each is not None)
    heads = {kind: nested_heads(path, longest) for kind, path in PATHS.items()}
    id_heads = nested_heads((Event.EVENT_ID_FIELD_NUMBER,), LONGEST_ID)
    for kind, given, customer, visitor, session, time, product, detail in zip(*pieces, strict=True):
        who = customer.wire + visitor.wire + session.wire
        what = heads[kind][len(product.wire) + len(detail)] + product.wire + detail
        if given.id:
            yield given.id, given.wire + who + time.stored + what
            continue
        event_id = content_id(who + time.said + what)
        named = event_id.encode()
        yield event_id, id_heads[len(named)] + named + who + time.stored + what


def _ids(column: CodedColumn) -> CodedColumn:
    return CodedColumn([each and each.id for each in column.values], column.codes)
