"""The threads behind `asyncio.to_thread`: some for each kind of work, so that a slow export keeps no event waiting."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any

from shared.errors import Overloaded
from shared.rpc.rights import Work
from shared.telemetry import WORK_UNFINISHED

work: ContextVar[Work | None] = ContextVar("work", default=None)
"""Kind of work of the call that is being answered; None for what no call asked for."""

THREADS = {Work.SERVE: 8, Work.WRITE: 4, Work.BULK: 4, Work.REPORT: 3}
BACKGROUND_THREADS = 6
MOST_WAITING = 200
"""Pieces of work of one kind that wait for a thread; more are refused at once."""


class ThreadsByWork(ThreadPoolExecutor):
    """An executor of executors; the event loop's default one."""

    def __init__(self) -> None:
        super().__init__(BACKGROUND_THREADS, thread_name_prefix="background")
        self._pools = {
            kind: ThreadPoolExecutor(count, thread_name_prefix=kind.name.lower()) for kind, count in THREADS.items()
        }
        self._unfinished = dict.fromkeys(THREADS, 0)
        self._counting = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Have a thread of the present call's kind of work call `fn`. Raises Overloaded when too much waits."""
        kind = work.get()
        if kind is None:
            return super().submit(fn, *args, **kwargs)
        self._count(kind)
        future = self._pools[kind].submit(fn, *args, **kwargs)
        future.add_done_callback(lambda _: self._finished(kind))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all threads."""
        for pool in self._pools.values():
            pool.shutdown(wait, cancel_futures=cancel_futures)
        super().shutdown(wait, cancel_futures=cancel_futures)

    def _count(self, kind: Work) -> None:
        with self._counting:
            if self._unfinished[kind] >= THREADS[kind] + MOST_WAITING:
                raise Overloaded(f"{MOST_WAITING} pieces of {kind.name} work wait for a thread")
            self._unfinished[kind] += 1
        WORK_UNFINISHED.labels(kind.name.lower()).inc()

    def _finished(self, kind: Work) -> None:
        with self._counting:
            self._unfinished[kind] -= 1
        WORK_UNFINISHED.labels(kind.name.lower()).dec()
