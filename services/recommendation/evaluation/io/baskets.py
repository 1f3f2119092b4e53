"""Which events belong together: orders and sessions as the platform names them, else by time."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from services.recommendation.algorithms.arrays import Longs, Mask, Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.evaluation.io.column_parsing import coded, present
from services.recommendation.evaluation.io.files import Events

SILENCE = 30 * 60 * 1_000_000
"""Microseconds without an event after which a new session begins."""


def baskets_of(events: Events, customers: Rows, *, by_session: bool) -> Rows:
    """Return a number for each event, the same for events of one basket, shape (n,), int32.

    A basket is of one customer. A purchase is in its order, else its session, else in one basket with what the customer
    bought at the same time. Other events are in their session, which ends after half an hour of silence where no id
    tells. Without times, a customer's events share a basket if they have the same place in the order; where no two
    have, all events of the customer are one basket.

    Parameters
    ----------
    events : Events
    customers : ndarray of shape (n,), int32
        Row of each event's customer.
    by_session : bool
        Purchases are in their session like everything else.
    """
    sessions = _Ids.of(events.sessions, len(events))
    orders = _Ids.of(events.orders, len(events))
    bought = (events.kinds == Kind.PURCHASE) & (not by_session)
    in_order, in_session = bought & orders.known, sessions.known
    moments = _moments(events, customers)
    visits = _visits(events, customers)
    source = np.select([in_order, in_session, bought], [0, 1, 2], 3)
    number = np.select([in_order, in_session, bought], [orders.codes, sessions.codes, moments], visits)
    return _numbered(customers.astype(np.int64), source, number)


@dataclass(frozen=True, eq=False)
class _Ids:
    """Ids as numbers, and where there is one."""

    codes: Longs
    known: Mask

    @classmethod
    def of(cls, ids: Any, n: int) -> "_Ids":
        if ids is None:
            return cls(np.zeros(n, np.int64), np.zeros(n, bool))
        return cls(coded(ids)[1], present(ids))


def _moments(events: Events, customers: Rows) -> Longs:
    """Return a number for the moment of each event; 0 for all where nothing tells moments apart."""
    if events.times is not None:
        return events.times
    if events.order is None:
        return np.zeros(len(events), np.int64)
    places = np.unique(events.order, return_inverse=True)[1].astype(np.int64)
    together = _numbered(customers.astype(np.int64), places)
    shared = len(events) and int(together.max()) + 1 < len(events)
    return places if shared else np.zeros(len(events), np.int64)


def _visits(events: Events, customers: Rows) -> Longs:
    """Return a number for the session of each event: a pause ends a session."""
    if events.times is None:
        return _moments(events, customers)
    order = np.lexsort((events.times, customers))
    began = np.diff(customers[order], prepend=-1) != 0
    began |= np.diff(events.times[order], prepend=0) > SILENCE
    numbers = np.empty(len(events), np.int64)
    numbers[order] = np.cumsum(began)
    return numbers


def _numbered(*keys: Longs) -> Rows:
    """Return a number from 0 for each distinct combination of the keys, shape (n,), int32."""
    order = np.lexsort(keys)
    changed = np.zeros(len(order), bool)
    for key in keys:
        changed[1:] |= np.diff(key[order]) != 0
    numbers = np.empty(len(order), np.int32)
    numbers[order] = np.cumsum(changed)
    return numbers
