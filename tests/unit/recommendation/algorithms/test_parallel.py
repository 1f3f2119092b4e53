import multiprocessing
import os
import subprocess
import sys
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


@pytest.mark.parametrize("threads", [1, 2])
def test_forks_see_what_is_there_and_give_results_in_order(threads: int) -> None:
    there = {item: item * item for item in range(50)}
    with threadpool_limits(limits=threads):
        assert parallel.each_forked(lambda item: there[item], range(50)) == list(there.values())


def test_forks_work_at_the_same_time_each_with_linear_algebra_of_its_own() -> None:
    here, together = os.getpid(), multiprocessing.get_context("fork").Barrier(2, timeout=10)

    def met(_: int) -> tuple[int, set[int]]:
        together.wait()
        return os.getpid(), blas()

    with threadpool_limits(limits=2):
        found = parallel.each_forked(met, range(4))
    assert len({pid for pid, _ in found} | {here}) == 3
    assert [threads for _, threads in found] == [{1}] * 4


def test_an_error_in_a_fork_is_raised() -> None:
    with threadpool_limits(limits=2), pytest.raises(ZeroDivisionError):
        parallel.each_forked(lambda item: 1 // item, [1, 1, 0, 1])


def test_forks_end_with_the_process_that_they_work_for() -> None:
    program = """
import os, time
from threadpoolctl import threadpool_limits
import numpy as np
np.ones((2, 2)) @ np.ones((2, 2))
from services.recommendation.algorithms import parallel

def told(item):
    os.write(1, f"{os.getpid()}\\n".encode())  # in one piece, whatever the buffering
    time.sleep(600)

with threadpool_limits(limits=2):
    parallel.each_forked(told, range(4))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        forks = [int(process.stdout.readline()) for _ in range(2)]
        process.kill()
        process.wait()
        assert process.stdout.read() == ""  # the last of them that could write is gone
    assert len(set(forks)) == 2
