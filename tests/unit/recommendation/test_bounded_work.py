"""Work beside the answers ends in time and rests as long as it works."""

import time
from collections.abc import Iterator

from services.recommendation.bounded_work import BoundedWork


def test_all_is_done_where_there_is_time() -> None:
    work = BoundedWork(60.0)
    assert list(work.over(range(3))) == [0, 1, 2]
    assert not work.incomplete


def test_time_ends() -> None:
    work = BoundedWork(0.0)
    assert list(work.over(range(3))) == []
    assert work.incomplete


def test_it_rests_as_long_as_it_works() -> None:
    def busy() -> Iterator[int]:
        for number in range(6):
            until = time.thread_time() + 0.01
            while time.thread_time() < until:
                pass
            yield number

    began, worked = time.monotonic(), time.thread_time()
    assert len(list(BoundedWork(60.0).over(busy()))) == 6
    assert time.monotonic() - began >= 1.7 * (time.thread_time() - worked)
