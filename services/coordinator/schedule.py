"""What the coordinator does by the clock: refresh the catalogue, optimise, train, keep the database in shape."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from services.coordinator.background import Background
from shared.db import job_runs
from shared.db.engine import Database
from shared.errors import Conflict
from shared.telemetry import BACKGROUND_ERRORS

LOOK_EVERY_SECONDS = 30.0
RETRY_AFTER = timedelta(hours=1)
"""A job that failed is due again this long after its end, or after its period where that is shorter."""
log = structlog.get_logger()


@dataclass(frozen=True)
class ScheduledJob:
    """A job of `kind` is due `every` after its last start, sooner after a failure; never where `every` is zero."""

    kind: str
    every: timedelta
    start: Callable[[], Awaitable[object]]


class Schedule:
    """Starts jobs when they are due. The job rows are the memory, so a restart neither skips nor repeats one."""

    def __init__(
        self, database: Database, plans: Sequence[ScheduledJob], look_every_seconds: float = LOOK_EVERY_SECONDS
    ) -> None:
        self._database = database
        self._plans = [plan for plan in plans if plan.every > timedelta(0)]
        self._look_every_seconds = look_every_seconds
        self._since = datetime.now(UTC)
        self._background = Background(self._run)

    def start(self) -> None:
        """Begin to look at the clock."""
        self._background.start()

    async def stop(self) -> None:
        """Stop. Safe to repeat."""
        await self._background.stop()

    async def look(self) -> list[str]:
        """Start what is due now and return the kinds that were started."""
        return [plan.kind for plan in self._plans if await self._start_if_due(plan)]

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_seconds)
            await self.look()

    def _is_due(self, plan: ScheduledJob) -> bool:
        """A job that never ran is due one period after it was scheduled first: the first start-up stays quiet."""
        with self._database.read() as connection:
            last = job_runs.latest(connection, plan.kind)
        if last is None:
            return datetime.now(UTC) >= self._scheduled_since(plan.kind) + plan.every
        if job_runs.ended_badly(last):
            return datetime.now(UTC) >= last.heartbeat_at + min(plan.every, RETRY_AFTER)
        return datetime.now(UTC) >= last.started_at + plan.every

    def _scheduled_since(self, kind: str) -> datetime:
        with self._database.write() as connection:
            return job_runs.scheduled_since(connection, kind, self._since)

    async def _start_if_due(self, plan: ScheduledJob) -> bool:
        try:
            if not await asyncio.to_thread(self._is_due, plan):
                return False
            await plan.start()
        except Conflict:
            return False  # another replica was faster
        except Exception:  # the schedule goes on, and the job is due again at the next look
            log.exception("scheduled job did not start", kind=plan.kind)
            BACKGROUND_ERRORS.labels("coordinator", "schedule").inc()
            return False
        return True
