"""When the regular jobs are due: one row a kind, written by the coordinator that holds the schedule's lease.

Everything is kept as moments in the database, so a restart neither skips nor repeats a job. A moment that lies further
ahead than the period can only come from a clock that was set back, and is brought nearer.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from shared.db import job_runs
from shared.db.engine import insert_into
from shared.db.schema import scheduled_jobs

RETRY_AFTER = timedelta(hours=1)
"""From the end of a job that failed to its next start; doubled with each failure in a row, up to the period."""
MOST_DOUBLINGS = 10


@dataclass(frozen=True)
class JobSchedule:
    """When jobs of `kind` are due.

    Attributes
    ----------
    kind : str
    period : timedelta
        From start to start; zero is never.
    paused : bool
        Nothing starts until it is resumed.
    next_at : datetime
        Due from then on.
    failures : int
        How many runs in a row failed, up to now.
    job_id : str or None
        The last run that the clock was set by.
    settled : bool
        Whether the end of that run is counted already.
    """

    kind: str
    period: timedelta
    paused: bool
    next_at: datetime
    failures: int
    job_id: str | None
    settled: bool

    def is_due(self, now: datetime) -> bool:
        """Say whether a job should start."""
        return not self.paused and self.period > timedelta(0) and now >= self.next_at


def load(connection: Connection, kind: str, usual_period: timedelta, now: datetime) -> JobSchedule:
    """Return the schedule of a kind, in the light of its latest run; a new one is due one period from now.

    `usual_period` applies unless another one was set. Needs a write transaction.
    """
    columns = scheduled_jobs.c
    row = {"kind": kind, "since": now}
    connection.execute(insert_into(connection, scheduled_jobs).values(row).on_conflict_do_nothing())
    found = connection.execute(select(scheduled_jobs).where(columns.kind == kind)).one()
    period = usual_period if found.period_seconds is None else timedelta(seconds=found.period_seconds)
    stored = JobSchedule(
        kind, period, found.paused, found.next_at or found.since + period, found.failures, found.job_id, found.settled
    )
    if period <= timedelta(0):
        return stored
    current = _settled(connection, _adopted(connection, stored, now), now)
    current = bounded(current, now)
    if current != stored or found.next_at is None:
        store(connection, current)
    return current


def store(connection: Connection, schedule: JobSchedule) -> None:
    """Keep what the clock of a kind says."""
    values = {
        "next_at": schedule.next_at,
        "failures": schedule.failures,
        "job_id": schedule.job_id,
        "settled": schedule.settled,
    }
    connection.execute(scheduled_jobs.update().where(scheduled_jobs.c.kind == schedule.kind).values(values))


def claim(connection: Connection, schedule: JobSchedule, now: datetime) -> None:
    """Note that a due job is about to be started: should that fail, it is due again before the period ends."""
    store(connection, replace(schedule, next_at=now + min(schedule.period, RETRY_AFTER)))


def set_paused(connection: Connection, kind: str, *, paused: bool) -> None:
    """Stop or resume starting jobs of a kind by the clock."""
    connection.execute(scheduled_jobs.update().where(scheduled_jobs.c.kind == kind).values(paused=paused))


def set_period(connection: Connection, kind: str, period: timedelta | None) -> None:
    """Set the period of a kind; None takes that of the settings again. It counts from the last start."""
    seconds = None if period is None else period.total_seconds()
    changed = scheduled_jobs.update().where(scheduled_jobs.c.kind == kind)
    connection.execute(changed.values(period_seconds=seconds))


def with_period(schedule: JobSchedule, period: timedelta) -> JobSchedule:
    """Return the schedule with another period, counted from the same start."""
    return replace(schedule, period=period, next_at=schedule.next_at - schedule.period + period)


def bounded(schedule: JobSchedule, now: datetime) -> JobSchedule:
    """Return the schedule with a next time of one period from now at the latest."""
    return replace(schedule, next_at=min(schedule.next_at, now + schedule.period))


def _adopted(connection: Connection, schedule: JobSchedule, now: datetime) -> JobSchedule:
    """Count the period from a run that was started since, by whomever."""
    latest = job_runs.latest(connection, schedule.kind)
    if latest is None or latest.job_id == schedule.job_id:
        return schedule
    return replace(schedule, job_id=latest.job_id, settled=False, next_at=min(latest.started_at, now) + schedule.period)


def _settled(connection: Connection, schedule: JobSchedule, now: datetime) -> JobSchedule:
    """Count the end of the latest run: a failure brings the next start nearer."""
    if schedule.settled or schedule.job_id is None:
        return schedule
    run = job_runs.get(connection, schedule.job_id)
    if run is not None and run.state == job_runs.RUNNING:
        return schedule
    if run is None or run.state != job_runs.FAILED:
        return replace(schedule, settled=True, failures=0)
    pause = RETRY_AFTER * 2 ** min(schedule.failures, MOST_DOUBLINGS)
    retry_at = min(run.ended_at or now, now) + min(pause, schedule.period)
    return replace(schedule, settled=True, failures=schedule.failures + 1, next_at=min(schedule.next_at, retry_at))
