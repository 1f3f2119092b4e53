"""Work on all threads that the linear algebra libraries may use at the moment."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_info, threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")


def each(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return what `function` gives for each item, in their order; the first error that occurs is raised.

    Meant for functions that spend their time in numpy, scipy or trees, which let other threads run meanwhile. Inside,
    each thread has linear algebra to itself; a single item has all threads. Not for use while other threads change the
    limits of threads.
    """
    items, threads = list(items), allowed()
    if threads < 2 or len(items) < 2:
        return [function(item) for item in items]
    with threadpool_limits(limits=1, user_api="blas"), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, items))


def allowed() -> int:
    """Return how many threads linear algebra may use now."""
    found = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    return max(found, default=1)
