"""A thread that does the work of calls, and a bounded queue before it."""

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from shared.errors import Overloaded
from shared.rpc.interceptor import deadline
from shared.telemetry import WORK_UNFINISHED

MOST_APPLYING = 8
"""Calls that wait to apply the event log, at most. They have one thread: two would wait for each other."""
T = TypeVar("T")
_UNFINISHED = WORK_UNFINISHED.labels("worker")


class BoundedWorker:
    """Does work that keeps a core busy.

    Threads of one process take turns at Python's interpreter lock. Where an answer takes it many times, two threads
    answer no more calls than one, and each call takes longer (docs/decisions/0021). Work that waits for longer than
    its caller does is done for nobody. So one thread works, and what would wait behind too much is refused at once:
    the caller can still do something else in time. Call it from one event loop.

    Parameters
    ----------
    most_waiting : int
        Calls that wait for the thread, at most.
    """

    def __init__(self, most_waiting: int) -> None:
        self._most = most_waiting + 1
        self._unfinished = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="worker")

    async def run(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, called in the thread with the context of this call.

        Raises
        ------
        Overloaded
            If too many calls wait, or the caller's deadline passed before the thread was free.
        """
        if self._unfinished >= self._most:
            raise Overloaded(f"{self._unfinished} calls are waiting or being answered")
        self._unfinished += 1
        _UNFINISHED.inc()
        try:
            context = contextvars.copy_context()
            return await asyncio.get_running_loop().run_in_executor(self._pool, context.run, _in_time, work)
        finally:
            self._unfinished -= 1
            _UNFINISHED.dec()


def _in_time(work: Callable[[], T]) -> T:
    until = deadline.get()
    if until is not None and time.monotonic() > until:
        raise Overloaded("the caller's deadline passed while the call waited")
    return work()
