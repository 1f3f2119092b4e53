"""Files of events: the interchange columns that evaluation needs, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.evaluation.cells import Place, coded, micros, numbers, present, quantities, texts
from services.recommendation.evaluation.tables import Column, read_columns
from shared import event_types
from shared.errors import InvalidArgument
from shared.event_types import EventTypes

COLUMNS: dict[str, tuple[str, ...]] = {
    "customer_id": ("customer_id",),
    "visitor_id": ("visitor_id",),
    "product_id": ("product_id",),
    "event_type": ("event_type",),
    "timestamp": ("timestamp", "event_time"),
    "order": ("order",),
    "quantity": ("quantity",),
    "session_id": ("session_id",),
    "order_id": ("order_id", "basket_id"),
}
"""Our columns with the names they may have in a file, the preferred one first."""

_OURS = {name: ours for ours, names in COLUMNS.items() for name in names}
KINDS = {event_types.PRODUCT_VIEW: Kind.VIEW, event_types.ADD: Kind.CART, event_types.PURCHASE: Kind.PURCHASE}
OTHER = -1
"""Kind of events that say nothing of taste: searches, refunds, pages without a product."""


class MissingColumn(InvalidArgument):
    """A file has no column for something that it must say."""

    reason = "MISSING_COLUMN"


@dataclass(frozen=True)
class Dialect:
    """How files say things, where it is not as interchange files do.

    Parameters
    ----------
    columns : mapping of str to str
        Names of the files' columns with ours, such as `StockCode` with `product_id`.
    event_types : mapping of str to str
        As `EventTypes` takes them: own words, and under "" the type of events without one.
    returns : bool
        Whether purchases of a negative quantity are goods that came back, and left out.

    Raises
    ------
    InvalidArgument
        If a column or an event type is not one of ours.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    event_types: Mapping[str, str] = field(default_factory=dict)
    returns: bool = False

    def __post_init__(self) -> None:
        self.types()
        for theirs, ours in self.columns.items():
            if ours not in _OURS:
                raise InvalidArgument.of("map", f"{theirs}={ours}", f"must name one of {', '.join(COLUMNS)}")

    def types(self) -> EventTypes:
        """Return what finds the type that a word means; of events without one, a purchase where nobody says else."""
        return EventTypes({"": event_types.PURCHASE} | dict(self.event_types))

    def names(self) -> dict[str, tuple[str, ...]]:
        """Return our columns with the names they may have, the preferred one first."""
        own = {_OURS[ours]: (theirs,) for theirs, ours in self.columns.items()}
        return {name: own.get(name, ()) + others for name, others in COLUMNS.items()}


@dataclass(frozen=True, eq=False)
class Events:
    """Events of a file that say something of taste: views, carts and purchases, in the order of the file.

    Attributes
    ----------
    customers, products : StringArray of length n
        Ids. A visitor stands for a customer without one, else a session does.
    kinds : ndarray of shape (n,), int8
        `Kind` of each.
    quantities : ndarray of shape (n,), float32
        Units; 1 where the file does not say.
    times : ndarray of shape (n,), int64, or None
        Microseconds since 1970; None where the file has no times.
    order : ndarray of shape (n,), float64, or None
        What orders events without times, and events of the same time; None where the file does not say.
    sessions, orders : StringArray of length n, or None
        Ids of session and order, null where unknown; None where the file has no such column.
    left_out : int
        Rows of other types of events, and goods that came back.
    """

    customers: Column
    products: Column
    kinds: NDArray[np.int8]
    quantities: FloatArray
    times: Longs | None
    order: NDArray[np.float64] | None
    sessions: Column | None
    orders: Column | None
    left_out: int

    def __len__(self) -> int:
        return len(self.kinds)


def read_events(path: Path, dialect: Dialect | None = None) -> Events:
    """Read the interchange columns of a file of events.

    Needed are product_id and one of customer_id, visitor_id and session_id. event_type is purchase where it is empty
    or missing. Times come from timestamp (or event_time); without it, order, or else the order of the rows, is what
    comes first. price and other columns say nothing here and are not read.

    Raises
    ------
    UnreadableFile, UnreadableRow
        If the file or a row breaks the rules of its format.
    MissingColumn
        If a column is missing.
    InvalidArgument
        If a value cannot be used; the message names file, row, column and value.
    """
    dialect = dialect or Dialect()
    columns, rows = read_columns(path, dialect.names())
    _require_columns(path, columns)
    kinds = _kinds(columns.get("event_type"), rows, path, dialect.types())
    if dialect.returns and "quantity" in columns:
        quantity = numbers(columns["quantity"], Place(path, "quantity", np.arange(rows)))
        kinds[(kinds == Kind.PURCHASE) & (quantity < 0)] = OTHER
    kept = kinds != OTHER
    columns = {name: column.filter(pa.array(kept)) for name, column in columns.items()} if not kept.all() else columns
    # Rows keep the numbers they have in the file, for messages.
    return _Reader(path, columns, np.flatnonzero(kept)).events(kinds[kept], left_out=int((~kept).sum()))


class _Reader:
    """Reads the columns of the rows that are kept."""

    def __init__(self, path: Path, columns: dict[str, Column], rows: Longs) -> None:
        self._path = path
        self._columns = columns
        self._rows = rows

    def events(self, kinds: NDArray[np.int8], left_out: int) -> Events:
        sessions = self._texts("session_id")
        times = self._filled("timestamp")
        order = self._filled("order")
        return Events(
            customers=self._customers(sessions),
            products=self._required("product_id"),
            kinds=kinds,
            quantities=self._quantities(len(kinds)),
            times=None if times is None else micros(times, self._place("timestamp")),
            order=None if order is None else self._order(order),
            sessions=sessions,
            orders=self._texts("order_id"),
            left_out=left_out,
        )

    def _place(self, name: str) -> Place:
        return Place(self._path, name, self._rows)

    def _filled(self, name: str) -> Column | None:
        """Return a column unless it is missing or has no value at all."""
        column = self._columns.get(name)
        return None if column is None or column.null_count == len(column) else column

    def _texts(self, name: str) -> Column | None:
        column = self._filled(name)
        return None if column is None else texts(column, self._place(name))

    def _required(self, name: str) -> Column:
        column = texts(self._columns[name], self._place(name))
        self._place(name).require(present(column), column, "is required")
        return column

    def _customers(self, sessions: Column | None) -> Column:
        """Return the customers; visitors and sessions that stand for one cannot have the name of a customer."""
        visitors = self._texts("visitor_id")
        candidates = [
            self._texts("customer_id"),
            None if visitors is None else pc.binary_join_element_wise("visitor", visitors, ":"),
            None if sessions is None else pc.binary_join_element_wise("session", sessions, ":"),
        ]
        there = [each for each in candidates if each is not None]
        found = pc.coalesce(*there) if there else pa.nulls(len(self._rows), pa.string())
        self._place("customer_id").require(present(found), found, "is required")
        return found

    def _quantities(self, n: int) -> FloatArray:
        column = self._filled("quantity")
        return np.ones(n, np.float32) if column is None else quantities(column, self._place("quantity"))

    def _order(self, column: Column) -> NDArray[np.float64]:
        place = self._place("order")
        found = numbers(column, place)
        place.require(~np.isnan(found), column, "is required")
        return found


def _require_columns(path: Path, columns: dict[str, Column]) -> None:
    if "product_id" not in columns:
        raise MissingColumn(f"{path} has no column 'product_id'")
    if not columns.keys() & {"customer_id", "visitor_id", "session_id"}:
        raise MissingColumn(f"{path} has no column 'customer_id', and no 'session_id' that could stand for it")


def _kinds(column: Column | None, rows: int, path: Path, types: EventTypes) -> NDArray[np.int8]:
    place = Place(path, "event_type", np.arange(rows))
    words = pa.chunked_array([pa.nulls(rows, pa.string())]) if column is None else texts(column, place)
    distinct, codes = coded(pc.fill_null(words, ""))
    kinds = [_kind(types, word, place, codes == number) for number, word in enumerate(distinct.to_pylist())]
    found: NDArray[np.int8] = np.array(kinds, np.int8)[codes]
    return found


def _kind(types: EventTypes, word: str, place: Place, rows: Mask) -> int:
    try:
        return KINDS.get(types.of(word), OTHER)
    except InvalidArgument as error:
        place.fault(int(np.argmax(rows)), word, error.violations[0].description.rpartition(", got")[0])
