"""Runs of long jobs: who started what, how far it is, how it ended. Written by the coordinator."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from shared.db.engine import insert_into
from shared.db.schema import job_runs, scheduled_jobs

RUNNING, SUCCEEDED, FAILED = "RUNNING", "SUCCEEDED", "FAILED"
SILENT_AFTER = timedelta(seconds=30)
"""A running job that has said nothing for this long is lost with the process that ran it."""


@dataclass(frozen=True)
class JobRun:
    """One run; `progress` is 0 to 1, `result` what came of it."""

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


def start(connection: Connection, job_id: str, kind: str) -> JobRun:
    """Record the start of a job and return it."""
    now = datetime.now(UTC)
    row = {"job_id": job_id, "kind": kind, "state": RUNNING, "started_at": now, "heartbeat_at": now}
    connection.execute(job_runs.insert().values(row))
    return JobRun(job_id, kind, RUNNING, "", 0.0, now, now, None, "", {})


def running(connection: Connection, kind: str) -> JobRun | None:
    """Return the run of `kind` that is at work, or None. One that fell silent counts as lost, not as at work."""
    alive = job_runs.c.heartbeat_at > datetime.now(UTC) - SILENT_AFTER
    return _first(connection, job_runs.c.kind == kind, job_runs.c.state == RUNNING, alive)


def latest(connection: Connection, kind: str) -> JobRun | None:
    """Return the run of `kind` that was started last, or None."""
    return _first(connection, job_runs.c.kind == kind)


def ended_badly(run: JobRun) -> bool:
    """Say whether a run failed, or fell silent and is lost."""
    lost = run.state == RUNNING and run.heartbeat_at <= datetime.now(UTC) - SILENT_AFTER
    return lost or run.state == FAILED


def scheduled_since(connection: Connection, kind: str, now: datetime) -> datetime:
    """Return since when jobs of `kind` are scheduled: `now` when this is asked for the first time."""
    first = insert_into(connection, scheduled_jobs).values(kind=kind, since=now).on_conflict_do_nothing()
    connection.execute(first)
    since: datetime = connection.execute(
        select(scheduled_jobs.c.since).where(scheduled_jobs.c.kind == kind)
    ).scalar_one()
    return since


def get(connection: Connection, job_id: str) -> JobRun | None:
    """Return a run; None for an unknown id."""
    return _first(connection, job_runs.c.job_id == job_id)


def advance(connection: Connection, job_id: str, stage: str, progress: float) -> None:
    """Say what a running job does now and how far it is."""
    values = {"stage": stage[:200], "progress": progress, "heartbeat_at": datetime.now(UTC)}
    connection.execute(job_runs.update().where(job_runs.c.job_id == job_id).values(values))


def beat(connection: Connection, job_id: str) -> None:
    """Say that a running job is alive."""
    connection.execute(job_runs.update().where(job_runs.c.job_id == job_id).values(heartbeat_at=datetime.now(UTC)))


def succeed(connection: Connection, job_id: str, result: dict[str, Any]) -> None:
    """Say that a job succeeded and what came of it."""
    _end(connection, job_id, {"state": SUCCEEDED, "progress": 1.0, "stage": "done", "result": result})


def fail(connection: Connection, job_id: str, error: str) -> None:
    """Say that a job failed and why."""
    _end(connection, job_id, {"state": FAILED, "error": error})


def fail_lost(connection: Connection) -> int:
    """Mark running jobs that fell silent as failed and return how many there were."""
    now = datetime.now(UTC)
    lost = job_runs.update().where(job_runs.c.state == RUNNING, job_runs.c.heartbeat_at <= now - SILENT_AFTER)
    error = "the process that ran it went away"
    return connection.execute(lost.values(state=FAILED, error=error, ended_at=now)).rowcount


def _end(connection: Connection, job_id: str, values: dict[str, Any]) -> None:
    now = datetime.now(UTC)
    connection.execute(
        job_runs.update().where(job_runs.c.job_id == job_id).values(ended_at=now, heartbeat_at=now, **values)
    )


def _first(connection: Connection, *conditions: Any) -> JobRun | None:
    newest = select(job_runs).where(*conditions).order_by(job_runs.c.started_at.desc(), job_runs.c.job_id).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else JobRun(**row._mapping)
