"""What the coordinator does by the clock: refresh the catalogue, optimise, train, keep the database in shape."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from services.coordinator.background import Background
from shared.db import job_runs, leases, schedules
from shared.db.engine import Connection, Database
from shared.db.job_runs import JobRun
from shared.db.leases import LeaseLost
from shared.db.schedules import JobSchedule
from shared.errors import Conflict, NotFound
from shared.lease import Lease
from shared.request_ids import RequestKey
from shared.telemetry import BACKGROUND_ERRORS

LOOK_EVERY_SECONDS = 30.0
LEASE = "schedule"
LEASE_SECONDS = 90.0
"""The coordinator that looks at the clock says so at each look; after so long without, another does."""
log = structlog.get_logger()


@dataclass(frozen=True)
class ScheduledJob:
    """A job of `kind` is due `every` after its last start, sooner after a failure; never where `every` is zero."""

    kind: str
    every: timedelta
    start: Callable[..., Awaitable[JobRun]]


class Schedule:
    """Starts jobs when they are due, in one coordinator at a time. `now` is the clock."""

    def __init__(
        self,
        database: Database,
        plans: Sequence[ScheduledJob],
        look_every_seconds: float = LOOK_EVERY_SECONDS,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._plans = {plan.kind: plan for plan in plans}
        self._look_every_seconds = look_every_seconds
        self._now = now
        self._holder = uuid.uuid4().hex
        self._lease: Lease | None = None
        self._background = Background(self._run)

    def start(self) -> None:
        """Begin to look at the clock."""
        self._background.start()

    async def stop(self) -> None:
        """Stop, and leave the clock to another coordinator at once. Safe to repeat."""
        await self._background.stop()
        try:
            await asyncio.to_thread(self._release)
        except Exception:  # the lease runs out by itself
            log.warning("the lease of the schedule was not given back", exc_info=True)

    async def look(self) -> list[str]:
        """Start what is due now and return the kinds that were started; nothing where another coordinator looks."""
        if not await asyncio.to_thread(self._holds):
            return []
        return [plan.kind for plan in self._plans.values() if await self._start_if_due(plan)]

    async def all(self) -> list[JobSchedule]:
        """Return the schedules of all kinds."""
        return await asyncio.to_thread(self._all)

    async def update(self, kind: str, *, paused: bool | None, period: timedelta | None, usual: bool) -> JobSchedule:
        """Pause or resume a kind, set its period, or have its `usual` period again; what is None stays.

        Raises NotFound for an unknown kind.
        """
        return await asyncio.to_thread(self._update, kind, paused, period, usual)

    async def run_now(self, kind: str, request: RequestKey | None = None) -> JobRun:
        """Start a job of a kind now, paused or not; a repeated `request` is answered with the job that it started.

        Raises NotFound, Conflict.
        """
        return await self._plan(kind).start(request=request)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # whatever happens, the clock is looked at again
                log.exception("the schedule could not be looked at")
                BACKGROUND_ERRORS.labels("coordinator", "schedule").inc()
            await asyncio.sleep(self._look_every_seconds)

    async def _start_if_due(self, plan: ScheduledJob) -> bool:
        try:
            if not await asyncio.to_thread(self._claim_if_due, plan):
                return False
            await plan.start()
        except Conflict:
            return False  # the same work is under way, or another coordinator looks now
        except Exception:  # the others are looked at all the same, and this one is due again soon
            log.exception("scheduled job did not start", kind=plan.kind)
            BACKGROUND_ERRORS.labels("coordinator", "schedule").inc()
            return False
        return True

    def _holds(self) -> bool:
        """Return whether the schedule is this coordinator's; take it where it is nobody's."""
        with self._database.write() as connection:
            if self._lease is not None and leases.renew(connection, self._lease, LEASE_SECONDS):
                return True
            job_runs.fail_lost(connection)
            self._lease = leases.acquire(connection, LEASE, self._holder, LEASE_SECONDS)
        return self._lease is not None

    def _claim_if_due(self, plan: ScheduledJob) -> bool:
        now = self._now()
        with self._database.write() as connection:
            self._require_held(connection)
            job_runs.fail_lost(connection)
            schedule = schedules.load(connection, plan.kind, plan.every, now)
            if not schedule.is_due(now):
                return False
            schedules.claim(connection, schedule, now)
        return True

    def _require_held(self, connection: Connection) -> None:
        if self._lease is None:
            raise LeaseLost("another coordinator looks at the clock")
        leases.require_held(connection, self._lease)

    def _release(self) -> None:
        if self._lease is not None:
            with self._database.write() as connection:
                leases.release(connection, self._lease)
            self._lease = None

    def _all(self) -> list[JobSchedule]:
        with self._database.write() as connection:
            return [schedules.load(connection, plan.kind, plan.every, self._now()) for plan in self._plans.values()]

    def _update(self, kind: str, paused: bool | None, period: timedelta | None, usual: bool) -> JobSchedule:
        plan = self._plan(kind)
        with self._database.write() as connection:
            before = schedules.load(connection, kind, plan.every, self._now())
            if paused is not None:
                schedules.set_paused(connection, kind, paused=paused)
            if period is not None or usual:
                schedules.set_period(connection, kind, None if usual else period)
                changed = plan.every if period is None else period
                schedules.store(connection, schedules.with_period(before, changed))
            return schedules.load(connection, kind, plan.every, self._now())

    def _plan(self, kind: str) -> ScheduledJob:
        plan = self._plans.get(kind)
        if plan is None:
            raise NotFound.of("schedule", kind, "kind")
        return plan
