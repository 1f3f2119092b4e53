"""Parallel execution on as many threads or processes as linear algebra libraries may use threads at the moment."""

import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any, TypeVar

from threadpoolctl import threadpool_info, threadpool_limits

from shared.end_with_parent import end_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the results of `function` for the items, in the order of the items.

    If calls raise errors, the error of the first such item is raised. The function should spend its time in numpy,
    scipy or tree libraries, because these release the interpreter lock. During the calls linear algebra uses one
    thread per call; a single item may use all threads. Do not call this while other threads change thread limits.
    """
    items, threads = list(items), allowed()
    if threads < 2 or len(items) < 2:
        return [function(item) for item in items]
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))


def each_forked(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return what `each` returns, by processes: for functions of many short steps, whose threads wait for each other.

    Threads that run a compiled step of some microseconds and then need the interpreter again kept 1.1 of two cores
    busy. The processes are forks, which share the memory of this one and see all that `function` does; results are
    copied back. Only Linux forks: elsewhere threads work.
    """
    items, processes = list(items), allowed()
    if processes < 2 or len(items) < 2 * processes or sys.platform != "linux":
        return each(function, items)
    context = multiprocessing.get_context("fork")
    with (
        threadpool_limits(limits=1, user_api="blas"),
        ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(function,)) as pool,
    ):
        return list(pool.map(_forked, items))


_function: Callable[[Any], Any]
"""What a forked process carries out, from its beginning: functions within functions cannot be sent to it."""


def _begin(function: Callable[[Any], Any]) -> None:
    global _function
    _function = function
    end_with_parent(signal.SIGKILL)


def _forked(item: Any) -> Any:
    return _function(item)


def allowed() -> int:
    """Return the number of threads that linear algebra may use now."""
    found = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    return max(found, default=1)
