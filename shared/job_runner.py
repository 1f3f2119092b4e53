"""Carries a claimed job out: its row follows the work, its end is recorded, and it ends early when it must."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import grpc
import structlog

from shared.db.leases import LeaseLost
from shared.errors import QuintetError
from shared.jobs import UNKNOWN_FAULT, Progress
from shared.lease import working_for
from shared.running_job import RunningJob

SAVE_EVERY_SECONDS = 0.5
STOPPED = "the process that ran it was stopped"
log = structlog.get_logger()

Work = Callable[[], AsyncGenerator[Progress, None]]
Show = Callable[[str, float], Any]


class JobCancelled(QuintetError):
    """Somebody asked that the job ends."""

    code = grpc.StatusCode.CANCELLED


async def carry_out(job: RunningJob, work: Work, show: Show = lambda stage, fraction: None) -> dict[str, Any]:
    """Do the work, record how it ended, and return its result. `show` gets each stage and how far the job is, 0 to 1.

    Raises what the work raised, once it is recorded; JobCancelled when somebody asked for the end; LeaseLost when
    another process has taken the job over, which then records nothing here.
    """
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    working_for.set(job.lease)
    job.keep(lambda: loop.call_soon_threadsafe(task.cancel) if task is not None else None)
    try:
        result = await _follow(job, work, show)
        await asyncio.to_thread(job.succeed, result)
    except asyncio.CancelledError:
        await asyncio.shield(asyncio.to_thread(_record_stop, job))
        if job.cancel_wanted:
            raise JobCancelled(f"job {job.run.job_id} was cancelled") from None
        raise
    except LeaseLost:
        raise
    except Exception as error:
        await asyncio.to_thread(job.fail, _said(error))
        raise
    finally:
        await asyncio.shield(asyncio.to_thread(job.close))
    return result


async def _follow(job: RunningJob, work: Work, show: Show) -> dict[str, Any]:
    saved_at = 0.0
    result: dict[str, Any] = {}
    async with aclosing(work()) as steps:
        async for progress in steps:
            show(progress.stage, progress.fraction)
            result = progress.result or result
            if time.monotonic() - saved_at >= SAVE_EVERY_SECONDS:
                saved_at = time.monotonic()
                await asyncio.to_thread(job.advance, progress.stage, progress.fraction)
    return result


def _record_stop(job: RunningJob) -> None:
    if job.lost:
        raise LeaseLost("another process has taken the job over")
    if job.cancel_wanted:
        job.cancel()
    else:
        job.fail(STOPPED)


def _said(error: Exception) -> str:
    """Return what people are told: an error that was meant for them, else where to look."""
    if isinstance(error, QuintetError):
        return error.message
    return UNKNOWN_FAULT
