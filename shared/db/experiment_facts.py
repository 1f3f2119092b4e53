"""What the units of an experiment did: who met which arm, and the facts of their sessions."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, and_, case, func, literal, select, true

from shared.db.batches import among, batches
from shared.db.metric_segments import NO_SEGMENT
from shared.db.schema import (
    customers,
    experiment_exposures,
    recommendation_lists,
    recommendations,
    session_amounts,
    session_facts,
    sessions,
    visitors,
)
from shared.db.types import to_micros
from shared.experiments.assignment import unit_hash
from shared.experiments.decision import ListDecision
from shared.experiments.measures import MEASURES
from shared.recommendation_tokens import position_in_list

UNKNOWN = -1
"""Owner of a unit who never became known."""


class _Meeting(NamedTuple):
    """When a unit met an arm first, in microseconds since 1970."""

    at: int
    unit: int
    arm: str


@dataclass(frozen=True)
class Exposed:
    """Units that met an experiment.

    Who met several arms, as at login, when the customer's own takes over from the visitor's, belongs to one of them:
    that of the customer's own number; without one, that of the unit which was met last. Both are drawn by the arms'
    shares, whatever was met before. To leave such units out would leave few in a small arm and many in a large one.

    Parameters
    ----------
    owners : ndarray of shape (n,), int64
        Keys of the customers; of the sessions where sessions are assigned; -1 for who never became known.
    arms : tuple of str
        The arm of each.
    first_at : ndarray of shape (n,), int64
        The first list of that arm, in microseconds since 1970.
    met_at : ndarray of shape (n,), int64
        The first list of any arm.
    crossed : int
        How many met several arms.
    """

    owners: NDArray[np.int64]
    arms: tuple[str, ...]
    first_at: NDArray[np.int64]
    met_at: NDArray[np.int64]
    crossed: int = 0


@dataclass(frozen=True)
class SessionsOfUnits:
    """Sessions of units: `unit` is the place among the owners asked for, `values` are of `MEASURES`, in their order.

    A session `ended` with its last event; one that is stored no more counts as ended when it started.
    """

    unit: NDArray[np.int64]
    started: NDArray[np.int64]
    ended: NDArray[np.int64]
    values: NDArray[np.float64]
    segments: tuple[str, ...]


def exposed_units(connection: Connection, experiment_id: str, *, by_session: bool = False) -> Exposed:
    """Return who met an experiment, and in which arm; a visitor who became a customer is that customer."""
    columns = experiment_exposures.c
    query = select(columns.unit, columns.arm, columns.customer_id, columns.session, columns.first_at)
    rows = list(connection.execute(query.where(columns.experiment_id == experiment_id).order_by(columns.unit)))
    known = _sessions_named(connection, rows) if by_session else _strangers(connection, rows)
    met: dict[tuple[int, int], list[_Meeting]] = {}
    for row in rows:
        owner = known.get(row.unit) if by_session else row.customer_id or known.get(row.unit)
        key = (UNKNOWN, row.unit) if owner is None else (owner, 0)
        met.setdefault(key, []).append(_Meeting(to_micros(row.first_at), row.unit, row.arm))
    crossed = {key[0] for key, several in met.items() if len({each.arm for each in several}) > 1}
    own = {} if by_session else _own_units(connection, crossed)
    arms = [_arm_of(several, own.get(key[0])) for key, several in met.items()]
    return Exposed(
        np.array([owner for owner, _ in met], np.int64),
        tuple(arms),
        np.array([_first(several, arm) for several, arm in zip(met.values(), arms, strict=True)], np.int64),
        np.array([min(several).at for several in met.values()], np.int64),
        len(crossed),
    )


def _arm_of(several: Sequence[_Meeting], own_unit: int | None) -> str:
    """Return the arm that a unit belongs to, of those that it met."""
    own = [each for each in several if each.unit == own_unit]
    return max(own or several).arm


def _first(several: Iterable[_Meeting], arm: str) -> int:
    return min(each.at for each in several if each.arm == arm)


def _own_units(connection: Connection, customer_keys: Collection[int]) -> dict[int, int]:
    """Return by which number customers are assigned who are logged in."""
    columns = customers.c
    query = select(columns.customer_id, columns.external_id).where(columns.external_id.is_not(None))
    rows = connection.execute(query.where(among(connection, columns.customer_id, customer_keys)))
    return {row.customer_id: unit_hash("customer", row.external_id) for row in rows}


def sessions_of_units(
    connection: Connection,
    owners: Sequence[int],
    since: datetime,
    currency: str,
    *,
    until: datetime | None = None,
    by_session: bool = False,
) -> SessionsOfUnits:
    """Return the sessions of customers, or those sessions themselves, that began from `since` on, before `until`.

    Money is that in `currency`.
    """
    facts, money = session_facts.c, session_amounts.c
    owner = facts.session_id if by_session else facts.customer_id
    places = {key: place for place, key in enumerate(owners) if key != UNKNOWN}
    query = (
        select(
            owner,
            facts.started_at,
            func.coalesce(sessions.c.last_event_at, facts.started_at),
            facts.segment,
            *_values(),
        )
        .select_from(session_facts)
        .outerjoin(sessions, sessions.c.session_id == facts.session_id)
        .outerjoin(session_amounts, and_(money.session_id == facts.session_id, money.currency == currency))
        .where(
            among(connection, owner, places),
            facts.started_at >= since,
            true() if until is None else facts.started_at < until,
        )
    )
    rows = list(connection.execute(query))
    return SessionsOfUnits(
        np.array([places[row[0]] for row in rows], np.int64),
        np.array([to_micros(row[1]) for row in rows], np.int64),
        np.array([to_micros(row[2]) for row in rows], np.int64),
        np.array([row[4:] for row in rows], np.float64).reshape(len(rows), len(MEASURES)),
        tuple(row[3] or NO_SEGMENT for row in rows),
    )


@dataclass(frozen=True)
class InterleavedClicks:
    """Clicks on interleaved lists by unit, each of shape (n,): credit of the clicks, clicks, clicks for each arm."""

    credit: NDArray[np.float64]
    clicks: NDArray[np.float64]
    for_first: NDArray[np.float64]
    for_second: NDArray[np.float64]


def interleaved_clicks(
    connection: Connection, experiment_id: str, since: datetime, until: datetime | None = None
) -> InterleavedClicks:
    """Return the clicks on the lists of an interleaved experiment; a list of nobody known is a unit of its own."""
    lists, clicked = recommendation_lists.c, recommendations.c
    query = select(lists.id, lists.customer_id, lists.decision).where(
        lists.generated_at >= since,
        true() if until is None else lists.generated_at < until,
        lists.decision.is_not(None),
    )
    found: dict[tuple[bool, int], list[float]] = {}
    for some in batches(list(connection.execute(query))):
        decisions = {row.id: ListDecision.of_json(row.decision) for row in some}
        units = {row.id: (row.customer_id is None, row.customer_id or row.id) for row in some}
        drawn = [number for number, each in decisions.items() if each.interleaved == experiment_id]
        for number in drawn:
            found.setdefault(units[number], [0.0, 0.0, 0.0, 0.0])
        marks = select(clicked.id, clicked.list_id).where(clicked.list_id.in_(drawn), clicked.was_clicked)
        for key, number in connection.execute(marks):
            credit = decisions[number].credits[position_in_list(key) - 1]
            sums = found[units[number]]
            for place, value in enumerate((credit, 1.0, float(credit > 0), float(credit < 0))):
                sums[place] += value
    table = np.array(list(found.values()), np.float64).reshape(len(found), 4)
    return InterleavedClicks(*table.T)


def customers_since(connection: Connection, since: datetime) -> list[int]:
    """Return the customers, visitors included, with a session that began from `since` on."""
    facts = session_facts.c
    query = select(facts.customer_id).where(facts.started_at >= since, facts.customer_id.is_not(None)).distinct()
    return list(connection.execute(query).scalars())


def _values() -> tuple[ColumnElement[Any], ...]:
    facts, money = session_facts.c, session_amounts.c

    def amount(column: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.coalesce(column, 0)

    return (
        literal(1),
        case((facts.orders > 0, 1), else_=0),
        facts.orders,
        amount(money.revenue),
        amount(money.revenue) - amount(money.refunded),
        amount(money.refunded),
        amount(money.margin),
        facts.shown,
        facts.clicked,
        facts.added_to_cart,
        facts.purchased,
        facts.dismissed,
    )


def _strangers(connection: Connection, rows: Iterable[Any]) -> dict[int, int]:
    """Return the customers that units who were not known yet have become since, by the hashes of their visitors."""
    missing = {row.unit: row.first_at for row in rows if row.customer_id is None}
    if not missing:
        return {}
    since = min(missing.values()) - timedelta(days=1)
    query = (
        select(visitors.c.visitor_id, visitors.c.customer_id)
        .join(sessions, sessions.c.customer_id == visitors.c.customer_id)
        .where(sessions.c.last_event_at >= since)
        .distinct()
    )
    hashed = ((unit_hash("visitor", name), key) for name, key in connection.execute(query))
    return {unit: key for unit, key in hashed if unit in missing}


def _sessions_named(connection: Connection, rows: Iterable[Any]) -> dict[int, int]:
    """Return the sessions that units are, by the names that the platform gave them."""
    named = {row.session: row.unit for row in rows if row.session}
    if not named:
        return {}
    since = min(row.first_at for row in rows if row.session) - timedelta(days=1)
    query = select(sessions.c.external_id, sessions.c.session_id).where(
        sessions.c.external_id.is_not(None), sessions.c.last_event_at >= since
    )
    return {named[name]: key for name, key in connection.execute(query) if name in named}
