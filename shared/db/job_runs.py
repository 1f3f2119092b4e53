"""Runs of long jobs: who started what, how far it is, how it ended. Written by the process that runs the job."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, and_, exists, func, literal, or_, select

from shared.db import leases
from shared.db.newest_first import Place, newest_first
from shared.db.schema import job_runs
from shared.db.schema import leases as lease_rows
from shared.db.types import UtcTime
from shared.lease import Lease

RUNNING, SUCCEEDED, FAILED, CANCELLED = "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"
STATES = (RUNNING, SUCCEEDED, FAILED, CANCELLED)
SILENT_AFTER = timedelta(seconds=30)
"""A running job without a lease that has said nothing for this long is lost with the process that ran it."""
LOST = "the process that ran it went away"


@dataclass(frozen=True)
class JobRun:
    """One run; `progress` is 0 to 1, `result` what came of it, `lease` and `lease_token` what it holds, if anything."""

    job_id: str
    kind: str
    state: str
    stage: str
    progress: float
    started_at: datetime
    heartbeat_at: datetime
    ended_at: datetime | None
    error: str
    result: dict[str, Any]
    lease: str | None = None
    lease_token: int | None = None
    cancel_requested_at: datetime | None = None


def start(connection: Connection, job_id: str, kind: str, lease: Lease | None = None) -> JobRun:
    """Record the start of a job and return it."""
    now = datetime.now(UTC)
    name, token = _held(lease)
    row = {"job_id": job_id, "kind": kind, "state": RUNNING, "started_at": now, "heartbeat_at": now}
    row |= {"lease": name, "lease_token": token}
    connection.execute(job_runs.insert().values(row))
    return JobRun(job_id, kind, RUNNING, "", 0.0, now, now, None, "", {}, *_held(lease))


def latest(connection: Connection, kind: str) -> JobRun | None:
    """Return the run of `kind` that was started last, or None."""
    return _first(connection, job_runs.c.kind == kind)


def get(connection: Connection, job_id: str) -> JobRun | None:
    """Return a run; None for an unknown id."""
    return _first(connection, job_runs.c.job_id == job_id)


def page(
    connection: Connection,
    kinds: Collection[str],
    states: Collection[str],
    after: Place | None,
    limit: int,
) -> list[JobRun]:
    """Return runs, newest first, `after` the start and the id of one; of all kinds or states where none is given."""
    newest = newest_first(job_runs, job_runs.c.job_id, kinds, states, after, limit)
    return [JobRun(**row._mapping) for row in connection.execute(newest)]


def advance(connection: Connection, job_id: str, stage: str, progress: float) -> None:
    """Say what a running job does now and how far it is."""
    _update_running(connection, job_id, {"stage": stage[:200], "progress": progress, "heartbeat_at": datetime.now(UTC)})


def beat(connection: Connection, job_id: str) -> bool:
    """Say that a running job is alive, and return whether somebody wants it to end."""
    _update_running(connection, job_id, {"heartbeat_at": datetime.now(UTC)})
    wanted = select(job_runs.c.cancel_requested_at).where(job_runs.c.job_id == job_id)
    return connection.execute(wanted).scalar_one_or_none() is not None


def request_cancel(connection: Connection, job_id: str) -> None:
    """Ask the process that runs a job to end it; nothing for a job that has ended."""
    asked = func.coalesce(job_runs.c.cancel_requested_at, literal(datetime.now(UTC), UtcTime))
    _update_running(connection, job_id, {"cancel_requested_at": asked})


def succeed(connection: Connection, job_id: str, result: dict[str, Any]) -> None:
    """Say that a job succeeded and what came of it. Nothing for one that has ended."""
    _end(connection, job_id, {"state": SUCCEEDED, "progress": 1.0, "stage": "done", "result": result})


def fail(connection: Connection, job_id: str, error: str) -> None:
    """Say that a job failed and why. Nothing for one that has ended."""
    _end(connection, job_id, {"state": FAILED, "error": error})


def cancel(connection: Connection, job_id: str) -> None:
    """Say that a job was ended because somebody wanted it. Nothing for one that has ended."""
    _end(connection, job_id, {"state": CANCELLED})


def fail_lost(connection: Connection) -> int:
    """Mark running jobs whose lease ran out, or was taken by another, as failed; return how many there were."""
    leases.end_expired(connection)
    now = datetime.now(UTC)
    held = exists().where(lease_rows.c.name == job_runs.c.lease, lease_rows.c.token == job_runs.c.lease_token)
    silent = and_(job_runs.c.lease.is_(None), job_runs.c.heartbeat_at <= now - SILENT_AFTER)
    lost = job_runs.update().where(job_runs.c.state == RUNNING, or_(silent, and_(job_runs.c.lease.is_not(None), ~held)))
    return connection.execute(lost.values(state=FAILED, error=LOST, ended_at=now)).rowcount


def _held(lease: Lease | None) -> tuple[str | None, int | None]:
    return (None, None) if lease is None else (lease.name, lease.token)


def _end(connection: Connection, job_id: str, values: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    _update_running(connection, job_id, {"ended_at": now, "heartbeat_at": now, **values})


def _update_running(connection: Connection, job_id: str, values: dict[str, Any]) -> None:
    running = job_runs.update().where(job_runs.c.job_id == job_id, job_runs.c.state == RUNNING)
    connection.execute(running.values(values))


def _order(runs: FromClause) -> list[ColumnElement[Any]]:
    """Return what rises from run to run of a kind: the token of the lease, whatever the clock did."""
    return [func.coalesce(runs.c.lease_token, 0), runs.c.started_at, runs.c.job_id]


def _first(connection: Connection, *conditions: Any) -> JobRun | None:
    order = [each.desc() for each in _order(job_runs)]
    row = connection.execute(select(job_runs).where(*conditions).order_by(*order).limit(1)).one_or_none()
    return None if row is None else JobRun(**row._mapping)
