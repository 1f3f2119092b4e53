"""What customers did, out of the event log: decoded, and with the customer each event belongs to."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from quintet.type.v1.event_pb2 import Event
from sqlalchemy import Connection, select

from shared.db import visitors
from shared.db.batches import among
from shared.db.customers import keep, known_visitors, resolve_customers
from shared.db.event_log import LoggedEvent
from shared.db.event_rows import FEEDBACK, PURCHASE
from shared.db.order_lines import NO_LINES, OrderLines, lines_of
from shared.db.schema import customers


class Recorded(NamedTuple):
    """An event of the log, decoded; `lines` are those of a purchase."""

    sequence: int
    customer_key: int | None
    at: datetime
    kind: str
    event: Event
    lines: OrderLines = NO_LINES


class IdentifiedEvent(NamedTuple):
    """An event with the customer it belongs to, its session (0 where it has none) and, of a purchase, its lines."""

    customer_key: int
    at: datetime
    kind: str
    event: Event
    lines: OrderLines = NO_LINES
    session_key: int = 0


def decode(logged: Iterable[LoggedEvent]) -> list[Recorded]:
    """Return the shoppers' events of a piece of the log.

    Raises google.protobuf.message.DecodeError for a payload that is not an event.
    """
    return list(map(decoded, without_feedback(logged)))


def decoded(logged: LoggedEvent) -> Recorded:
    """Return a shopper's event. Raises google.protobuf.message.DecodeError for a payload that is not an event."""
    event = Event.FromString(logged.payload)
    lines = lines_of(event.purchase) if logged.kind == PURCHASE else NO_LINES
    return Recorded(logged.sequence, logged.customer_key, logged.occurred_at, logged.kind, event, lines)


def without_feedback(logged: Iterable[LoggedEvent]) -> Iterator[LoggedEvent]:
    """Yield the shoppers' events; feedback is the feedback agent's."""
    return (each for each in logged if each.kind != FEEDBACK)


def identify(
    connection: Connection, events: Sequence[Recorded], skipped: Counter[str]
) -> tuple[list[IdentifiedEvent], dict[int, int]]:
    """Return events with their customers, and the customer by each visitor's key that was given up on the way.

    An event with both ids makes the visitor the customer, for the whole batch. Events whose customer was erased are
    left out and counted as `unknown_customer`.
    """
    owners = _owners(connection, events)
    logins = [
        visitors.Login(each.event.visitor_id, owners[each.sequence])
        for each in events
        if each.event.visitor_id and each.event.customer_id and each.sequence in owners
    ]
    merged = visitors.link(connection, logins)
    keep(connection, {merged.get(key, key) for key in owners.values()})
    identified = [
        IdentifiedEvent(merged.get(owner, owner), each.at, each.kind, each.event, each.lines)
        for each in events
        if (owner := owners.get(each.sequence)) is not None
    ]
    skipped["unknown_customer"] += len(events) - len(identified)
    return identified, merged


def _owners(connection: Connection, events: Sequence[Recorded]) -> dict[int, int]:
    """Return the customer of each event by its number; events of erased customers are missing."""
    keys = {each.sequence: each.customer_key for each in events if each.customer_key is not None}
    alive = _alive(connection, keys.values())
    owners = {number: key for number, key in keys.items() if key in alive}
    return owners | _find(connection, [each for each in events if each.sequence not in owners])


def _find(connection: Connection, stray: Sequence[Recorded]) -> dict[int, int]:
    """Look owners up by the ids in the events, where the key in the log is no more: the visitor became a customer."""
    if not stray:
        return {}
    registered = resolve_customers(connection, {each.event.customer_id for each in stray})
    anonymous = known_visitors(connection, {each.event.visitor_id for each in stray})
    found = {}
    for each in stray:
        by_name = each.event.customer_id
        owner = registered.get(by_name) if by_name else anonymous.get(each.event.visitor_id)
        if owner is not None:
            found[each.sequence] = owner
    return found


def _alive(connection: Connection, keys: Collection[int]) -> set[int]:
    column = customers.c.customer_id
    return set(connection.execute(select(column).where(among(connection, column, keys))).scalars())
