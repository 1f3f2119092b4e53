"""Files of events: the interchange columns that evaluation needs, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import FloatArray, Longs, Mask
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.evaluation.io.column_parsing import (
    Place,
    coded,
    micros,
    numbers,
    present,
    quantities,
    texts,
)
from services.recommendation.evaluation.io.tables import Column, read_columns
from shared import event_types
from shared.column_mapping import ColumnMapping
from shared.errors import InvalidArgument
from shared.event_types import EventTypes, parse_event_types

COLUMNS: dict[str, tuple[str, ...]] = {
    "customer_id": ("customer_id",),
    "visitor_id": ("visitor_id",),
    "product_id": ("product_id",),
    "event_type": ("event_type",),
    "timestamp": ("timestamp", "event_time"),
    "order": ("order",),
    "quantity": ("quantity",),
    "session_id": ("session_id",),
    "order_id": ("order_id", "purchase_id", "basket_id"),
}
"""Our columns with the names they may have in a file, the preferred one first."""

OWN = ("order",)
"""Those of our columns that the import does not know."""
KINDS = {event_types.PRODUCT_VIEW: Kind.VIEW, event_types.ADD: Kind.CART, event_types.PURCHASE: Kind.PURCHASE}
GOODS_BACK = "must be from 0; --negative-quantity refund leaves out goods that came back"
NOBODY = "is required; --guests visitor makes one visitor of each order of nobody"
OTHER = -1
"""Kind of events that say nothing of preferences: searches, refunds, pages without a product."""


class MissingColumn(InvalidArgument):
    """A file has no column for something that it must say."""


@dataclass(frozen=True)
class ColumnNames:
    """How files say things, where it is not as interchange files do: the options of an import.

    Parameters
    ----------
    columns : tuple of str
        As `ColumnMapping` takes them. Columns of the import that say nothing here, such as price, are not read.
    event_types : tuple of str
        As `parse_event_types` takes them.
    returns : bool
        Whether purchases of a negative quantity are goods that came back, and left out.
    guests : bool
        Whether an order of nobody is one of a visitor of its own.

    Raises
    ------
    InvalidArgument
        If an option makes no sense.
    """

    columns: tuple[str, ...] = ()
    event_types: tuple[str, ...] = ()
    returns: bool = False
    guests: bool = False

    def __post_init__(self) -> None:
        self.types()
        self.mapped()

    def types(self) -> EventTypes:
        """Return what finds the type that a word means; of events without one, a purchase where nobody says else."""
        return EventTypes({"": event_types.PURCHASE} | parse_event_types(self.event_types))

    def mapped(self) -> Mapping[str, str]:
        """Return our columns that have another name, also those that are not read, with that name."""
        return ColumnMapping("events", self.columns, also=OWN).signature()

    def names(self) -> dict[str, tuple[str, ...]]:
        """Return the columns to read with the names they may have, the preferred one first."""
        mapped = self.mapped()
        taken = set(mapped.values())
        usual = {ours: tuple(name for name in names if name not in taken) for ours, names in COLUMNS.items()}
        return {ours: (mapped[ours],) if ours in mapped else names for ours, names in usual.items()}


@dataclass(frozen=True, eq=False)
class Events:
    """Events of a file that say something of preferences: views, carts and purchases, in the order of the file.

    Attributes
    ----------
    customers, products : StringArray of length n
        Ids. A visitor stands for a customer without one, else (where guests are wanted) the order, else a session.
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


def read_events(path: Path, dialect: ColumnNames | None = None) -> Events:
    """Read the interchange columns of a file of events.

    Needed are product_id and one of customer_id, visitor_id and session_id, or order_id where guests are wanted.
    event_type is purchase where it is empty or missing. Times come from timestamp (or event_time); without it, order,
    or else the order of the rows, is what comes first. price and other columns say nothing here and are not read.

    Raises
    ------
    UnreadableFile, UnreadableRow
        If the file or a row breaks the rules of its format.
    MissingColumn
        If a column is missing.
    InvalidArgument
        If a value cannot be used; the message names file, row, column and value.
    """
    dialect = dialect or ColumnNames()
    columns, rows = read_columns(path, dialect.names())
    _require_columns(path, columns, dialect)
    kinds = _kinds(columns.get("event_type"), rows, path, dialect.types())
    if dialect.returns and "quantity" in columns:
        kinds[_goods_back(columns["quantity"], kinds, path)] = OTHER
    kept = kinds != OTHER
    columns = {name: column.filter(pa.array(kept)) for name, column in columns.items()} if not kept.all() else columns
    # Rows keep the numbers they have in the file, for messages.
    reader = _Reader(path, columns, np.flatnonzero(kept), guests=dialect.guests)
    return reader.events(kinds[kept], left_out=int((~kept).sum()))


class _Reader:
    """Reads the columns of the rows that are kept."""

    def __init__(self, path: Path, columns: dict[str, Column], rows: Longs, *, guests: bool) -> None:
        self._path = path
        self._columns = columns
        self._rows = rows
        self._guests = guests

    def events(self, kinds: NDArray[np.int8], left_out: int) -> Events:
        sessions, orders = self._texts("session_id"), self._texts("order_id")
        times = self._filled("timestamp")
        order = self._filled("order")
        return Events(
            customers=self._customers(sessions, orders),
            products=self._required("product_id"),
            kinds=kinds,
            quantities=self._quantities(kinds),
            times=None if times is None else micros(times, self._place("timestamp")),
            order=None if order is None else self._order(order),
            sessions=sessions,
            orders=orders,
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

    def _customers(self, sessions: Column | None, orders: Column | None) -> Column:
        """Return the customers; what stands for one cannot have the name of a customer."""
        candidates = [
            self._texts("customer_id"),
            _standing("visitor", self._texts("visitor_id")),
            _standing("guest", orders if self._guests else None),
            _standing("session", sessions),
        ]
        there = [each for each in candidates if each is not None]
        found = pc.coalesce(*there) if there else pa.nulls(len(self._rows), pa.string())
        problem = "is required" if self._guests or orders is None else NOBODY
        self._place("customer_id").require(present(found), found, problem)
        return found

    def _quantities(self, kinds: NDArray[np.int8]) -> FloatArray:
        column = self._filled("quantity")
        if column is None:
            return np.ones(len(kinds), np.float32)
        place = self._place("quantity")
        found = numbers(column, place)
        place.require((kinds != Kind.PURCHASE) | ~(found < 0), column, GOODS_BACK)
        return quantities(found, column, place)

    def _order(self, column: Column) -> NDArray[np.float64]:
        place = self._place("order")
        found = numbers(column, place)
        place.require(~np.isnan(found), column, "is required")
        return found


def _standing(what: str, ids: Column | None) -> Column | None:
    """Return ids that stand for customers."""
    return None if ids is None else pc.binary_join_element_wise(what, ids, ":")


def _goods_back(column: Column, kinds: NDArray[np.int8], path: Path) -> Longs:
    """Return the rows that are purchases of fewer than 0 units."""
    bought = np.flatnonzero(kinds == Kind.PURCHASE)
    return bought[numbers(column.take(pa.array(bought)), Place(path, "quantity", bought)) < 0]


def _require_columns(path: Path, columns: Mapping[str, Column], dialect: ColumnNames) -> None:
    for ours, theirs in dialect.mapped().items():
        if ours in COLUMNS and ours not in columns:
            raise MissingColumn(f"--map {theirs}={ours}: {path} has no column {theirs!r}")
    if "product_id" not in columns:
        raise MissingColumn(f"{path} has no column 'product_id': name the one that holds it with --map")
    if not columns.keys() & {"customer_id", "visitor_id", "session_id", *(["order_id"] if dialect.guests else [])}:
        raise MissingColumn(f"{path} has no column 'customer_id', and no 'session_id' to stand for it: see --map")


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
        known = error.violations[0].description.rpartition(", got")[0]
        place.fault(int(np.argmax(rows)), word, f"{known}; --event-type THEIRS=OURS says which it is")
