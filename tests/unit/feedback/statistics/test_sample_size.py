"""The calculator: published sizes, and that its answers are those to each other's questions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.feedback.statistics.baseline import Baseline
from services.feedback.statistics.ratio import RatioMoments
from services.feedback.statistics.sample_size import (
    AlwaysValid,
    Design,
    FixedHorizon,
    days_needed,
    detectable_effect,
    power_with,
    units_needed,
)

FIXED = Design(FixedHorizon())
DAILY = Design(AlwaysValid(28))
TESTS = st.sampled_from([FixedHorizon(), AlwaysValid(28), AlwaysValid()])


def test_a_fixed_test_of_means_needs_the_textbook_size() -> None:
    # 2 · (1.959964 + .841621)² · σ² / δ² = 15.6978 · 4 / .25
    effect = 0.5 / 1e6  # of so large a mean that the variance stays as it is
    assert units_needed(Baseline(1e6, 4.0), effect, FIXED) == (252, 252)


def test_a_fixed_test_of_proportions_needs_the_published_size() -> None:
    # Fleiss, Levin & Paik, "Statistical Methods for Rates and Proportions": 25 % against 35 %, unpooled:
    # (1.959964 + .841621)² (.25 · .75 + .35 · .65) / .1² = 325.7
    assert units_needed(Baseline.of_proportion(0.25), 0.4, FIXED) == (326, 326)


def test_the_always_valid_test_needs_more_for_looking_whenever() -> None:
    baseline = Baseline.of_proportion(0.05)
    one, daily, always = (
        units_needed(baseline, 0.1, Design(test))[0] for test in (FixedHorizon(), AlwaysValid(28), AlwaysValid())
    )
    assert one < always < daily < 2 * one


@settings(max_examples=40, deadline=None)
@given(
    st.floats(0.01, 0.6),
    st.floats(0.02, 0.5),
    TESTS,
    st.floats(0.5, 0.95),
    st.lists(st.floats(0.05, 0.3), min_size=2, max_size=3),
)
def test_size_power_and_effect_answer_each_other(
    share: float, effect: float, test: FixedHorizon | AlwaysValid, power: float, shares: list[float]
) -> None:
    baseline, design = Baseline.of_proportion(share), Design(test, power=power, shares=tuple(shares))
    units = sum(units_needed(baseline, effect, design))
    assert power_with(baseline, effect, design, units) == pytest.approx(power, abs=0.01)
    assert power_with(baseline, effect, design, units) >= power - 1e-9 or units < 1_000
    assert detectable_effect(baseline, design, units) == pytest.approx(effect, rel=0.02)


def test_the_arm_with_the_least_units_decides_and_alpha_is_shared() -> None:
    baseline = Baseline.of_proportion(0.1)
    three = Design(FixedHorizon(), shares=(0.5, 0.3, 0.2))
    two = Design(FixedHorizon(), alpha=0.025, shares=(0.5, 0.2))
    assert three.alpha_of_comparison == pytest.approx(0.025)
    control, _, least = units_needed(baseline, 0.1, three)
    assert (control, least) == units_needed(baseline, 0.1, two)


def test_the_size_is_for_the_larger_of_both_errors() -> None:
    # As in estimate.difference: with 4/5 and 1/5 of the units, variances 1 and .9 · 1: max(1 / .8 + .9 / .2, …)
    design = Design(FixedHorizon(), shares=(0.8, 0.2))
    drift = (1.959964 + 0.841621) ** 2
    for effect, variance in ((-0.1, 1 / 0.2 + 0.9 / 0.8), (0.1, 1 / 0.8 + 1.1 / 0.2)):
        assert sum(units_needed(Baseline(1.0, 1.0), effect, design)) == pytest.approx(drift * variance / 0.01, abs=2)


def test_losses_need_about_as_many_units_as_gains() -> None:
    baseline = Baseline.of_proportion(0.1)
    assert units_needed(baseline, -0.05, FIXED)[0] == pytest.approx(units_needed(baseline, 0.05, FIXED)[0], rel=0.05)


def test_a_measured_ratio_is_a_baseline_and_cuped_reduces_it() -> None:
    rng = np.random.default_rng(0)
    baseline = Baseline.of(RatioMoments.of(rng.poisson(5, 1_000) + 1, rng.poisson(3, 1_000)))
    whole, reduced = (units_needed(each, 1e-3, FIXED)[0] for each in (baseline, baseline.reduced(0.4)))
    assert reduced == pytest.approx(0.6 * whole, rel=0.01)


def test_the_variance_under_an_effect() -> None:
    share = Baseline.of_proportion(0.2)
    assert share.treated_variance(0.5) == pytest.approx(0.3 * 0.7)
    assert Baseline(10.0, 9.0).treated_variance(0.1) == pytest.approx(9 * 1.1)
    assert Baseline(10.0, 9.0, larger_amounts=True).treated_variance(0.1) == pytest.approx(9 * 1.21)


@pytest.mark.parametrize("effect", [-1.0, 4.0])
def test_effects_that_no_metric_can_have_are_refused(effect: float) -> None:
    with pytest.raises(ValueError, match="effect: must be above -1 and below 4"):
        units_needed(Baseline.of_proportion(0.2), effect, FIXED)


def test_no_effect_is_refused() -> None:
    with pytest.raises(ValueError, match="effect: must not be 0"):
        units_needed(Baseline.of_proportion(0.2), 0.0, FIXED)


def test_too_few_units_are_refused() -> None:
    with pytest.raises(ValueError, match=r"units: too few to find any effect with power 0\.8, got 4"):
        detectable_effect(Baseline.of_proportion(0.9), DAILY, 4)
    with pytest.raises(ValueError, match="units: must be at least 1, got 0"):
        power_with(Baseline.of_proportion(0.5), 0.1, FIXED, 0)


def test_large_effects_on_amounts_can_be_asked_for() -> None:
    baseline = Baseline(1.0, 1.0, larger_amounts=True)
    effect = detectable_effect(baseline, FIXED, 50)
    assert power_with(baseline, effect, FIXED, 50) == pytest.approx(0.8)


def test_days_are_whole() -> None:
    assert days_needed(1_001, 100) == 11
    with pytest.raises(ValueError, match="units_per_day: must be above 0, got 0"):
        days_needed(10, 0)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"alpha": 0.0}, "alpha, power"),
        ({"power": 1.0}, "alpha, power"),
        ({"alpha": 0.5, "power": 0.4}, "alpha, power"),
        ({"shares": (1.0,)}, "shares"),
        ({"shares": (0.5, 0.0)}, "shares"),
        ({"shares": (0.8, 0.3)}, "shares"),
    ],
)
def test_impossible_designs_are_refused(given: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}: must be"):
        Design(FixedHorizon(), **given)


@pytest.mark.parametrize(("mean", "variance", "field"), [(0.0, 1.0, "mean"), (1.0, 0.0, "variance")])
def test_impossible_baselines_are_refused(mean: float, variance: float, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: must be above 0"):
        Baseline(mean, variance)
    with pytest.raises(ValueError, match="mean: must be below 1, got 2"):
        Baseline(2.0, 1.0, maximum=1.0)


def test_impossible_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="share: must be between 0 and 1"):
        Baseline.of_proportion(1.0)
    with pytest.raises(ValueError, match="explained: must be from 0 to below 1"):
        Baseline.of_proportion(0.5).reduced(1.0)
