"""The interval of a proportion is Wilson's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from services.feedback.statistics.proportion import wilson_interval


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(10, 100, 0.05522914, 0.17436566), (0, 10, 0.0, 0.27753280), (10, 10, 0.72246720, 1.0), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_as_published(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-7)


@given(st.integers(0, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(counted: tuple[int, int]) -> None:
    low, high = wilson_interval(*counted)
    successes, trials = counted
    assert 0 <= low <= (successes / trials if trials else 0) <= high <= 1


@pytest.mark.parametrize("successes", [-1, 11])
def test_impossible_counts_are_refused(successes: int) -> None:
    with pytest.raises(ValueError, match="successes: must be from 0 to 10"):
        wilson_interval(successes, 10)


@given(st.integers(1, 2_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_is_that_of_scipy(counted: tuple[int, int]) -> None:
    theirs = binomtest(*counted).proportion_ci(method="wilson")
    assert wilson_interval(*counted) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
