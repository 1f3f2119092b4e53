"""What customers did with products, as arrays: one customer at request time, or everybody for training.

A purchase line that was given back in full is no interaction; putting into the cart is one, even if taken out again.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Column,
    CompoundSelect,
    Connection,
    Row,
    Select,
    bindparam,
    literal,
    select,
    type_coerce,
    union_all,
)

from shared.db.batches import distinct_batches
from shared.db.carts import is_open
from shared.db.driver import DriverCursor, PreparedLookup, PreparedQuery
from shared.db.interaction_columns import Source, read_in_order
from shared.db.schema import browsing_history, cart_items, purchase_items, purchases, sessions
from shared.interaction_kind import Kind as Kind

Longs: TypeAlias = NDArray[np.int64]
Keys: TypeAlias = NDArray[np.signedinteger[Any]]

MICROSECONDS = 1_000_000
ROWS_AT_ONCE = 50_000
TIMES = 5
GIVEN_BACK = 1e-9
INTERACTION_TYPES = (np.int64, np.int64, np.int8, np.float32, np.int64, np.int64, np.int64, np.int64, np.float32)
"""Types of the arrays of `InteractionRows`."""


@dataclass(frozen=True, eq=False)
class InteractionRows:
    """Interactions with products, as parallel arrays.

    What is int64 here may be int32 where all values fit.

    Attributes
    ----------
    customers : ndarray of shape (n,), int64
        Keys of customers.
    products : ndarray of shape (n,), int64
        Keys of products.
    kinds : ndarray of shape (n,), int8
        `Kind` of each.
    quantities : ndarray of shape (n,), float32
        Units put into the cart, or bought less given back; 1 for a view.
    amounts : ndarray of shape (n,), int64
        Minor units paid for a purchase line, refunds taken off; 0 otherwise.
    times : ndarray of shape (n,), int64
        Unix seconds.
    sessions : ndarray of shape (n,), int64
        Keys of sessions.
    purchases : ndarray of shape (n,), int64
        Keys of purchases; 0 for views and carts.
    durations : ndarray of shape (n,), float32
        Seconds that a view lasted; 0 otherwise.
    """

    customers: Keys
    products: Keys
    kinds: NDArray[np.int8]
    quantities: NDArray[np.float32]
    amounts: Keys
    times: Longs
    sessions: Keys
    purchases: Keys
    durations: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.products)

    def without(self, customer_keys: Collection[int]) -> "InteractionRows":
        """Return the interactions of all other customers."""
        if not len(customer_keys):
            return self
        return self.where(~np.isin(self.customers, np.fromiter(customer_keys, np.int64, len(customer_keys))))

    def where(self, which: slice | NDArray[np.bool_]) -> "InteractionRows":
        """Return some of the interactions: those of a slice, without a copy, or of a mask of shape (n,)."""
        return InteractionRows(*(getattr(self, field.name)[which] for field in fields(self)))

    @property
    def baskets(self) -> Keys:
        """Numbers that lines of one purchase share, and otherwise what happened in one session; shape (n,)."""
        return np.where(self.purchases > 0, self.purchases, -self.sessions)


@dataclass(frozen=True, eq=False)
class History:
    """What one customer did lately, and where they are.

    Attributes
    ----------
    interactions : InteractionRows
        Oldest first.
    cart : ndarray of shape (n_cart,), int64
        Keys of the products in the cart now, in the order they were first put in.
    cart_units : ndarray of shape (n_cart,), float64
        Units of each of them.
    latest_session : int
        Key of the session with the latest event of any kind; 0 without any.
    """

    interactions: InteractionRows
    cart: Longs
    cart_units: NDArray[np.float64]
    latest_session: int

    def met_in(self, session_key: int) -> Longs:
        """Return the keys of the products met in a session, oldest first; may repeat."""
        met: Longs = self.interactions.products[self.interactions.sessions == session_key]
        return met

    @property
    def session(self) -> Longs:
        """Keys of the products met in the latest session, oldest first; empty when it met none."""
        return self.met_in(self.latest_session)

    @property
    def last_purchase(self) -> Longs:
        """Keys of the products of the latest purchase; empty without one."""
        bought = self.interactions.purchases
        latest = bought[bought > 0][-1:]
        return self.interactions.products[np.isin(bought, latest)]


def recent_history(connection: Connection, customer_key: int, limit: int = 500, since: int | None = None) -> History:
    """Return the customer's latest `limit` interactions, open cart and latest session; all empty for an unknown key.

    Of the interactions only those from `since` (Unix seconds) on, if given. Made for the request path: three indexed
    queries through the driver, under 2 ms for 500 interactions.
    """
    cursor = DriverCursor.of(connection)
    if since is None:
        columns = _columns(cursor.fetch(_LATEST, customer=customer_key, most=limit))
    else:
        rows = cursor.fetch(_LATEST_SINCE, customer=customer_key, most=limit, since=since * MICROSECONDS)
        columns = _columns(rows)
    cart: dict[int, float] = {}
    for product, left in cursor.fetch(_CART, customer=customer_key):
        cart[product] = cart.get(product, 0.0) + left
    session = cursor.first(_LATEST_SESSION, customer=customer_key)
    order = np.lexsort((columns[-1], columns[2], columns[TIMES]))[-limit:]
    return History(
        _interactions(columns, order),
        np.fromiter(cart, np.int64, len(cart)),
        np.fromiter(cart.values(), np.float64, len(cart)),
        session[0] if session else 0,
    )


def all_interactions(connection: Connection) -> InteractionRows:
    """Return every interaction of everybody, by customer and then oldest first.

    Keys and amounts are int32 where all of them fit. Some 40 bytes an interaction are in memory, 50 while they are put
    in order.
    """
    return _rows_of(connection, _EVERYTHING)


def training_interactions(connection: Connection) -> InteractionRows:
    """Return what `all_interactions` does, but without amounts and durations: these are 0."""
    return _rows_of(connection, _FOR_TRAINING)


def interaction_batches(connection: Connection) -> Iterator[InteractionRows]:
    """Yield every interaction of everybody, 50,000 at most at a time, in no order."""
    for query, _ in _KINDS:
        for columns in _pieces(connection, query):
            yield _interactions(columns, np.arange(len(columns[0])))


def in_order(columns: Sequence[NDArray[Any]]) -> InteractionRows:
    """Return columns of `INTERACTION_TYPES`, with times in seconds, by customer and then oldest first."""
    from shared.grouped_order import history_order  # compiled: agents that train nothing start without the compiler

    order = history_order(columns[0], columns[TIMES], columns[2])
    return InteractionRows(*(column[order] for column in columns))


def interactions_of(connection: Connection, customer_keys: Collection[int]) -> InteractionRows:
    """Return every interaction of some customers, by customer and then oldest first."""
    return _in_order(
        [
            _columns(rows)
            for some in distinct_batches(customer_keys)
            for lookup in _OF_CUSTOMERS
            for rows in lookup.pieces(connection, some)
        ]
    )


def _views() -> Select[Any]:
    row = browsing_history.c
    nothing = literal(0)
    return select(
        row.customer_id, row.product_id, literal(int(Kind.VIEW)), literal(1.0), nothing, _raw(row.view_time),
        row.session_id, nothing, row.duration_seconds, row.id,
    )  # fmt: skip


def _carts() -> Select[Any]:
    row = cart_items.c
    nothing = literal(0)
    return select(
        row.customer_id, row.product_id, literal(int(Kind.CART)), row.quantity, nothing, _raw(row.added_timestamp),
        row.session_id, nothing, literal(0.0), row.id,
    )  # fmt: skip


def _lines() -> Select[Any]:
    order, line = purchases.c, purchase_items.c
    return (
        select(
            order.customer_id, line.product_id, literal(int(Kind.PURCHASE)), line.quantity - line.refunded_quantity,
            line.amount - line.refunded_amount, _raw(order.timestamp), order.session_id, order.purchase_id,
            literal(0.0), line.id,
        )
        .join(purchase_items, line.purchase_id == order.purchase_id)
        .where(line.refunded_quantity < line.quantity - GIVEN_BACK)
    )  # fmt: skip


def _raw(column: Column[Any]) -> Any:
    """Read a moment as it is stored, in microseconds: a million of them become no datetimes."""
    return type_coerce(column, BigInteger).label("at")


_KINDS = (
    (_views(), browsing_history.c.customer_id),
    (_carts(), cart_items.c.customer_id),
    (_lines(), purchases.c.customer_id),
)
_TIMES = (browsing_history.c.view_time, cart_items.c.added_timestamp, purchases.c.timestamp)
_ROWS = (browsing_history.c.id, cart_items.c.id, purchase_items.c.id)


def _latest(*, since: bool = False) -> CompoundSelect[Any]:
    customer, most = bindparam("customer", type_=BigInteger), bindparam("most", type_=BigInteger)
    kinds = (
        query.where(owner == customer, *([_raw(time) >= bindparam("since", type_=BigInteger)] if since else []))
        .order_by(time.desc(), row.desc())
        .limit(most)
        for (query, owner), time, row in zip(_KINDS, _TIMES, _ROWS, strict=True)
    )
    return union_all(*(select(kind.subquery()) for kind in kinds))


_OF_CUSTOMERS = tuple(PreparedLookup(query, owner) for query, owner in _KINDS)
_LATEST = PreparedQuery(_latest())
_LATEST_SINCE = PreparedQuery(_latest(since=True))
_CART = PreparedQuery(
    select(
        cart_items.c.product_id,
        cart_items.c.quantity - cart_items.c.removed_quantity - cart_items.c.purchased_quantity,
    )
    .where(cart_items.c.customer_id == bindparam("customer", type_=BigInteger), is_open())
    .order_by(cart_items.c.id)
)
_LATEST_SESSION = PreparedQuery(
    select(sessions.c.session_id)
    .where(sessions.c.customer_id == bindparam("customer", type_=BigInteger))
    .order_by(sessions.c.last_event_at.desc(), sessions.c.session_id.desc())
    .limit(1)
)

_EVERYTHING = tuple(Source.of(query) for query, _ in _KINDS)
_FOR_TRAINING = tuple(Source.of(query, ("amounts", "durations")) for query, _ in _KINDS)

_TYPES = (*INTERACTION_TYPES, np.int64)


def _rows_of(connection: Connection, sources: Sequence[Source]) -> InteractionRows:
    columns = read_in_order(connection, sources)
    columns[TIMES] //= MICROSECONDS
    return InteractionRows(*columns)


def _pieces(connection: Connection, query: Select[Any]) -> Iterator[list[NDArray[Any]]]:
    result = connection.execution_options(yield_per=ROWS_AT_ONCE).execute(query)
    return (_columns(rows) for rows in result.partitions())


def _columns(rows: Sequence[Row[Any]] | Sequence[tuple[Any, ...]]) -> list[NDArray[Any]]:
    columns = zip(*rows, strict=True) if rows else ((),) * len(_TYPES)
    return [np.fromiter(column, dtype, len(rows)) for column, dtype in zip(columns, _TYPES, strict=True)]


def _in_order(pieces: Sequence[list[NDArray[Any]]]) -> InteractionRows:
    columns = [np.concatenate(column) for column in zip(_columns([]), *pieces, strict=True)]
    return _interactions(columns, np.lexsort((columns[-1], columns[2], columns[TIMES], columns[0])))


def _interactions(columns: Sequence[NDArray[Any]], order: NDArray[np.int64]) -> InteractionRows:
    columns = [each[order] for each in columns[:-1]]
    columns[TIMES] //= MICROSECONDS
    return InteractionRows(*columns)
