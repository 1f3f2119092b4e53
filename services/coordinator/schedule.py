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
log = structlog.get_logger()


@dataclass(frozen=True)
class ScheduledJob:
    """A job of `kind` is due `every` after its last start; never where `every` is zero."""

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
        return [
            plan.kind
            for plan in self._plans
            if await asyncio.to_thread(self._is_due, plan) and await self._try_start(plan)
        ]

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._look_every_seconds)
            await self.look()

    def _is_due(self, plan: ScheduledJob) -> bool:
        """A job that never ran is due one period after the coordinator started: first start-up stays quiet."""
        with self._database.read() as connection:
            last = job_runs.latest(connection, plan.kind)
        return datetime.now(UTC) >= (last.started_at if last else self._since) + plan.every

    async def _try_start(self, plan: ScheduledJob) -> bool:
        try:
            await plan.start()
        except Conflict:
            return False  # another replica was faster
        except Exception:  # the schedule goes on, and the job is due again at the next look
            log.exception("scheduled job did not start", kind=plan.kind)
            BACKGROUND_ERRORS.labels("coordinator", "schedule").inc()
            return False
        return True
