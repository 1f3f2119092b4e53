"""Rates are fractions of what was shown, with Wilson's interval of the click-through rate."""

from services.feedback.metrics.performance import performance
from services.feedback.statistics.proportion import wilson_interval
from shared.db.algorithm_performance import AlgorithmCounts


def test_each_rate_is_its_own_count_per_shown() -> None:
    measured = performance(AlgorithmCounts("ease", 1000, 200, 50, 20, 10, 3, {"EUR": 5}))
    assert (measured.click_through_rate, measured.add_to_cart_rate, measured.conversion_rate) == (0.25, 0.1, 0.05)
    assert (measured.click_through_low, measured.click_through_high) == wilson_interval(50, 200)


def test_rates_of_nothing_are_zero() -> None:
    measured = performance(AlgorithmCounts("ease", 5))
    assert (measured.click_through_rate, measured.add_to_cart_rate, measured.conversion_rate) == (0, 0, 0)
