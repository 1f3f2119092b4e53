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
from typing import Any

from sqlalchemy import BigInteger, Connection, bindparam, cast, select, tuple_

from shared.db.batches import among, distinct_batches
from shared.db.bulk import insert_numbered
from shared.db.driver import DriverCursor, PreparedQuery
from shared.db.references import references_to
from shared.db.schema import sessions
from shared.db.types import MICROSECOND, to_micros

SILENCE = timedelta(minutes=30)
DERIVED = "quintet-"
"""How the name of a session begins that the platform did not name; the key follows."""
PAIRS = 200
_COLUMNS = ("customer_id", "external_id", "started_at", "last_event_at", "event_count")


@dataclass(frozen=True)
class Visit:
    """An event as sessions see it; `external_id` is the platform's session, empty where it has none."""

    customer_key: int
    at: datetime
    external_id: str = ""


@dataclass(eq=False)
class _Session:
    customer_key: int
    external_id: str | None
    started_at: datetime
    last_event_at: datetime
    event_count: int = 0
    key: int | None = None
    changed: bool = False
    joined: "_Session | None" = None

    def take(self, at: datetime) -> None:
        self.started_at = min(self.started_at, at)
        self.last_event_at = max(self.last_event_at, at)
        self.event_count += 1
        self.changed = True

    def absorb(self, other: "_Session") -> None:
        self.started_at = min(self.started_at, other.started_at)
        self.last_event_at = max(self.last_event_at, other.last_event_at)
        self.event_count += other.event_count
        self.changed = True
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
    at, silence = to_micros(moment), SILENCE // MICROSECOND
    rows = DriverCursor.of(connection).fetch(_NEAR, customer=customer_key, earliest=at - silence, latest=at + silence)
    away = {key: max(started - at, at - last, 0) for key, started, last, named in rows if named is None}
    return f"{DERIVED}{min(away, key=lambda key: (away[key], key))}" if away else ""


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
    query = select(sessions).where(sessions.c.customer_id.in_((from_customer, to_customer)))
    loaded = [_loaded(row) for row in connection.execute(query.order_by(sessions.c.started_at, sessions.c.session_id))]
    kept = [session for session in loaded if session.customer_key == to_customer]
    for session in loaded:
        if session.customer_key == from_customer:
            _join_one(kept, session)
            session.customer_key = to_customer
            session.changed = True
            kept = [each for each in kept if each.joined is None] + [session] * (session.joined is None)
    _save(connection, loaded)


def _join_one(kept: list[_Session], session: _Session) -> None:
    for other in kept:
        if session.external_id is None and other.external_id is None and _near(session, other):
            session.absorb(other)
        elif session.external_id is not None and session.external_id == other.external_id:
            other.absorb(session)


def _near(one: _Session, other: _Session) -> bool:
    return one.started_at - SILENCE <= other.last_event_at and other.started_at - SILENCE <= one.last_event_at


def _named_sessions(connection: Connection, visits: Sequence[Visit]) -> dict[tuple[int, str], _Session]:
    found: dict[tuple[int, str], _Session] = {}
    wanted = tuple_(sessions.c.customer_id, sessions.c.external_id)
    for some in distinct_batches([(visit.customer_key, visit.external_id) for visit in visits], PAIRS):
        for row in connection.execute(select(sessions).where(wanted.in_(some))):
            found[row.customer_id, row.external_id] = _loaded(row)
    return found


def _silent_sessions(connection: Connection, visits: Sequence[Visit]) -> dict[int, list[_Session]]:
    """Return derived sessions that the visits may touch, by customer and in the order of time."""
    found: dict[int, list[_Session]] = defaultdict(list)
    if not visits:
        return found
    earliest = min(visit.at for visit in visits) - SILENCE
    latest = max(visit.at for visit in visits) + SILENCE
    columns = sessions.c
    query = select(sessions).where(
        among(connection, columns.customer_id, (visit.customer_key for visit in visits)),
        columns.last_event_at >= earliest,
        columns.started_at <= latest,
    )
    for row in connection.execute(query.order_by(columns.started_at)):
        if (
            row.external_id is None
        ):  # asked here: SQLite would go by this and read all sessions that a customer ever had
            found[row.customer_id].append(_loaded(row))
    return found


def _take_named(named: dict[tuple[int, str], _Session], visit: Visit) -> _Session:
    key = (visit.customer_key, visit.external_id)
    if key not in named:
        named[key] = _Session(visit.customer_key, visit.external_id, visit.at, visit.at)
    named[key].take(visit.at)
    return named[key]


def _take_silent(silent: dict[int, list[_Session]], visit: Visit) -> _Session:
    """Put a visit into its customer's line of sessions, which stays in order and at least 30 minutes apart."""
    line = silent[visit.customer_key]
    first = bisect_left(line, visit.at - SILENCE, key=lambda session: session.last_event_at)
    near = [session for session in line[first : first + 2] if session.started_at - SILENCE <= visit.at]
    if not near:
        fresh = _Session(visit.customer_key, None, visit.at, visit.at)
        insort(line, fresh, key=lambda session: session.started_at)
        near = [fresh]
    for other in near[1:]:
        near[0].absorb(other)
        line.remove(other)
    near[0].take(visit.at)
    return near[0]


def _save(connection: Connection, touched: Iterable[_Session]) -> None:
    every = {id(session): session for session in touched}.values()
    _insert(connection, [session for session in every if session.key is None and session.joined is None])
    joined = [(each.key, _key(each.final())) for each in every if each.joined is not None and each.key is not None]
    _forget(connection, joined)
    changed = [each for each in every if each.changed and each.joined is None]
    _update(connection, changed)


def _insert(connection: Connection, fresh: list[_Session]) -> None:
    if not fresh:
        return
    rows = [
        (
            each.customer_key,
            each.external_id,
            to_micros(each.started_at),
            to_micros(each.last_event_at),
            each.event_count,
        )
        for each in fresh
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


def _update(connection: Connection, changed: Sequence[_Session]) -> None:
    if changed:
        rows = [{"of": session.key, **_values(session)} for session in changed]
        connection.execute(sessions.update().where(sessions.c.session_id == bindparam("of")), rows)


def _values(session: _Session) -> dict[str, Any]:
    return {
        "customer_id": session.customer_key,
        "external_id": session.external_id,
        "started_at": session.started_at,
        "last_event_at": session.last_event_at,
        "event_count": session.event_count,
    }


def _loaded(row: Any) -> _Session:
    return _Session(
        row.customer_id, row.external_id, row.started_at, row.last_event_at, row.event_count, row.session_id
    )


def _key(session: _Session) -> int:
    assert session.key is not None  # noqa: S101 - for the type checker: saved before
    return session.key
