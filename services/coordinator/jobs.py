"""Long-running jobs: start one, keep its row up to date, watch and cancel it from any replica."""

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import datetime

import structlog

from shared.db import job_runs
from shared.db.engine import Database
from shared.db.job_runs import JobRun
from shared.errors import NotFound
from shared.job_runner import JobCancelled, Work, carry_out
from shared.request_ids import RequestKey
from shared.rpc.interceptor import deadline
from shared.running_job import RunningJob
from shared.telemetry import BACKGROUND_ERRORS

WATCH_EVERY_SECONDS = 0.2
log = structlog.get_logger()


class Jobs:
    """Runs jobs in the background; of those that do the same work, one at a time across all processes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks: dict[asyncio.Task[None], RunningJob] = {}

    async def start(self, kind: str, work: Work, request: RequestKey | None = None) -> JobRun:
        """Start a job and return its row; for a `request` that is repeated, the row of the job that it started.

        Raises Conflict while another does the same work.
        """
        run, job = await asyncio.to_thread(RunningJob.claim_once, self._database, kind, request)
        if job is not None:
            task = asyncio.create_task(self._run(job, work))
            self._tasks[task] = job
            task.add_done_callback(self._tasks.pop)
        return run

    async def get(self, job_id: str) -> JobRun:
        """Return a job. Raises NotFound."""
        return await asyncio.to_thread(self._get, job_id)

    async def page(
        self, kinds: Collection[str], states: Collection[str], after: tuple[datetime, str] | None, limit: int
    ) -> list[JobRun]:
        """Return jobs, newest first, `after` one; of all kinds or states where none is given."""
        return await asyncio.to_thread(self._page, kinds, states, after, limit)

    async def cancel(self, job_id: str) -> JobRun:
        """Ask that a job ends and return it as it is now: at once where it runs here. One that has ended stays so.

        Raises NotFound.
        """
        await asyncio.to_thread(self._request_cancel, job_id)
        for job in tuple(self._tasks.values()):
            if job.run.job_id == job_id:
                job.end_soon()
        return await self.get(job_id)

    async def watch(self, job_id: str) -> AsyncIterator[JobRun]:
        """Yield the job now and after each change until it has ended. Raises NotFound."""
        shown = None
        while True:
            run = await self.get(job_id)
            visible = (run.state, run.stage, run.progress)
            if visible != shown:
                shown = visible
                yield run
            if run.state != job_runs.RUNNING:
                return
            await asyncio.sleep(WATCH_EVERY_SECONDS)

    async def stop(self) -> None:
        """Give up the jobs that run here; they are marked as failed."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _get(self, job_id: str) -> JobRun:
        with self._database.read() as connection:
            run = job_runs.get(connection, job_id)
        if run is None:
            raise NotFound.of("job", job_id, "job_id")
        return run

    def _page(
        self, kinds: Collection[str], states: Collection[str], after: tuple[datetime, str] | None, limit: int
    ) -> list[JobRun]:
        with self._database.read() as connection:
            return job_runs.page(connection, kinds, states, after, limit)

    def _request_cancel(self, job_id: str) -> None:
        self._get(job_id)
        with self._database.write() as connection:
            job_runs.request_cancel(connection, job_id)

    async def _run(self, job: RunningJob, work: Work) -> None:
        deadline.set(None)  # a task starts with that of the call that asked for the job; the job outlives the call
        said = {"job": job.run.job_id, "kind": job.run.kind}
        try:
            await carry_out(job, work)
        except JobCancelled:
            log.info("job cancelled", **said)
        except Exception:  # the job's row has its error; the coordinator and its other jobs go on
            log.exception("job failed", **said)
            BACKGROUND_ERRORS.labels("coordinator", job.run.kind).inc()
