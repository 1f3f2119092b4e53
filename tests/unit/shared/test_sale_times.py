"""Products come on sale and go off it by the clock, without a change."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shared.sale_times import ALWAYS, SaleTimes


def longs(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


TIMES = SaleTimes.of(longs(0, 500, 0, 900), longs(ALWAYS, ALWAYS, 700, 950), now=100)


def test_only_what_begins_or_ends_is_looked_at() -> None:
    assert TIMES.rows.tolist() == [1, 2, 3]


def test_the_clock_decides_what_is_on_sale() -> None:
    closed = {now: TIMES.closed(now).tolist() for now in (100, 499, 500, 699, 700, 900, 950)}
    assert closed == {100: [1, 3], 499: [1, 3], 500: [3], 699: [3], 700: [2, 3], 900: [2], 950: [2, 3]}


def test_a_period_ends_when_something_begins_or_ends() -> None:
    periods = [TIMES.period(now) for now in (100, 499, 500, 699, 700, 899, 900, 949, 950, 10**9)]
    assert [before == after for before, after in pairwise(periods)] == [
        True,
        False,
        True,
        False,
        True,
        False,
        True,
        False,
        True,
    ]
