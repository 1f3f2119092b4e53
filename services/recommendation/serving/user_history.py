"""What a shopper did, as arrays by row of the catalogue, and the cache that keeps it while nothing changes."""

import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from services.recommendation.algorithms.arrays import AnyArray, Longs, Mask, Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.models.groups import labels_of
from services.recommendation.reranker.contexts import LONGEST_HISTORY
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.pending_events import PendingEffects, PendingInteraction
from shared.consent import ALL_PERMITTED, NOTHING_SAID, Consent, Permissions
from shared.db import customers, request_reads
from shared.db.driver import DriverCursor
from shared.db.engine import Database
from shared.db.request_reads import ShopperVersion, StoredShopper
from shared.db.segments import segment_names
from shared.db.sessions import derived_key

MOST_SHOPPERS, MOST_EVENTS = 4_000, 2_000_000
"""Shoppers kept in memory, and their events, at most: an event takes some 30 bytes."""
LONGEST_KEPT_SECONDS = 600.0
"""Age at which a history is read again though nothing happened to the shopper: retention deletes old views."""

DIGEST_BYTES = 16
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, eq=False)
class UserHistory:
    """What the events of a shopper left, without products that are not in the catalogue.

    Parameters
    ----------
    products, kinds, quantities, times, baskets : ndarray of shape (n_events,)
        The latest interactions, oldest first; types and meanings as in `Shopper`.
    sessions : ndarray of shape (n_events,), int64
        Keys of sessions.
    cart, last_order, bought, dismissed : ndarray, int32
        Rows of the products in the cart, of the latest purchase, ever bought, and said no to.
    latest_session : int
        Key of the session with the latest event of any kind; 0 without any.
    session_names : dict of str to int
        Keys of the latest sessions that the platform named.
    searches : dict of int to str
        Latest search of each session, of events that are not projected yet.
    complete : bool
        Whether all products that the events name are in the catalogue.
    """

    products: Rows
    kinds: NDArray[np.int8]
    quantities: NDArray[np.float32]
    times: Longs
    baskets: Rows
    sessions: Longs
    cart: Rows
    last_order: Rows
    bought: Rows
    dismissed: Rows
    latest_session: int = 0
    session_names: dict[str, int] = field(default_factory=dict)
    searches: dict[int, str] = field(default_factory=dict)
    complete: bool = True

    @classmethod
    def nothing(cls) -> "UserHistory":
        """Return the history of somebody nobody knows."""
        none, longs = np.empty(0, np.int32), np.empty(0, np.int64)
        kinds, units = np.empty(0, np.int8), np.empty(0, np.float32)
        return cls(none, kinds, units, longs, none, longs, none, none, none, none)

    @classmethod
    def of(cls, stored: StoredShopper, catalogue: Catalogue) -> "UserHistory":
        """Return the history that is stored, with the events that are not projected yet."""
        past = stored.history
        cart_rows = catalogue.rows_of(past.cart)
        cart = {row: left for row, left in zip(cart_rows.tolist(), past.cart_units.tolist(), strict=True) if row >= 0}
        pending = PendingEffects(catalogue.row_of_id, cart, dict(stored.sessions), dict(stored.session_ends))
        pending.latest_session = past.latest_session
        pending.apply(stored.pending)
        return _joined(stored, pending, catalogue)

    @cached_property
    def digest(self) -> bytes:
        """Digest of all that a page depends on, but for the session that is going on and its search."""
        events: list[AnyArray] = [self.products, self.kinds, self.quantities, self.times, self.baskets]
        digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
        for array in (*events, self.cart, self.last_order, self.bought, self.dismissed):
            digest.update(len(array).to_bytes(8, "big"))
            digest.update(array.tobytes())
        return digest.digest()

    def continued(self, latest: "UserHistory", since: int) -> "UserHistory":
        """Return the history with what `latest` has from `since` (Unix seconds) on, in place of what was from then on.

        `latest` has no products bought or dismissed before; what it says of cart and sessions is all that there is.
        """
        before = self.times < since
        latest_baskets = _continued_baskets(self, before, latest)

        def joined(mine: NDArray[Number], its: NDArray[Number]) -> NDArray[Number]:
            return np.concatenate([mine[before], its])[-LONGEST_HISTORY:]

        products, kinds = joined(self.products, latest.products), joined(self.kinds, latest.kinds)
        baskets = joined(self.baskets, latest_baskets)
        bought = [self.bought, latest.bought, latest.products[latest.kinds == Kind.PURCHASE]]
        return replace(
            latest,
            products=products,
            kinds=kinds,
            quantities=joined(self.quantities, latest.quantities),
            times=joined(self.times, latest.times),
            sessions=joined(self.sessions, latest.sessions),
            baskets=baskets,
            last_order=_last_order(products, kinds, baskets),
            bought=np.unique(np.concatenate(bought)),
            dismissed=self.dismissed,
            complete=self.complete and latest.complete,
        )

    def until(self, moment: int) -> "UserHistory":
        """Return the history as it was at a moment, Unix seconds, as far as the interactions say it.

        What was taken out of the cart or dismissed since is not known to have been otherwise.
        """
        then, since = self.times <= moment, self.times > moment
        bought_before = self.products[then & (self.kinds == Kind.PURCHASE)]
        bought_since = np.setdiff1d(self.products[since & (self.kinds == Kind.PURCHASE)], bought_before)
        carted_since = self.products[since & (self.kinds == Kind.CART)]
        products, kinds, baskets = self.products[then], self.kinds[then], self.baskets[then]
        return replace(
            self,
            products=products,
            kinds=kinds,
            quantities=self.quantities[then],
            times=self.times[then],
            baskets=baskets,
            sessions=self.sessions[then],
            cart=self.cart[~np.isin(self.cart, carted_since)],
            last_order=_last_order(products, kinds, baskets),
            bought=np.setdiff1d(self.bought, bought_since).astype(np.int32),
            latest_session=int(self.sessions[then][-1]) if then.any() else 0,
            searches={},
        )

    def in_session(self, session: int) -> Rows:
        """Return the rows of the products viewed or put into the cart in a session, oldest first; may repeat."""
        rows: Rows = self.products[(self.sessions == session) & (self.kinds != Kind.PURCHASE)]
        return rows


@dataclass(frozen=True)
class Person:
    """Who asks: key in the database, None for a visitor nobody knows yet, groups, permissions and segments.

    `labels` are the values of their groups; the segments are those in which the last refresh put the customer, the
    rule-based one first. Without the permission to personalise there are neither.
    """

    key: int | None
    labels: dict[str, str]
    permissions: Permissions = ALL_PERMITTED
    segments: tuple[str, ...] = ()

    @property
    def segment(self) -> str:
        """The segment that answers name; empty for none."""
        return self.segments[0] if self.segments else ""


@dataclass(frozen=True, eq=False)
class _Kept:
    """A shopper in memory, and what must be the same for the rows to be right."""

    version: ShopperVersion
    person: Person
    history: UserHistory
    model_version: str
    n_products: int
    read_at: float
    """When all of it was read, by the monotonic clock."""

    @property
    def n_events(self) -> int:
        """Number of events in memory."""
        return len(self.history.products)

    def holds(self, now: ShopperVersion, model_version: str, n_products: int) -> bool:
        return self._rows_hold(model_version, n_products) and self.version.still_holds(now)

    def grew_to(self, now: ShopperVersion, model_version: str, n_products: int) -> bool:
        """Say whether what changed since can be read alone."""
        return self._rows_hold(model_version, n_products) and self.version.only_grew_to(now)

    def _rows_hold(self, model_version: str, n_products: int) -> bool:
        rows_hold = self.model_version == model_version and (self.history.complete or self.n_products == n_products)
        return rows_hold and time.monotonic() - self.read_at < LONGEST_KEPT_SECONDS


class UserHistories:
    """Histories of shoppers by key: those asked for lately stay in memory as long as nothing happens to the shopper.

    Each request asks the database by one statement whether something did: an event in the log, the projection of one,
    an erasure, another owner of the visitor's id, new demographics, another consent, a dismissal, a refund. So every
    replica is right at once. Of who does not permit `personalise` nothing is read or kept. Safe to call from several
    threads. `default` is what is permitted where a shopper has said nothing.
    """

    def __init__(
        self,
        database: Database,
        most: int = MOST_SHOPPERS,
        most_events: int = MOST_EVENTS,
        default: Permissions = ALL_PERMITTED,
    ) -> None:
        self._database = database
        self._default = default
        self._most = most
        self._most_events = most_events
        self._events = 0
        self._kept: OrderedDict[int, _Kept] = OrderedDict()
        self._guard = threading.Lock()

    def read(
        self,
        customer_id: str,
        visitor_id: str,
        catalogue: Catalogue,
        model_version: str,
        consent: Consent = NOTHING_SAID,
    ) -> tuple[Person, UserHistory] | None:
        """Return who asks and what they did; None for an unknown customer or visitor.

        `model_version` names the model whose rows the catalogue begins with. `consent` is what the call says: see
        `Consent.narrowed_by`.
        """
        with self._database.cursor() as cursor:
            now = request_reads.find_shopper(cursor, customer_id, visitor_id)
        if now is None:
            return None
        permissions = now.consent.narrowed_by(consent).permissions(self._default)
        if not permissions.personalise:
            self.forget([now.key])
            return Person(now.key, {}, permissions), UserHistory.nothing()
        with self._guard:
            kept = self._kept.get(now.key)
            if kept is not None:
                self._kept.move_to_end(now.key)
        if kept is None or not kept.holds(now, model_version, len(catalogue)):
            kept = self._load(customer_id, visitor_id, catalogue, model_version, kept)
        return None if kept is None else (replace(kept.person, permissions=permissions), kept.history)

    def nobody(self, consent: Consent) -> Person:
        """Return a visitor whom nobody knows yet; `consent` is what the call says."""
        return Person(None, {}, consent.permissions(self._default))

    def find_session(self, person_key: int, name: str) -> int:
        """Return the key of a session by its name, where it is not among the latest; 0 for none."""
        with self._database.cursor() as cursor:
            return request_reads.find_session(cursor, person_key, name)

    def latest_search(self, person_key: int, session: int) -> str:
        """Return what was searched for last in a session, as far as events are projected; empty for nothing."""
        with self._database.cursor() as cursor:
            return request_reads.latest_search(cursor, person_key, session)

    def _load(
        self, customer_id: str, visitor_id: str, catalogue: Catalogue, model_version: str, before: _Kept | None
    ) -> _Kept | None:
        """Read a shopper, or only what may have changed since `before` was read."""
        with self._database.read() as connection:
            version = request_reads.find_shopper(DriverCursor.of(connection), customer_id, visitor_id)
            if version is None:
                return None
            if before is not None and not before.grew_to(version, model_version, len(catalogue)):
                before = None
            earlier = before.version if before else None
            stored = request_reads.read_shopper(connection, version, LONGEST_HISTORY, earlier)
            segments = before.person.segments if before else segment_names(connection, version.key)
        latest = UserHistory.of(stored, catalogue)
        if before is not None and stored.since is not None:
            kept = replace(before, version=version, history=before.history.continued(latest, stored.since))
        else:
            person = Person(version.key, _labels(version) if customer_id else {}, segments=segments)
            kept = _Kept(version, person, latest, model_version, len(catalogue), time.monotonic())
        self._keep(kept)
        return kept

    def forget(self, keys: Sequence[int]) -> None:
        """Keep nothing of some shoppers."""
        with self._guard:
            for key in keys:
                before = self._kept.pop(key, None)
                self._events -= before.n_events if before else 0

    def _keep(self, kept: _Kept) -> None:
        """Keep a shopper, and forget those asked for longest ago of whom there is no room any more."""
        with self._guard:
            before = self._kept.pop(kept.version.key, None)
            self._events += kept.n_events - (before.n_events if before else 0)
            self._kept[kept.version.key] = kept
            while len(self._kept) > 1 and (len(self._kept) > self._most or self._events > self._most_events):
                self._events -= self._kept.popitem(last=False)[1].n_events


def _labels(version: ShopperVersion) -> dict[str, str]:
    return labels_of(customers.groups_of(version.key, json.loads(version.demographics)))


def session_key(history: UserHistory, name: str) -> int | None:
    """Return the key of a session by its name, the platform's or ours; None when it is not among the latest."""
    key = derived_key(name)
    if key is None:
        return history.session_names.get(name)
    return key


def _joined(stored: StoredShopper, pending: PendingEffects, catalogue: Catalogue) -> UserHistory:
    past = stored.history.interactions
    rows = catalogue.rows_of(past.products)
    known = rows >= 0
    new = _columns(pending.interactions)
    products = np.concatenate([rows[known], new.products])
    kinds = np.concatenate([past.kinds[known], new.kinds])
    times = np.concatenate([past.times[known], new.times])
    baskets = np.concatenate([past.baskets[known], new.baskets])
    order = np.lexsort((kinds, times))[-LONGEST_HISTORY:] if len(new.products) else slice(None)
    bought = _known(catalogue, stored.bought)
    kinds, baskets = kinds[order], baskets[order]
    return UserHistory(
        products=products[order],
        kinds=kinds,
        quantities=np.concatenate([past.quantities[known], new.quantities])[order],
        times=times[order],
        baskets=np.unique(baskets, return_inverse=True)[1].astype(np.int32),
        sessions=np.concatenate([past.sessions[known], new.sessions])[order],
        cart=np.fromiter(pending.cart, np.int32, len(pending.cart)),
        last_order=_last_order(products[order], kinds, baskets),
        bought=np.union1d(bought, new.products[new.kinds == Kind.PURCHASE]).astype(np.int32),
        dismissed=_known(catalogue, stored.dismissed),
        latest_session=pending.latest_session,
        session_names=pending.sessions,
        searches=pending.searches,
        complete=bool(known.all()) and len(bought) == len(stored.bought),
    )


@dataclass(frozen=True, eq=False)
class _Columns:
    products: Rows
    kinds: NDArray[np.int8]
    quantities: NDArray[np.float32]
    times: Longs
    baskets: Longs
    sessions: Longs


def _columns(interactions: list[PendingInteraction]) -> _Columns:
    columns = zip(*interactions, strict=True) if interactions else ((),) * len(PendingInteraction._fields)
    products, kinds, quantities, times, baskets, sessions = columns
    return _Columns(
        np.array(products, np.int32),
        np.array(kinds, np.int8),
        np.array(quantities, np.float32),
        np.array(times, np.int64),
        np.array(baskets, np.int64),
        np.array(sessions, np.int64),
    )


def _continued_baskets(before: UserHistory, kept: Mask, latest: UserHistory) -> Rows:
    """Return numbers for the baskets of `latest` behind those of the `kept` events before.

    Views and carts of a session that goes on have the number that it had.
    """
    numbers: Rows = latest.baskets + np.int32(before.baskets.max(initial=-1) + 1)
    kept = kept & (before.kinds != Kind.PURCHASE)
    browsed = latest.kinds != Kind.PURCHASE
    for session in np.unique(latest.sessions[browsed]).tolist():
        same = np.flatnonzero(kept & (before.sessions == session))
        if len(same):
            numbers[browsed & (latest.sessions == session)] = before.baskets[same[0]]
    return numbers


def _last_order(products: Rows, kinds: NDArray[np.int8], baskets: Longs | Rows) -> Rows:
    purchases = kinds == Kind.PURCHASE
    latest = baskets[purchases][-1:]
    rows: Rows = products[purchases & np.isin(baskets, latest)]
    return rows


def _known(catalogue: Catalogue, keys: Iterable[int]) -> Rows:
    rows = catalogue.rows_of(keys)
    return rows[rows >= 0]
