"""Ratios over units: hand-computed values, merging, and coverage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import sem

from services.feedback.statistics.bootstrap import bootstrap_interval
from services.feedback.statistics.ratio import RatioMoments

UNITS = st.lists(st.tuples(st.integers(0, 30), st.integers(-500, 5_000)), max_size=20)


def moments(units: list[tuple[int, int]]) -> RatioMoments:
    return RatioMoments.of([x for x, _ in units], [y for _, y in units])


def test_the_variance_is_the_hand_computed_one() -> None:
    # Clicks 1, 0, 2 of 4, 2, 6 shown: 3 / 12 = .25, parts y − .25 x: 0, −.5, .5, so their variance is .25;
    # divided by 3 units and by the squared mean of 4 shown.
    found = RatioMoments.of([4, 2, 6], [1, 0, 2])
    assert found == RatioMoments(3, 12, 3, 56, 16, 5)
    assert found.value == 0.25
    assert found.unit_variance == pytest.approx(0.25 / 16)
    assert found.variance == pytest.approx(0.25 / 3 / 16)
    assert found.estimate.standard_error == pytest.approx((0.25 / 48) ** 0.5)
    assert found.estimate.units == 3


def test_with_one_event_a_unit_it_is_the_error_of_the_mean() -> None:
    amounts = np.random.default_rng(0).lognormal(3, 1, 50)
    found = RatioMoments.of(np.ones(50), amounts).estimate
    assert found.value == pytest.approx(amounts.mean())
    assert found.standard_error == pytest.approx(sem(amounts))


@given(UNITS, UNITS)
def test_merged_moments_are_those_of_all_units(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> None:
    assert moments(some) + moments(others) == moments(some + others)


@given(UNITS)
def test_the_interval_holds_the_ratio(units: list[tuple[int, int]]) -> None:
    found = moments(units)
    low, high = found.estimate.interval()
    assert found.n < 2 or not found.x or low <= found.value <= high


@pytest.mark.parametrize("units", [[], [(3, 1)], [(0, 0), (0, 0)]])
def test_too_little_says_nothing(units: list[tuple[int, int]]) -> None:
    found = moments(units).estimate
    assert found.standard_error == np.inf
    assert found.interval() == (-np.inf, np.inf)
    assert found.p_value() == 1


def test_moments_may_be_arrays() -> None:
    first, second = RatioMoments.of([4, 2, 6], [1, 0, 2]), RatioMoments.of([1, 1], [5, 0])
    names = ("n", "x", "y", "xx", "xy", "yy")
    both = RatioMoments(*(np.array([getattr(first, name), getattr(second, name)]) for name in names))
    np.testing.assert_allclose(both.value, [first.value, second.value])
    np.testing.assert_allclose(both.variance, [first.variance, second.variance])
    np.testing.assert_allclose(
        both.estimate.interval(), np.transpose([first.estimate.interval(), second.estimate.interval()])
    )


@pytest.mark.parametrize(("x", "y", "field"), [([1, 2], [1], "y"), ([-1], [1], "x"), ([[1]], [[1]], "y")])
def test_bad_units_are_refused(x: list[int], y: list[int], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: must"):
        RatioMoments.of(x, y)


def draw(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return shown and clicks of customers whose clicks resemble each other."""
    shown = rng.poisson(rng.gamma(1.5, 8, n)) + 1
    return shown, rng.binomial(shown, rng.beta(1, 9, n))


def test_intervals_cover_where_those_of_independent_clicks_do_not() -> None:
    rng = np.random.default_rng(1)
    covered = naive = 0
    for _ in range(1_000):
        found = RatioMoments.of(*draw(rng, 300))
        low, high = found.estimate.interval()
        covered += low <= 0.1 <= high
        naive += abs(found.value - 0.1) <= 1.96 * np.sqrt(found.value * (1 - found.value) / found.x)
    assert 0.93 <= covered / 1_000 <= 0.97
    assert naive / 1_000 < 0.8


def test_the_bootstrap_agrees() -> None:
    rng = np.random.default_rng(2)
    orders = rng.poisson(0.3, 3_000)
    revenue = orders * rng.lognormal(3, 0.8, 3_000)
    analytic = RatioMoments.of(orders, revenue).estimate.interval()
    np.testing.assert_allclose(bootstrap_interval(orders, revenue), analytic, rtol=0.01)


def test_the_bootstrap_has_a_seed_and_a_level() -> None:
    x, y = draw(np.random.default_rng(3), 100)
    wide = bootstrap_interval(x, y)
    assert bootstrap_interval(x, y) == wide
    assert bootstrap_interval(x, y, seed=1) != wide
    low, high = bootstrap_interval(x, y, level=0.5)
    assert wide[0] < low < y.sum() / x.sum() < high < wide[1]


def test_the_bootstrap_of_nothing_is_unknown() -> None:
    assert np.isnan(bootstrap_interval([], [])).all()
    with pytest.raises(ValueError, match=r"^y: must have the shape of x"):
        bootstrap_interval([1], [1, 2])
