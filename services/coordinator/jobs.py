"""Long-running jobs: start one, keep its row up to date, watch it from any replica."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import structlog

from shared.db import job_runs, request_ids
from shared.db.engine import Connection, Database
from shared.db.job_runs import JobRun
from shared.errors import Conflict, NotFound, QuintetError
from shared.jobs import UNKNOWN_FAULT, Progress
from shared.request_ids import RequestKey
from shared.rpc.interceptor import deadline
from shared.telemetry import BACKGROUND_ERRORS

SAVE_EVERY_SECONDS = 0.5
HEARTBEAT_SECONDS = 5.0
WATCH_EVERY_SECONDS = 0.2
log = structlog.get_logger()

Work = Callable[[], AsyncIterator[Progress]]


class Jobs:
    """Runs jobs in the background, one of a kind at a time across all replicas."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(
        self, kind: str, work: Work, besides: Sequence[str] = (), request: RequestKey | None = None
    ) -> JobRun:
        """Start a job and return its row; for a `request` that is repeated, the row of the job that it started.

        Raises Conflict while one of the kind, or of the kinds `besides`, runs.
        """
        run, repeated = await asyncio.to_thread(self._claim, kind, besides, request)
        if repeated:
            return run
        task = asyncio.create_task(self._run(run, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return run

    async def get(self, job_id: str) -> JobRun:
        """Return a job. Raises NotFound."""
        return await asyncio.to_thread(self._get, job_id)

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
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _claim(self, kind: str, besides: Sequence[str], request: RequestKey | None) -> tuple[JobRun, bool]:
        """Return the job of a request and whether it was started before."""
        with self._database.write() as connection:
            begin = partial(_begin, connection, kind, besides)
            job_id, repeated = request_ids.once(connection, request, begin)
            return _known(connection, job_id), repeated

    def _get(self, job_id: str) -> JobRun:
        with self._database.read() as connection:
            return _known(connection, job_id)

    async def _run(self, run: JobRun, work: Work) -> None:
        deadline.set(None)  # a task starts with that of the call that asked for the job; the job outlives the call
        heartbeat = asyncio.create_task(self._beat(run.job_id))
        try:
            result = await self._follow(run.job_id, work)
            await self._save(job_runs.succeed, run.job_id, result)
        except asyncio.CancelledError:
            await asyncio.shield(self._save(job_runs.fail, run.job_id, "the coordinator was stopped"))
            raise
        except Exception as error:
            log.exception("job failed", job=run.job_id, kind=run.kind)
            BACKGROUND_ERRORS.labels("coordinator", run.kind).inc()
            await self._save(
                job_runs.fail, run.job_id, error.message if isinstance(error, QuintetError) else UNKNOWN_FAULT
            )
        finally:
            heartbeat.cancel()

    async def _follow(self, job_id: str, work: Work) -> dict[str, Any]:
        saved_at = 0.0
        result: dict[str, Any] = {}
        async for progress in work():
            result = progress.result or result
            if time.monotonic() - saved_at >= SAVE_EVERY_SECONDS:
                saved_at = time.monotonic()
                await self._save(job_runs.advance, job_id, progress.stage, progress.fraction)
        return result

    async def _beat(self, job_id: str) -> None:
        """Say that the job is alive while a long stage says nothing."""
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self._save(job_runs.beat, job_id)

    async def _save(self, change: Callable[..., Any], *arguments: Any) -> None:
        await asyncio.to_thread(self._write, change, arguments)

    def _write(self, change: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        with self._database.write() as connection:
            change(connection, *arguments)


def _begin(connection: Connection, kind: str, besides: Sequence[str]) -> str:
    """Record the start of a job and return its id. Raises Conflict while one of the kinds runs."""
    job_runs.fail_lost(connection)
    for each in (kind, *besides):
        other = job_runs.running(connection, each)
        if other is not None:
            raise Conflict(f"{each} is running already as job {other.job_id}", metadata={"job": each})
    return job_runs.start(connection, uuid.uuid4().hex, kind).job_id


def _known(connection: Connection, job_id: str) -> JobRun:
    run = job_runs.get(connection, job_id)
    if run is None:
        raise NotFound.of("job", job_id, "job_id")
    return run
