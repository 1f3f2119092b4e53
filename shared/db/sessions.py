"""Sessions: visits to the shop.

The platform's own session id decides where there is one. Events without one are grouped by silence: two of them belong
together when at most 30 minutes, or a chain of such events, lie between them. So the sessions do not depend on the
order in which events arrive: a late event may extend a session backwards, and one that closes a gap joins two.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, cast, select

from shared.db import metric_marks
from shared.db.bulk import insert_numbered, update_rows
from shared.db.driver import DriverCursor, PreparedLookup, PreparedPairs, PreparedQuery
from shared.db.references import references_to
from shared.db.schema import sessions
from shared.db.types import MICROSECOND, to_micros

SILENCE = timedelta(minutes=30)
_SILENCE = SILENCE // MICROSECOND
DERIVED = "quintet-"
"""How the name of a session begins that the platform did not name; the key follows."""
_COLUMNS = ("customer_id", "external_id", "started_at", "last_event_at", "event_count")


class Visit(NamedTuple):
    """An event as sessions see it; `external_id` is the platform's session, empty where it has none."""

    customer_key: int
    at: datetime
    external_id: str = ""


@dataclass(eq=False, slots=True)
class _Session:
    """A session of the table, or one that will be; moments are microseconds since 1970."""

    customer_key: int
    external_id: str | None
    started_at: int
    last_event_at: int
    event_count: int = 0
    key: int | None = None
    changed: bool = False
    moved: bool = False
    """Whether more than its end and its number of events changed."""
    joined: "_Session | None" = None

    def take(self, at: int) -> None:
        if at < self.started_at:
            self.started_at, self.moved = at, True
        self.last_event_at = max(self.last_event_at, at)
        self.event_count += 1
        self.changed = True

    def absorb(self, other: "_Session") -> None:
        self.started_at = min(self.started_at, other.started_at)
        self.last_event_at = max(self.last_event_at, other.last_event_at)
        self.event_count += other.event_count
        self.changed = self.moved = True
        other.joined = self

    def final(self) -> "_Session":
        session = self
        while session.joined is not None:
            session = session.joined
        return session


def assign(connection: Connection, visits: Sequence[Visit]) -> list[int]:
    """Record visits and return the key of each one's session, in their order. Customers must exist."""
    named = _named_sessions(connection, [visit for visit in visits if visit.external_id])
    silent = _silent_sessions(connection, [visit for visit in visits if not visit.external_id])
    loaded = [*named.values(), *(session for line in silent.values() for session in line)]
    taken = [_take_named(named, visit) if visit.external_id else _take_silent(silent, visit) for visit in visits]
    _save(connection, [*loaded, *taken])
    return [_key(session.final()) for session in taken]


def named_by_platform(name: str) -> str:
    """Return the name of a session where the platform gave it; empty for one of ours that a client sent back."""
    return "" if name.startswith(DERIVED) else name


def derived_key(name: str) -> int | None:
    """Return the key of a session by the name that Quintet gave it; None for other names."""
    number = name.removeprefix(DERIVED)
    ours = name.startswith(DERIVED) and number.isascii() and number.isdigit() and len(number) <= 18
    return int(number) if ours else None


def name_at(connection: Connection, customer_key: int, moment: datetime) -> str:
    """Return the name of the derived session that an event at `moment` is in: `quintet-` and its key; empty for none.

    The event need not be applied yet. Where two sessions are near, which it will join, it is the closer one.
    """
    at = to_micros(moment)
    rows = DriverCursor.of(connection).fetch(_NEAR, customer=customer_key, earliest=at - _SILENCE, latest=at + _SILENCE)
    away = {key: max(started - at, at - last, 0) for key, started, last, named in rows if named is None}
    return f"{DERIVED}{min(away, key=lambda key: (away[key], key))}" if away else ""


_STORED = select(
    sessions.c.customer_id,
    sessions.c.external_id,
    cast(sessions.c.started_at, BigInteger),
    cast(sessions.c.last_event_at, BigInteger),
    sessions.c.event_count,
    sessions.c.session_id,
)
"""The fields of a `_Session`, in their order."""
_NAMED = PreparedPairs(_STORED, sessions.c.customer_id, sessions.c.external_id)
_IN_TIME = PreparedLookup(
    _STORED.where(
        sessions.c.last_event_at >= bindparam("earliest", type_=BigInteger),
        sessions.c.started_at <= bindparam("latest", type_=BigInteger),
    ).order_by(sessions.c.started_at),
    sessions.c.customer_id,
)
_NEAR = PreparedQuery(
    select(
        sessions.c.session_id,
        cast(sessions.c.started_at, BigInteger),
        cast(sessions.c.last_event_at, BigInteger),
        sessions.c.external_id,
    ).where(
        sessions.c.customer_id == bindparam("customer", type_=BigInteger),
        sessions.c.last_event_at >= bindparam("earliest", type_=BigInteger),
        sessions.c.started_at <= bindparam("latest", type_=BigInteger),
    )
)


def move_sessions(connection: Connection, from_customer: int, to_customer: int) -> None:
    """Give all sessions of one customer to another, and join those that are one visit."""
    query = _STORED.where(sessions.c.customer_id.in_((from_customer, to_customer)))
    rows = connection.execute(query.order_by(sessions.c.started_at, sessions.c.session_id))
    loaded = [_Session(*row) for row in rows]
    kept = [session for session in loaded if session.customer_key == to_customer]
    for session in loaded:
        if session.customer_key == from_customer:
            _join_one(kept, session)
            session.customer_key = to_customer
            session.changed = session.moved = True
            kept = [each for each in kept if each.joined is None] + [session] * (session.joined is None)
    _save(connection, loaded)


def _join_one(kept: list[_Session], session: _Session) -> None:
    for other in kept:
        if session.external_id is None and other.external_id is None and _near(session, other):
            session.absorb(other)
        elif session.external_id is not None and session.external_id == other.external_id:
            other.absorb(session)


def _near(one: _Session, other: _Session) -> bool:
    return one.started_at - _SILENCE <= other.last_event_at and other.started_at - _SILENCE <= one.last_event_at


def _named_sessions(connection: Connection, visits: Sequence[Visit]) -> dict[tuple[int, str], _Session]:
    wanted = {(visit.customer_key, visit.external_id) for visit in visits}
    stored = (_Session(*row) for row in _NAMED.fetch(connection, wanted))
    return {(session.customer_key, session.external_id or ""): session for session in stored}


def _silent_sessions(connection: Connection, visits: Sequence[Visit]) -> dict[int, list[_Session]]:
    """Return derived sessions that the visits may touch, by customer and in the order of time."""
    found: dict[int, list[_Session]] = defaultdict(list)
    if not visits:
        return found
    moments = [visit.at for visit in visits]
    earliest, latest = to_micros(min(moments)) - _SILENCE, to_micros(max(moments)) + _SILENCE
    owners = sorted({visit.customer_key for visit in visits})
    for row in _IN_TIME.fetch(connection, owners, earliest=earliest, latest=latest):
        session = _Session(*row)
        # Asked here: SQLite would go by this and read all sessions that a customer ever had.
        if session.external_id is None:
            found[session.customer_key].append(session)
    return found


def _take_named(named: dict[tuple[int, str], _Session], visit: Visit) -> _Session:
    key, at = (visit.customer_key, visit.external_id), to_micros(visit.at)
    if key not in named:
        named[key] = _Session(visit.customer_key, visit.external_id, at, at)
    named[key].take(at)
    return named[key]


def _take_silent(silent: dict[int, list[_Session]], visit: Visit) -> _Session:
    """Put a visit into its customer's line of sessions, which stays in order and at least 30 minutes apart."""
    line, at = silent[visit.customer_key], to_micros(visit.at)
    first = bisect_left(line, at - _SILENCE, key=lambda session: session.last_event_at)
    near = [session for session in line[first : first + 2] if session.started_at - _SILENCE <= at]
    if not near:
        fresh = _Session(visit.customer_key, None, at, at)
        insort(line, fresh, key=lambda session: session.started_at)
        near = [fresh]
    for other in near[1:]:
        near[0].absorb(other)
        line.remove(other)
    near[0].take(at)
    return near[0]


def _save(connection: Connection, touched: Iterable[_Session]) -> None:
    every = {id(session): session for session in touched}.values()
    _insert(connection, [session for session in every if session.key is None and session.joined is None])
    joined = [(each.key, _key(each.final())) for each in every if each.joined is not None and each.key is not None]
    _forget(connection, joined)
    _update(connection, [each for each in every if each.changed and each.joined is None])


def _insert(connection: Connection, fresh: list[_Session]) -> None:
    if not fresh:
        return
    rows = [
        (each.customer_key, each.external_id, each.started_at, each.last_event_at, each.event_count) for each in fresh
    ]
    for session, key in zip(fresh, insert_numbered(connection, sessions, _COLUMNS, rows), strict=True):
        session.key = key
        session.changed = False


def _forget(connection: Connection, joined: Sequence[tuple[int, int]]) -> None:
    """Repoint what refers to sessions that became part of another, and delete them."""
    if not joined:
        return
    rows = [{"gone": gone, "kept": kept} for gone, kept in joined]
    for table, column in references_to(sessions.c.session_id):
        statement = table.update().where(column == bindparam("gone")).values({column: bindparam("kept")})
        connection.execute(statement, rows)
    connection.execute(sessions.delete().where(sessions.c.session_id == bindparam("gone")), rows)
    metric_marks.forget_sessions(connection, [gone for gone, _ in joined])


def _update(connection: Connection, changed: Sequence[_Session]) -> None:
    """Store changes. What most sessions do, to go on, leaves the columns of two indexes alone."""
    grown = [(each.last_event_at, each.event_count, each.key) for each in changed if not each.moved]
    update_rows(connection, sessions, ("last_event_at", "event_count"), grown)
    moved = [
        (each.customer_key, each.external_id, each.started_at, each.last_event_at, each.event_count, each.key)
        for each in changed
        if each.moved
    ]
    update_rows(connection, sessions, _COLUMNS, moved)


def _key(session: _Session) -> int:
    assert session.key is not None  # noqa: S101 - for the type checker: saved before
    return session.key
