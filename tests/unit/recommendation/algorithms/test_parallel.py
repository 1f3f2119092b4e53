import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from services.recommendation.algorithms import parallel

np.ones((2, 2)) @ np.ones((2, 2))  # the linear algebra whose threads are limited is there from now on


def blas() -> set[int]:
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize("threads", [1, 2])
def test_results_keep_the_order_of_the_items(threads: int) -> None:
    with threadpool_limits(limits=threads):
        assert parallel.each(lambda item: item * item, range(50)) == [item * item for item in range(50)]


def test_two_threads_work_at_the_same_time_each_with_linear_algebra_of_its_own() -> None:
    together = threading.Barrier(2, timeout=10)

    def met(_: int) -> tuple[set[int], int]:
        together.wait()
        return blas(), parallel.allowed()

    with threadpool_limits(limits=2):
        assert parallel.each(met, range(2)) == [({1}, 1), ({1}, 1)]
        assert parallel.allowed() == 2


def test_a_single_item_has_all_threads() -> None:
    with threadpool_limits(limits=2):
        assert parallel.each(lambda _: parallel.allowed(), [0]) == [2]


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_is_raised_and_limits_are_as_before(threads: int) -> None:
    with threadpool_limits(limits=threads):
        with pytest.raises(ZeroDivisionError):
            parallel.each(lambda item: 1 // item, [1, 0, 1])
        assert parallel.allowed() == threads
