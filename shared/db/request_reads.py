"""What is read of a shopper for an answer: whether anything changed with every request, the rest when it did.

All queries run through the driver (`shared.db.driver`). `find_shopper` is one statement of seven look-ups by index:
.02 ms on SQLite. `read_shopper` takes 2.5 ms for a customer with 500 interactions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from quintet.type.v1.event_pb2 import Event
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    String,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
    union_all,
)

from shared.consent import ALL_PERMITTED, Consent, Permissions
from shared.db.carts import is_open
from shared.db.driver import DriverCursor, PreparedQuery
from shared.db.event_log import CUSTOMER_CONSUMER
from shared.db.event_rows import FEEDBACK, kind_of
from shared.db.identified_events import Recorded
from shared.db.interactions import MICROSECONDS, History, recent_history
from shared.db.placements import COUNTER
from shared.db.schema import (
    algorithm_weights,
    cart_items,
    counters,
    customers,
    event_cursors,
    event_log,
    event_partitions,
    forgotten_histories,
    page_events,
    product_offers,
    products,
    purchase_items,
    purchases,
    recommendations,
    sessions,
    visitors,
)
from shared.db.sessions import derived_key
from shared.db.types import from_micros

MOST_SESSIONS = 50
_NO_KEYS: NDArray[np.int64] = np.empty(0, np.int64)


class ShopperVersion(NamedTuple):
    """Who somebody is, and how far what is stored of them has come.

    `demographics` is JSON text, `last_event` the number of their latest event in the log (0 for none), `applied` the
    number up to which their events are projected, `dismissals` how many recommendations they dismissed, `refunded` the
    sum of what was paid back to them, in minor units of whatever currencies, `visitors` how many browsers are theirs,
    and `personalise` and `measure` what they said about consent, None for nothing.
    """

    key: int
    demographics: str
    last_event: int
    applied: int
    dismissals: int
    refunded: int
    visitors: int
    personalise: bool | None = None
    measure: bool | None = None

    @property
    def consent(self) -> Consent:
        """What the shopper said to the purposes of an answer. SQLite has numbers for them."""
        personalise, measure = (None if said is None else bool(said) for said in (self.personalise, self.measure))
        return Consent(personalise, measure)

    def still_holds(self, now: "ShopperVersion") -> bool:
        """Say whether what was read of the shopper at this version is true at the version `now`.

        Events that were read from the log, before they were projected, are read again once they are.
        """
        pending = self.applied < self.last_event
        same = self._replace(applied=0) == now._replace(applied=0)
        return same and not (pending and now.applied >= now.last_event)

    def only_grew_to(self, now: "ShopperVersion") -> bool:
        """Say whether nothing but further events, or the projection of some, makes up the difference to `now`."""
        return self._replace(last_event=0, applied=0) == now._replace(last_event=0, applied=0)


@dataclass(frozen=True, eq=False)
class StoredShopper:
    """All that is stored of a shopper that answers are made from.

    Parameters
    ----------
    history : History
        The latest interactions as far as they are projected.
    bought, dismissed : ndarray of shape (n,), int64
        Keys of all products ever bought, given back or not, and of those the shopper said no to; in no order.
    sessions : dict of str to int
        Keys of the latest sessions that the platform named, by name.
    session_ends : dict of int to datetime
        When the latest sessions that the platform did not name ended, by key.
    pending : list of Recorded
        Events of the log that are not projected yet, oldest number first; without purchases that are known already.
    since : int, optional
        Unix seconds. The interactions are those from then on; what was bought and dismissed is left out, for it is as
        before, but for purchases among the interactions and the pending events. None: all is here.
    """

    history: History
    bought: NDArray[np.int64]
    dismissed: NDArray[np.int64]
    sessions: dict[str, int]
    session_ends: dict[int, datetime]
    pending: list[Recorded]
    since: int | None = None


@dataclass(frozen=True, eq=False)
class ShopperProducts:
    """The products that the rules of a page treat apart for a shopper.

    Parameters
    ----------
    key : int, optional
        Of the shopper; None for a visitor of whom nothing is stored.
    cart, bought, dismissed : ndarray of shape (n,), int64
        Keys of products in the cart, ever bought and said no to, as far as the log is projected; may repeat.
    pending : list of Recorded
        Events of the log that are not projected yet, oldest number first.
    groups_by_key, groups_by_id : mapping to str
        Groups of those products, and of those that the call and the pending events name, as far as they have one.
    permissions : Permissions
        What the shopper permits, for who reads it.
    """

    key: int | None
    cart: NDArray[np.int64]
    bought: NDArray[np.int64]
    dismissed: NDArray[np.int64]
    pending: list[Recorded]
    groups_by_key: Mapping[int, str] = field(default_factory=dict)
    groups_by_id: Mapping[str, str] = field(default_factory=dict)
    permissions: Permissions = ALL_PERMITTED

    @classmethod
    def nothing(cls) -> "ShopperProducts":
        """Return what is stored of somebody nobody knows."""
        none = np.empty(0, np.int64)
        return cls(None, none, none, none, [])


class LatestChanges(NamedTuple):
    """Numbers of the latest changes: of the catalogue, the weights in force, merchandising, forgotten histories.

    0 for none.
    """

    catalogue: int
    weights: int
    merchandising: int
    forgotten: int


def latest_changes(cursor: DriverCursor) -> LatestChanges:
    """Return what changed last."""
    ((change, offer_change, *others),) = cursor.fetch(_LATEST_CHANGES)
    return LatestChanges(max(change, offer_change), *others)


def find_shopper(cursor: DriverCursor, customer_id: str, visitor_id: str) -> ShopperVersion | None:
    """Return the customer, or without `customer_id` the visitor, by the platform's id; None for an unknown one."""
    row = cursor.first(_CUSTOMER, name=customer_id) if customer_id else cursor.first(_VISITOR, name=visitor_id)
    return None if row is None else ShopperVersion._make(row)


def read_shopper(
    connection: Connection, version: ShopperVersion, limit: int, before: ShopperVersion | None = None
) -> StoredShopper:
    """Return what is stored of a shopper, with at most `limit` interactions; `version` is of the same transaction.

    With `before`, a version at which all was read and which only grew since, what may be different since then.
    Interactions before the earliest event that was not projected at `before` are the same: a late event extends or
    joins sessions, and of two that are joined the earlier one keeps its key (`shared.db.sessions`).
    """
    cursor = DriverCursor.of(connection)
    whose = {"customer": version.key}
    visits = cursor.fetch(_SESSIONS, **whose)
    since = None if before is None else _earliest_after(cursor, version.key, before.applied)
    everything = since is None
    return StoredShopper(
        history=recent_history(connection, version.key, limit, since),
        bought=bought_products(connection, version.key) if everything else _NO_KEYS,
        dismissed=dismissed_products(connection, version.key) if everything else _NO_KEYS,
        sessions={name: key for key, name, _ in visits if name is not None},
        session_ends={key: from_micros(end) for key, name, end in visits if name is None},
        pending=_pending(cursor, version) if version.applied < version.last_event else [],
        since=since,
    )


def read_shopper_products(cursor: DriverCursor, version: ShopperVersion) -> ShopperProducts:
    """Return what the rules of a page need of a shopper: one statement, and one more while events wait."""
    rows = cursor.fetch(_SHOPPER_PRODUCTS, customer=version.key)
    cart, bought, dismissed = (_keys([(key,) for each, key in rows if each == kind]) for kind in _TREATED_APART)
    pending = _pending(cursor, version) if version.applied < version.last_event else []
    return ShopperProducts(version.key, cart, bought, dismissed, pending)


def bought_products(connection: Connection, customer_key: int) -> NDArray[np.int64]:
    """Return the keys of all products a customer ever bought, given back or not; shape (n,), int64, in no order."""
    return _keys(DriverCursor.of(connection).fetch(_BOUGHT, customer=customer_key))


def dismissed_products(connection: Connection, customer_key: int) -> NDArray[np.int64]:
    """Return the keys of all products a customer said no to; shape (n,), int64, in no order."""
    return _keys(DriverCursor.of(connection).fetch(_DISMISSED, customer=customer_key))


def find_session(cursor: DriverCursor, customer_key: int, name: str) -> int:
    """Return the key of a customer's session by its name, the platform's or ours; 0 for none."""
    key = derived_key(name)
    if key is None:
        row = cursor.first(_SESSION, customer=customer_key, name=name)
    else:
        row = cursor.first(_DERIVED_SESSION, customer=customer_key, session=key)
    return row[0] if row else 0


def latest_search(cursor: DriverCursor, customer_key: int, session_key: int) -> str:
    """Return what a customer searched for last in a session; empty for nothing."""
    row = cursor.first(_SEARCHED, customer=customer_key, session=session_key)
    return row[0] if row else ""


def _earliest_after(cursor: DriverCursor, customer_key: int, applied: int) -> int | None:
    """Return the time of the customer's earliest event behind a place in the log, in Unix seconds; None for none."""
    row = cursor.first(_EARLIEST, customer=customer_key, applied=applied)
    return None if row is None or row[0] is None else row[0] // MICROSECONDS


def _pending(cursor: DriverCursor, version: ShopperVersion) -> list[Recorded]:
    rows = cursor.fetch(_PENDING, customer=version.key, applied=version.applied)
    events = [
        Recorded(number, version.key, from_micros(at), kind_of(kind), Event.FromString(bytes(payload)))
        for number, kind, at, payload in rows
        if kind_of(kind) != FEEDBACK
    ]
    return [each for each in events if each.kind != "purchase" or _is_new(cursor, each)]


def _is_new(cursor: DriverCursor, recorded: Recorded) -> bool:
    return cursor.first(_PURCHASE, name=recorded.event.purchase.purchase_id) is None


def _keys(rows: Sequence[tuple[int]] | Sequence[tuple[Any, ...]]) -> NDArray[np.int64]:
    return np.fromiter((row[0] for row in rows), np.int64, len(rows))


def _version(condition: ColumnElement[bool]) -> Select[Any]:
    key = customers.c.customer_id
    last = select(func.coalesce(func.max(event_log.c.sequence), 0)).where(event_log.c.customer_id == key)
    projecting = event_cursors.c.consumer == CUSTOMER_CONSUMER
    of_all = select(func.coalesce(func.max(event_cursors.c.sequence), 0)).where(projecting).scalar_subquery()
    parts = event_partitions.c
    in_part = (parts.consumer == CUSTOMER_CONSUMER, key % parts.partitions == parts.partition)
    of_part = select(func.coalesce(func.max(parts.sequence), 0)).where(*in_part).scalar_subquery()
    applied = case((of_part > of_all, of_part), else_=of_all)
    dismissed = select(func.count()).where(recommendations.c.customer_id == key, _dismissed())
    back = func.coalesce(func.sum(purchases.c.refunded_amount), 0)
    refunded = select(cast(back, BigInteger)).where(purchases.c.customer_id == key, _refunded())
    theirs = visitors.alias()  # the statement that looks for a visitor has that table too
    browsers = select(func.count()).where(theirs.c.customer_id == key)
    return select(
        key,
        cast(customers.c.demographics, Text),
        last.scalar_subquery(),
        applied,
        dismissed.scalar_subquery(),
        refunded.scalar_subquery(),
        browsers.scalar_subquery(),
        customers.c.personalise,
        customers.c.measure,
    ).where(condition)


def _dismissed() -> Any:
    """Return the condition in the very word that the partial index was made with."""
    return literal_column("was_dismissed")


def _refunded() -> Any:
    """Return the condition of the partial index, as `_dismissed` does."""
    return literal_column("refunded_amount > 0")


_LATEST_CHANGES = PreparedQuery(
    select(
        select(func.coalesce(func.max(products.c.change_sequence), 0)).scalar_subquery(),
        select(func.coalesce(func.max(product_offers.c.change_sequence), 0)).scalar_subquery(),
        select(func.coalesce(func.max(algorithm_weights.c.version), 0)).scalar_subquery(),
        select(func.coalesce(func.max(counters.c.value), 0)).where(counters.c.name == COUNTER).scalar_subquery(),
        select(func.coalesce(func.max(forgotten_histories.c.number), 0)).scalar_subquery(),
    )
)
_NAME = bindparam("name", type_=String)
_KEY = bindparam("customer", type_=BigInteger)
_CUSTOMER = PreparedQuery(_version(customers.c.external_id == _NAME))
_VISITOR = PreparedQuery(
    _version(visitors.c.visitor_id == _NAME).join_from(
        visitors, customers, visitors.c.customer_id == customers.c.customer_id
    )
)
_BOUGHT = PreparedQuery(
    select(purchase_items.c.product_id)
    .join(purchases, purchases.c.purchase_id == purchase_items.c.purchase_id)
    .where(purchases.c.customer_id == _KEY)
    .distinct()
)
_DISMISSED = PreparedQuery(
    select(recommendations.c.product_id).where(recommendations.c.customer_id == _KEY, _dismissed()).distinct()
)
_IN_CART, _EVER_BOUGHT, _SAID_NO = _TREATED_APART = (0, 1, 2)
_SHOPPER_PRODUCTS = PreparedQuery(
    union_all(
        select(literal(_IN_CART), cart_items.c.product_id).where(cart_items.c.customer_id == _KEY, is_open()),
        select(literal(_EVER_BOUGHT), purchase_items.c.product_id)
        .join(purchases, purchases.c.purchase_id == purchase_items.c.purchase_id)
        .where(purchases.c.customer_id == _KEY)
        .distinct(),
        select(literal(_SAID_NO), recommendations.c.product_id)
        .where(recommendations.c.customer_id == _KEY, _dismissed())
        .distinct(),
    )
)
_SESSIONS = PreparedQuery(
    select(sessions.c.session_id, sessions.c.external_id, cast(sessions.c.last_event_at, BigInteger))
    .where(sessions.c.customer_id == _KEY)
    .order_by(sessions.c.last_event_at.desc(), sessions.c.session_id.desc())
    .limit(MOST_SESSIONS)
)
_SESSION = PreparedQuery(
    select(sessions.c.session_id).where(sessions.c.customer_id == _KEY, sessions.c.external_id == _NAME)
)
_DERIVED_SESSION = PreparedQuery(
    select(sessions.c.session_id).where(
        sessions.c.customer_id == _KEY, sessions.c.session_id == bindparam("session", type_=BigInteger)
    )
)
_SEARCHED = PreparedQuery(
    select(page_events.c.value)
    .where(
        page_events.c.customer_id == _KEY,
        page_events.c.session_id == bindparam("session", type_=BigInteger),
        page_events.c.kind == "search",
    )
    .order_by(page_events.c.occurred_at.desc(), page_events.c.id.desc())
    .limit(1)
)
_PENDING = PreparedQuery(
    select(event_log.c.sequence, event_log.c.kind, cast(event_log.c.occurred_at, BigInteger), event_log.c.payload)
    .where(event_log.c.customer_id == _KEY, event_log.c.sequence > bindparam("applied", type_=BigInteger))
    .order_by(event_log.c.sequence)
)
_EARLIEST = PreparedQuery(
    select(func.min(cast(event_log.c.occurred_at, BigInteger))).where(
        event_log.c.customer_id == _KEY, event_log.c.sequence > bindparam("applied", type_=BigInteger)
    )
)
_PURCHASE = PreparedQuery(select(purchases.c.purchase_id).where(purchases.c.external_id == _NAME))
