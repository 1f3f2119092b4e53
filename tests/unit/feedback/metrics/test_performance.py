"""Rates are fractions of what was shown, and the interval is Wilson's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.metrics.performance import performance, rate, wilson_interval
from shared.db.algorithm_performance import AlgorithmCounts


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(10, 100, 0.05522914, 0.17436566), (0, 10, 0.0, 0.27753280), (10, 10, 0.72246720, 1.0), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_as_published(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-7)


@given(st.integers(0, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(counted: tuple[int, int]) -> None:
    low, high = wilson_interval(*counted)
    assert 0 <= low <= rate(*counted) <= high <= 1


@pytest.mark.parametrize("successes", [-1, 11])
def test_impossible_counts_are_refused(successes: int) -> None:
    with pytest.raises(ValueError, match="successes: must be from 0 to 10"):
        wilson_interval(successes, 10)


def test_each_rate_is_its_own_count_per_shown() -> None:
    measured = performance(AlgorithmCounts("ease", 1000, 200, 50, 20, 10, 3, {"EUR": 5}))
    assert (measured.click_through_rate, measured.add_to_cart_rate, measured.conversion_rate) == (0.25, 0.1, 0.05)
    assert (measured.click_through_low, measured.click_through_high) == wilson_interval(50, 200)


def test_rates_of_nothing_are_zero() -> None:
    measured = performance(AlgorithmCounts("ease", 5))
    assert (measured.click_through_rate, measured.add_to_cart_rate, measured.conversion_rate) == (0, 0, 0)
