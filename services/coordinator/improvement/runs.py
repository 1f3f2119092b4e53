"""Improvement runs, looks for drift and the pause, as the RPCs read and change them."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.db import drift_checks, improvement_runs
from shared.db.drift_checks import DriftCheck
from shared.db.engine import Database
from shared.db.improvement_runs import Control, ImprovementRun
from shared.errors import NotFound


@dataclass(frozen=True)
class RunList:
    """Runs, whether improvement is paused, and the latest look for drift."""

    runs: list[ImprovementRun]
    control: Control
    latest: DriftCheck | None


class ImprovementRuns:
    """What is recorded of improvement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, kinds: Collection[str], after: tuple[datetime, str] | None, limit: int) -> RunList:
        """Return runs, newest first, `after` the start and the id of one; of all kinds where none is given."""
        return await asyncio.to_thread(self._page, kinds, after, limit)

    async def get(self, run_id: str) -> tuple[ImprovementRun, DriftCheck | None]:
        """Return a run and the look for drift that triggered it, if any. Raises NotFound."""
        return await asyncio.to_thread(self._get, run_id)

    async def set_paused(self, *, paused: bool, reason: str) -> Control:
        """Pause or resume, and return what holds."""
        return await asyncio.to_thread(self._set_paused, paused, reason)

    def _page(self, kinds: Collection[str], after: tuple[datetime, str] | None, limit: int) -> RunList:
        with self._database.read() as connection:
            return RunList(
                improvement_runs.page(connection, kinds, (), after, limit),
                improvement_runs.control(connection),
                drift_checks.latest(connection),
            )

    def _get(self, run_id: str) -> tuple[ImprovementRun, DriftCheck | None]:
        with self._database.read() as connection:
            run = improvement_runs.get(connection, run_id)
            if run is None:
                raise NotFound.of("improvement run", run_id, "run_id")
            return run, None if run.drift_day is None else drift_checks.of_day(connection, run.drift_day)

    def _set_paused(self, paused: bool, reason: str) -> Control:
        with self._database.write() as connection:
            return improvement_runs.set_paused(connection, paused=paused, reason=reason, now=datetime.now(UTC))
