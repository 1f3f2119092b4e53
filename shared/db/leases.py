"""Leases: of several processes one does a piece of work, and one that lost its turn writes nothing any more.

Every holder gets a higher number, the token. A write on behalf of the work checks the token in its own transaction
(`require_held`), so that a process that was stopped or cut off for a while, and whose work another took over, fails
in place of writing. A lease that ran out stays its holder's until another takes it. Moments are those of the database
server's clock on PostgreSQL, of this machine's on SQLite.
"""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Numeric, cast, extract, func, literal, select

from shared.db.engine import insert_into
from shared.db.schema import leases
from shared.db.types import from_micros
from shared.errors import Conflict
from shared.lease import Lease

NOBODY = ""
MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class HeldLease:
    """Work that somebody holds, and until when."""

    name: str
    expires_at: datetime


class LeaseLost(Conflict):
    """Another holder has taken the work over; nothing was written."""


def acquire(connection: Connection, name: str, holder: str, seconds: float) -> Lease | None:
    """Take the work for so long and return the lease; None while somebody else has it.

    One statement, so that of several processes at once exactly one gets it, on either database.
    """
    columns, now = leases.c, _now(connection)
    row = {"name": name, "holder": holder, "token": 1, "expires_at": now + _micros(seconds)}
    statement = insert_into(connection, leases).values(row)
    taken = statement.on_conflict_do_update(
        index_elements=[columns.name],
        set_={
            "holder": statement.excluded.holder,
            "token": columns.token + 1,
            "expires_at": statement.excluded.expires_at,
        },
        where=columns.expires_at <= now,
    ).returning(columns.token)
    token = connection.execute(taken).scalar_one_or_none()
    return None if token is None else Lease(name, token)


def renew(connection: Connection, lease: Lease, seconds: float) -> bool:
    """Keep the work for so long from now and return whether it is still held: also after it ran out, if nobody came."""
    until = _now(connection) + _micros(seconds)
    return connection.execute(_held(lease).values(expires_at=until)).rowcount == 1


def release(connection: Connection, lease: Lease) -> None:
    """Give the work back at once. Does nothing when another has it."""
    connection.execute(_held(lease).values(holder=NOBODY, expires_at=0, token=leases.c.token + 1))


def require_held(connection: Connection, lease: Lease) -> None:
    """Raise LeaseLost unless the work is held with this token; nobody can take it before this transaction ends."""
    columns = leases.c
    current = select(columns.token).where(columns.name == lease.name).with_for_update(read=True)
    if connection.execute(current).scalar_one_or_none() != lease.token:
        raise LeaseLost(f"another process has taken over {lease.name}")


def holder(connection: Connection, name: str) -> str | None:
    """Return who has the work now; None when nobody has it."""
    columns = leases.c
    found = select(columns.holder).where(columns.name == name, columns.expires_at > _now(connection))
    return connection.execute(found).scalar_one_or_none()


def held(connection: Connection) -> list[HeldLease]:
    """Return the leases that somebody holds, also those that ran out, by name."""
    columns = leases.c
    query = select(columns.name, columns.expires_at).where(columns.holder != NOBODY).order_by(columns.name)
    return [HeldLease(row.name, from_micros(row.expires_at)) for row in connection.execute(query)]


def end_expired(connection: Connection) -> int:
    """Take the work from all whose lease ran out and return how many there were; their writes fail from now on."""
    columns = leases.c
    expired = leases.update().where(columns.holder != NOBODY, columns.expires_at <= _now(connection))
    return connection.execute(expired.values(holder=NOBODY, expires_at=0, token=columns.token + 1)).rowcount


def _held(lease: Lease) -> Any:
    return leases.update().where(leases.c.name == lease.name, leases.c.token == lease.token)


def _now(connection: Connection) -> ColumnElement[int]:
    """Return microseconds since 1970 as an expression of the database."""
    if connection.dialect.name == "postgresql":
        seconds = cast(extract("epoch", func.clock_timestamp()), Numeric)
        return cast(seconds * MICROSECONDS, BigInteger)
    return literal(time.time_ns() // 1000, BigInteger)


def _micros(seconds: float) -> int:
    return int(seconds * MICROSECONDS)
