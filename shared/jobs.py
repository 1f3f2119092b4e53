"""Long work in a child process: the child says its progress in JSON lines, the agent relays them.

Child, run as `python -m services.x.job`:

    {"stage": "ease: solving", "progress": 0.4}
    {"progress": 1.0, "result": {"version": "20260101T120000Z"}}

or, when it fails, `{"error": "...", "code": "...", "reason": 81}` and exit code 1. What is not an error of
`shared.errors` is in the log alone: its words may be a driver's.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from shared.config import Settings
from shared.errors import (
    AlreadyExists,
    Conflict,
    DataLoss,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    QuintetError,
    Unavailable,
)
from shared.lease import LEASE_VARIABLE, working_for
from shared.telemetry import configure_logging

LONGEST_LINE = 1024 * 1024
ERRORS: dict[str, type[QuintetError]] = {
    error.code.name: error
    for error in (InvalidArgument, NotFound, AlreadyExists, Conflict, FailedPrecondition, Unavailable, DataLoss)
}
"""Errors that come through from the child, by the names of their codes."""
UNKNOWN_FAULT = "an internal error ended the job, see the log of the agent"
log = structlog.get_logger()


@dataclass(frozen=True)
class Progress:
    """How far a job is: `fraction` from 0 to 1; `result` only at the end."""

    stage: str
    fraction: float
    result: dict[str, Any] | None = None


@dataclass
class ProgressReporter:
    """The child's side: prints progress on standard output."""

    write: Callable[[str], Any] = field(default=lambda line: print(line, flush=True))

    def report(self, stage: str, fraction: float) -> None:
        """Say what is being done now and how far the whole job is, 0 to 1."""
        self.write(json.dumps({"stage": stage, "progress": round(min(max(fraction, 0.0), 1.0), 4)}))

    def done(self, result: dict[str, Any]) -> None:
        """Say that the job succeeded and what came of it."""
        self.write(json.dumps({"stage": "done", "progress": 1.0, "result": result}))

    def failed(self, error: Exception) -> None:
        """Say that the job failed and why."""
        known = error if isinstance(error, QuintetError) else QuintetError(UNKNOWN_FAULT)
        self.write(json.dumps({"error": known.message, "code": known.code.name, "reason": known.reason}))


INTERNAL = "the job ended with an internal error, see its log"
QUICK = "quick"
"""Argument of a training that learns the rerankers from few questions: a first model, sooner."""
TRIGGER, DRIFT_DAY = "trigger", "drift_day"
"""Names of arguments of a training, as `trigger=drift`: what triggered it, and the day whose drift did."""
TEST, REPLAY = "test", "replay"
"""Arguments of the tests of stored models."""
NICENESS = 19
"""Of jobs: answers come first, jobs get the time of the cores that they leave."""


def job_main(agent: str, work: Callable[[Settings, ProgressReporter], dict[str, Any]]) -> int:
    """Run `work(settings, reporter)` as this child process, behind all others, and return its exit code."""
    os.nice(NICENESS)
    settings = Settings()
    configure_logging(settings, agent)
    reporter = ProgressReporter()
    try:
        reporter.done(work(settings, reporter))
    except QuintetError as error:  # the parent says it
        reporter.failed(error)
        return 1
    except Exception as error:
        log.exception("job failed")
        reporter.failed(error)
        return 1
    return 0


async def run_job(module: str, settings: Settings, *arguments: str) -> AsyncGenerator[Progress, None]:
    """Run `python -m module` as a child and yield its progress; the last one has the result.

    The child is killed when the iteration is given up. It works for the lease that this call works for. Raises the
    child's error when it is one of `ERRORS`, else QuintetError.
    """
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=_environment(settings),
        limit=LONGEST_LINE,
    )
    assert child.stdout is not None  # noqa: S101 - for the type checker: it is piped
    finished = False
    try:
        async for line in child.stdout:
            progress = _parse(line)
            finished = finished or progress.result is not None
            yield progress
        code = await child.wait()
        if code or not finished:
            raise QuintetError(f"{module} ended with exit code {code} before it was done")
    finally:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()


class SingleJob:
    """A job that runs once at a time in this process."""

    def __init__(self, module: str, settings: Settings) -> None:
        self._module = module
        self._settings = settings
        self._running = False

    async def run(self, *arguments: str) -> AsyncGenerator[Progress, None]:
        """Run it as `run_job` does and yield its progress. Raises Conflict while it runs already."""
        if self._running:
            raise Conflict(f"{self._module} is running already", metadata={"job": self._module.rpartition(".")[2]})
        self._running = True
        try:
            async with aclosing(run_job(self._module, self._settings, *arguments)) as steps:
                async for progress in steps:
                    yield progress
        finally:
            self._running = False


def _parse(line: bytes) -> Progress:
    said = json.loads(line)
    if "error" in said:
        raise ERRORS.get(said["code"], QuintetError)(said["error"], reason=said["reason"])
    return Progress(said.get("stage", ""), float(said["progress"]), said.get("result"))


def _environment(settings: Settings) -> dict[str, str]:
    threads = str(settings.train_threads)
    lease = working_for.get()
    return {
        **os.environ,
        LEASE_VARIABLE: "" if lease is None else str(lease),
        "QUINTET_DATABASE_URL": settings.database_url,
        "QUINTET_LOG_FORMAT": settings.log_format,
        "QUINTET_LOG_LEVEL": settings.log_level,
        "QUINTET_TRAIN_THREADS": threads,
        "OPENBLAS_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
        # Threads that wait go to sleep: the cores are shared with agents that answer meanwhile.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
