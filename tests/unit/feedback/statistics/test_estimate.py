"""Estimates, their intervals and their differences."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from services.feedback.statistics.estimate import Estimate, difference, relative_difference

UNKNOWN = Estimate(float("nan"), float("inf"), 0)


def test_the_interval_is_the_normal_one() -> None:
    low, high = Estimate(10.0, 2.0, 100).interval()
    assert (low, high) == pytest.approx((6.080072, 13.919928), abs=1e-6)
    assert Estimate(10.0, 2.0, 100).interval(0.5) == pytest.approx(tuple(norm.interval(0.5, 10, 2)))


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0.01, 0.99))
def test_the_interval_holds_the_value_and_agrees_with_the_p_value(value: float, error: float, level: float) -> None:
    estimate = Estimate(value, error, 10)
    low, high = estimate.interval(level)
    assert low <= value <= high
    if abs(estimate.p_value() - (1 - level)) > 1e-9:
        assert (low <= 0 <= high) == (estimate.p_value() > 1 - level)


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0])
def test_impossible_levels_are_refused(level: float) -> None:
    with pytest.raises(ValueError, match="level: must be between 0 and 1"):
        Estimate(1.0, 1.0, 1).interval(level)


def test_a_p_value_is_two_sided() -> None:
    assert Estimate(-1.959964, 1.0, 5).p_value() == pytest.approx(0.05, abs=1e-6)


@pytest.mark.parametrize("estimate", [UNKNOWN, Estimate(3.0, float("inf"), 1), Estimate(3.0, 0.0, 2)])
def test_what_is_unknown_is_no_evidence(estimate: Estimate) -> None:
    assert estimate.z() == 0
    assert estimate.p_value() == 1


def test_the_difference_of_arms_of_one_size() -> None:
    found = difference(Estimate(10.0, 3.0, 100), Estimate(12.0, 4.0, 100))
    assert (found.value, found.standard_error, found.units) == (2.0, 5.0, 200)


def test_the_larger_of_both_errors_counts() -> None:
    # Own variances: 9 + 16. Of all units: (100 · 900 + 50 · 800) / 150 · (1 / 100 + 1 / 50) = 26.
    assert difference(Estimate(10.0, 3.0, 100), Estimate(12.0, 4.0, 50)).standard_error == pytest.approx(np.sqrt(26))
    assert difference(Estimate(10.0, 3.0, 50), Estimate(12.0, 4.0, 100)).standard_error == pytest.approx(np.sqrt(36.5))
    # A control of variance 100 and a treated arm of variance 400, which is small: 1 + 40 against 10 + 4.
    assert difference(Estimate(0.0, 1.0, 100), Estimate(1.0, np.sqrt(40), 10)).standard_error == pytest.approx(41**0.5)


def test_a_small_arm_of_rare_large_values_does_not_seem_worse() -> None:
    rng = np.random.default_rng(0)
    orders = rng.random((1_000, 2_200)) < 0.05
    amounts = orders * rng.lognormal(3, 1.2, orders.shape)
    arms = [
        Estimate(each.mean(axis=1), each.std(axis=1, ddof=1) / np.sqrt(each.shape[1]), each.shape[1])
        for each in (amounts[:, :2_000], amounts[:, 2_000:])
    ]
    own = Estimate(arms[1].value - arms[0].value, np.hypot(arms[0].standard_error, arms[1].standard_error), 2_200)
    assert np.mean(np.asarray(own.p_value()) <= 0.01) > 0.02
    assert np.mean(np.asarray(difference(*arms).p_value()) <= 0.01) <= 0.01


def test_the_relative_difference_of_arms_is_the_hand_computed_one() -> None:
    # 12 / 10 − 1; √((4 / 10)² + (1.2 · 3 / 10)²), times √(26 / 25) as of the difference
    found = relative_difference(Estimate(10.0, 3.0, 100), Estimate(12.0, 4.0, 50))
    assert found.value == pytest.approx(0.2)
    assert found.standard_error == pytest.approx(np.sqrt((0.16 + 0.1296) * 26 / 25))


def test_the_relative_interval_covers() -> None:
    rng = np.random.default_rng(0)
    control, treated = rng.normal(10, 0.5, 4_000), rng.normal(11, 0.4, 4_000)
    low, high = relative_difference(Estimate(control, 0.5, 1), Estimate(treated, 0.4, 1)).interval()
    assert 0.94 <= np.mean((low <= 0.1) & (high >= 0.1)) <= 0.96


@pytest.mark.parametrize("control", [UNKNOWN, Estimate(0.0, 0.0, 5), Estimate(-1.0, 1.0, 5)])
def test_nothing_is_relative_to_nothing(control: Estimate) -> None:
    found = relative_difference(control, Estimate(1.0, 1.0, 5))
    assert found.standard_error == np.inf
    assert found.interval() == (-np.inf, np.inf)


def test_a_difference_to_an_unknown_arm_is_unknown() -> None:
    for found in (difference(UNKNOWN, Estimate(1.0, 1.0, 5)), relative_difference(Estimate(1.0, 1.0, 5), UNKNOWN)):
        assert found.interval() == (-np.inf, np.inf)
