"""Which sessions and lists events of the log concern, once the customer and the feedback agent have applied them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from quintet.type.v1.event_pb2 import Event
from sqlalchemy import BigInteger, Column, ColumnElement, Connection, select, type_coerce

from shared.db.batches import among
from shared.db.event_rows import REFUND, is_kind
from shared.db.list_facts import lists_of
from shared.db.metric_marks import CUSTOMERS, EVENTS, LISTS, Marked
from shared.db.schema import event_log, purchases, recommendation_outcomes, recommendations, sessions
from shared.db.session_facts import sessions_of
from shared.db.sessions import SILENCE
from shared.db.types import MICROSECOND

_SILENCE = SILENCE // MICROSECOND
Chosen = Callable[[Column[Any]], ColumnElement[bool]]
"""Gives the condition that a column has the number of an event that is asked about."""


@dataclass
class Touched:
    """Keys of sessions and numbers of lists."""

    sessions: set[int] = field(default_factory=set)
    lists: set[int] = field(default_factory=set)


def touched_by(connection: Connection, after: int, up_to: int, marked: Marked) -> Touched:
    """Return what the events with numbers above `after` and up to `up_to` concern, and what was marked."""
    touched = Touched(lists=set(marked.keys[LISTS]))
    if up_to > after:
        _add_events(connection, touched, lambda column: (column > after) & (column <= up_to))
    if sequences := marked.keys[EVENTS]:
        _add_events(connection, touched, lambda column: among(connection, column, sequences))
    if customers := marked.keys[CUSTOMERS]:
        touched.sessions |= sessions_of(connection, customers)
        touched.lists |= lists_of(connection, customers)
    return touched


def _add_events(connection: Connection, touched: Touched, chosen: Chosen) -> None:
    touched.sessions |= _visited(connection, chosen)
    outcomes = recommendation_outcomes.c
    touched.lists |= _responded(connection, chosen(outcomes.event_sequence))
    if refunded := _refunded(connection, chosen):
        order = purchases.c
        of_orders = select(order.session_id).where(among(connection, order.external_id, refunded))
        touched.sessions |= set(connection.execute(of_orders).scalars())
        touched.lists |= _responded(connection, among(connection, outcomes.purchase_id, refunded))


def _visited(connection: Connection, chosen: Chosen) -> set[int]:
    """Return the sessions of those who did something that were not over for 30 minutes then, nor that far ahead."""
    event, session = event_log.c, sessions.c
    at = type_coerce(event.occurred_at, BigInteger)
    theirs = (
        (session.customer_id == event.customer_id)
        & (type_coerce(session.last_event_at, BigInteger) >= at - _SILENCE)
        & (type_coerce(session.started_at, BigInteger) <= at + _SILENCE)
    )
    query = select(session.session_id).select_from(event_log.join(sessions, theirs)).where(chosen(event.sequence))
    return set(connection.execute(query.distinct()).scalars())


def _responded(connection: Connection, condition: ColumnElement[bool]) -> set[int]:
    key, outcomes = recommendations.c.id, recommendation_outcomes.c
    query = select(recommendations.c.list_id).join(recommendation_outcomes, outcomes.recommendation_id == key)
    return set(connection.execute(query.where(condition).distinct()).scalars())


def _refunded(connection: Connection, chosen: Chosen) -> set[str]:
    query = select(event_log.c.payload).where(is_kind(REFUND), chosen(event_log.c.sequence))
    return {str(Event.FromString(payload).refund.purchase_id) for payload in connection.execute(query).scalars()}
