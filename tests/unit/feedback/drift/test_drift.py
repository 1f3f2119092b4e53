"""Drift is found where there is one, and daily looks do not cry wolf where there is none."""

import numpy as np
import pytest

from services.feedback.drift.alarm import DriftTest, Kind, Thresholds, judged
from services.feedback.drift.population import divergence, population_shift
from services.feedback.drift.quality import Look, quality_change
from services.feedback.drift.response import rate_change

DAYS, MONTHS = 28, 80
SHARES = np.array([0.3, 0.25, 0.15, 0.12, 0.1, 0.05, 0.02, 0.01])
WEEKEND = np.array([1.6, 0.9, 0.8, 0.8, 1.0, 1.0, 1.0, 1.0])
SPREADS = (0.0, 0.08, 0.08, 0.25, 0.25)
"""Of the logarithms of the rates of placements, from quiet to restless."""
ANY_SIZE = Thresholds(index=0.0, change=0.0)
"""Every shift matters, however small: the alarms that are left are those of the tests."""


def days_of_counts(rng: np.random.Generator, days: int, shares: np.ndarray = SHARES) -> np.ndarray:
    """Return days whose shares vary by themselves and with the weekend."""
    found = []
    for day in range(days):
        tilted = shares * (WEEKEND if day % 7 >= 5 else 1.0)
        drawn = rng.dirichlet(400 * tilted / tilted.sum())
        found.append(rng.multinomial(rng.poisson(5_000 if day % 7 < 5 else 8_000), drawn))
    return np.array(found)


def days_of_clicks(rng: np.random.Generator, days: int, spread: float = 0.08) -> tuple[np.ndarray, np.ndarray]:
    """Return clicks and displays of days whose rate varies by itself and is a tenth higher at the weekend."""
    shown = rng.poisson(3_000, days)
    rates = 0.04 * np.exp(rng.normal(0, spread, days)) * np.where(np.arange(days) % 7 >= 5, 1.1, 1.0)
    return rng.binomial(shown, rates), shown


def of_day(counts: np.ndarray, clicks: list[tuple[np.ndarray, np.ndarray]], day: int) -> list[DriftTest]:
    """Return the tests of a day against the 28 before: one of inputs, one of each placement."""
    before = slice(day - DAYS, day)
    shift = population_shift(counts[before], counts[day])
    assert shift is not None
    tests = [DriftTest(Kind.INPUTS, "category", 0, 0, shift.index, shift.p_value)]
    for place, (clicked, shown) in enumerate(clicks):
        change = rate_change(clicked[before], shown[before], clicked[day], shown[day])
        assert change is not None
        tests.append(DriftTest(Kind.RESPONSE, f"p{place}", 0, 0, change.relative, change.p_value))
    return tests


def test_a_month_without_a_change_raises_an_alarm_as_seldom_as_stated() -> None:
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(MONTHS):
        counts = days_of_counts(rng, DAYS + 30)
        clicks = [days_of_clicks(rng, DAYS + 30, spread) for spread in SPREADS]
        alarms += any(
            each.found for day in range(DAYS, DAYS + 30) for each in judged(of_day(counts, clicks, day), ANY_SIZE)
        )
    # stated are 5 % of the months; three standard errors of 80 months are 7.3 % more
    assert alarms / MONTHS <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / MONTHS)


def test_a_single_test_keeps_its_level_on_weekends_of_restless_shops() -> None:
    rng = np.random.default_rng(9)
    below = []
    for _ in range(2_000):
        clicked, shown = days_of_clicks(rng, DAYS + 6, 0.2)
        change = rate_change(clicked[5:-1], shown[5:-1], clicked[-1], shown[-1])  # the last day is a Saturday
        assert change is not None
        below.append(change.p_value <= 0.01)
    assert np.mean(below) <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 2_000)


def test_shares_that_really_change_are_found() -> None:
    rng = np.random.default_rng(4)
    found = 0
    for _ in range(50):
        counts = days_of_counts(rng, DAYS)
        day = days_of_counts(rng, 1, SHARES[::-1])[0]
        shift = population_shift(counts, day)
        assert shift is not None
        [each] = judged([DriftTest(Kind.INPUTS, "category", 0, 0, shift.index, shift.p_value)], Thresholds())
        found += each.found
    assert found >= 48


def test_a_rate_that_falls_by_half_is_found_on_the_first_day() -> None:
    rng = np.random.default_rng(5)
    found = 0
    for _ in range(100):
        clicked, shown = days_of_clicks(rng, DAYS)
        change = rate_change(clicked, shown, rng.binomial(3_000, 0.02), 3_000)
        assert change is not None
        found += judged([DriftTest(Kind.RESPONSE, "p", 0, 0, change.relative, change.p_value)], Thresholds())[0].found
    assert found >= 80


def test_a_change_that_does_not_matter_is_none() -> None:
    test = DriftTest(Kind.RESPONSE, "p", 0.041, 0.04, 0.025, 1e-12)
    assert not judged([test], Thresholds())[0].found
    assert judged([test], Thresholds(change=0.02))[0].found
    better = DriftTest(Kind.QUALITY, "live", 0.2, 0.1, 1.0, 1e-12)
    assert not judged([better], Thresholds())[0].found, "quality that rises is no drift"


def test_the_index_and_the_divergence_are_those_of_the_definitions() -> None:
    reference = np.tile([50_000, 50_000], (7, 1)).astype(float)
    shift = population_shift(reference, np.array([75_000.0, 25_000.0]))
    assert shift is not None
    assert shift.index == pytest.approx(0.25 * np.log(1.5) - 0.25 * np.log(0.5), rel=1e-3)
    assert divergence(np.array([1.0, 0.0]), np.array([0.0, 2.0])) == pytest.approx(1.0)
    assert divergence(np.array([3.0, 1.0]), np.array([6.0, 2.0])) == pytest.approx(0.0, abs=1e-12)


def test_rare_values_are_counted_together() -> None:
    rng = np.random.default_rng(6)
    many = np.full(500, 1 / 500)
    reference = rng.multinomial(400, many, size=DAYS)
    shift = population_shift(reference, rng.multinomial(400, many))
    assert shift is None, "every value is rare: there is nothing left to compare"


def test_too_little_says_nothing() -> None:
    assert population_shift(np.ones((6, 3)) * 100, np.ones(3) * 100) is None
    assert population_shift(np.ones((9, 3)) * 100, np.zeros(3)) is None
    assert rate_change(np.full(28, 1), np.full(28, 10), 5, 10) is None
    assert rate_change(np.zeros(28), np.full(28, 10), 0, 10) is None
    assert quality_change([], Look(500, 0.2, 0.1, 0.01)) is None
    assert quality_change([Look(99, 0.2, 0.1, 0.01)], Look(500, 0.2, 0.1, 0.01)) is None


@pytest.mark.parametrize("looks", [1, 4, 12])
def test_quality_is_compared_with_the_looks_before(looks: int) -> None:
    rng = np.random.default_rng(7)
    false, power = 0, 0
    for _ in range(2_000):
        earlier = [Look(500, 0.2, float(rng.normal(0.1, 0.01)), 0.01) for _ in range(looks)]
        same = quality_change(earlier, Look(500, 0.2, float(rng.normal(0.1, 0.01)), 0.01))
        worse = quality_change(earlier, Look(500, 0.2, float(rng.normal(0.04, 0.01)), 0.01))
        assert same is not None
        assert worse is not None
        false += same.p_value <= 0.01
        power += worse.p_value <= 0.01
    assert false / 2_000 <= 0.01 + 3 * np.sqrt(0.01 * 0.99 / 2_000)
    assert power / 2_000 > 0.9


@pytest.mark.parametrize(
    ("responses", "trials", "day"),
    [([-1] * 7, [5] * 7, (1, 5)), ([6] * 7, [5] * 7, (1, 5)), ([1] * 7, [5] * 7, (6, 5))],
)
def test_counts_that_cannot_be_are_refused(responses: list[int], trials: list[int], day: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="responses"):
        rate_change(responses, trials, *day)
    with pytest.raises(ValueError, match="counts"):
        population_shift(np.full((7, 2), -1.0), np.ones(2))
