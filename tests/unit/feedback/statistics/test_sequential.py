"""Confidence sequences and always-valid p-values: published formulas, invariants, and validity while peeking."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from services.feedback.statistics.estimate import Estimate
from services.feedback.statistics.sequential import (
    always_valid_interval,
    always_valid_p,
    critical_value,
    mixture_variance,
)

ALPHAS = pytest.mark.parametrize("alpha", [0.2, 0.05, 0.001])


@ALPHAS
def test_the_boundary_is_the_published_one(alpha: float) -> None:
    # Waudby-Smith et al. (2024), theorem 2.2: σ √((t ρ² + 1) / (t² ρ²) · log((t ρ² + 1) / α²)) about the mean of t.
    planned, spread = 5_000, 3.0
    rho_squared = mixture_variance(alpha) / planned
    for t in (10, 1_000, 5_000, 80_000):
        published = np.sqrt((t * rho_squared + 1) / (t**2 * rho_squared) * np.log((t * rho_squared + 1) / alpha**2))
        estimate = Estimate(1.0, spread / np.sqrt(t), t)
        low, high = always_valid_interval(estimate, t / planned, alpha)
        assert (low, high) == pytest.approx((1 - spread * published, 1 + spread * published))


@ALPHAS
def test_the_mixture_is_the_best_for_the_planned_evidence(alpha: float) -> None:
    def at_the_plan(log_variance: float) -> float:
        grown = 1 + np.exp(log_variance)
        return float(grown / (grown - 1) * np.log(grown / alpha**2))

    best = minimize_scalar(at_the_plan, bounds=(-5, 10), method="bounded", options={"xatol": 1e-10})
    assert mixture_variance(alpha) == pytest.approx(np.exp(best.x), rel=1e-3)
    assert critical_value(1.0, alpha) ** 2 == pytest.approx(best.fun)


def test_the_best_mixture_is_near_the_published_approximation() -> None:
    # Waudby-Smith et al.: ρ² ≈ (−2 log α + log(−2 log α + 1)) / t
    assert mixture_variance(0.05) == pytest.approx(-2 * np.log(0.05) + np.log(-2 * np.log(0.05) + 1), rel=0.05)


@given(st.floats(-6, 6), st.floats(0.01, 20))
def test_the_p_value_is_the_inverse_of_the_mixed_likelihood_ratio(z: float, evidence: float) -> None:
    # The estimate at evidence v (planned error 1) is N(δ, 1/v); δ is mixed over N(0, mixture variance).
    estimate = Estimate(z / np.sqrt(evidence), 1 / np.sqrt(evidence), 1)
    spread = np.sqrt(mixture_variance(0.05))

    def mixed(delta: float) -> float:
        return float(norm.pdf(estimate.value, delta, estimate.standard_error) * norm.pdf(delta, 0, spread))

    centre = estimate.value * evidence * spread**2 / (1 + evidence * spread**2)
    width = 12 * spread / np.sqrt(1 + evidence * spread**2)
    ratio = quad(mixed, centre - width, centre + width)[0] / norm.pdf(estimate.value, 0, estimate.standard_error)
    assert always_valid_p(estimate, evidence) == pytest.approx(min(1, 1 / ratio), rel=1e-6)


@given(st.floats(-10, 10), st.floats(0.01, 10), st.floats(0.01, 100), st.floats(0.001, 0.5))
def test_interval_and_p_value_agree(value: float, error: float, evidence: float, alpha: float) -> None:
    estimate = Estimate(value, error, 10)
    low, high = always_valid_interval(estimate, evidence, alpha)
    p = always_valid_p(estimate, evidence, alpha)
    assert low <= value <= high
    assert 0 <= p <= 1
    if abs(p / alpha - 1) > 1e-9:
        assert (low <= 0 <= high) == (p > alpha)


@given(st.floats(0.01, 100), st.floats(0.001, 0.3))
def test_the_interval_is_wider_than_that_of_one_look(evidence: float, alpha: float) -> None:
    assert critical_value(evidence, alpha) > norm.isf(alpha / 2)


@pytest.mark.parametrize(("error", "evidence"), [(0.0, 1.0), (np.inf, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_without_evidence_nothing_is_known(error: float, evidence: float) -> None:
    estimate = Estimate(5.0, error, 0)
    assert always_valid_interval(estimate, evidence) == (-np.inf, np.inf)
    assert always_valid_p(estimate, evidence) == 1


def test_looks_may_be_arrays() -> None:
    estimate = Estimate(np.array([3.0, 2.0]), np.array([1.0, 0.0]), np.array([10, 20]))
    evidence = np.array([0.5, 1.0])
    low, high = always_valid_interval(estimate, evidence)
    single = Estimate(3.0, 1.0, 10)
    assert (low[0], high[0]) == always_valid_interval(single, 0.5)
    assert (low[1], high[1]) == (-np.inf, np.inf)
    np.testing.assert_allclose(always_valid_p(estimate, evidence), [always_valid_p(single, 0.5), 1])


@pytest.mark.parametrize("alpha", [0.0, 1.0, 5.0])
def test_impossible_levels_are_refused(alpha: float) -> None:
    with pytest.raises(ValueError, match="alpha: must be between 0 and 1"):
        critical_value(1.0, alpha)


def test_negative_evidence_is_refused() -> None:
    with pytest.raises(ValueError, match=r"evidence: must not be negative, got -0\.5"):
        always_valid_p(Estimate(1.0, 1.0, 1), np.array([1.0, -0.5]))


def test_peeking_is_harmless_to_ten_times_the_plan() -> None:
    steps, plan = 4_000, 400
    sums = np.random.default_rng(0).normal(size=(2_000, steps)).cumsum(axis=1)
    n = np.arange(1, steps + 1)
    estimate = Estimate(sums / n, 1 / np.sqrt(n), n)
    ever = np.any(np.asarray(always_valid_p(estimate, n / plan)) <= 0.05, axis=1)
    low, high = always_valid_interval(estimate, n / plan)
    assert 0.02 <= ever.mean() <= 0.05
    np.testing.assert_array_equal(ever, np.any((low > 0) | (high < 0), axis=1))
    assert np.mean(np.any(np.asarray(estimate.p_value()) <= 0.05, axis=1)) > 0.5
