"""Parallel execution on as many threads as the linear algebra libraries may use at the moment."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_info, threadpool_limits

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


def allowed() -> int:
    """Return the number of threads that linear algebra may use now."""
    found = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    return max(found, default=1)
