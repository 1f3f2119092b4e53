"""Sample-ratio mismatch: hand-computed p-values, and no false alarm however often one looks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, dirichlet_multinomial, multinomial

from services.feedback.statistics.sample_ratio import (
    CONCENTRATION,
    always_valid_sample_ratio_p,
    sample_ratio_p,
)

BOTH = pytest.mark.parametrize("p_value", [sample_ratio_p, always_valid_sample_ratio_p])


def test_the_fixed_p_value_is_the_hand_computed_one() -> None:
    # Kohavi, Tang & Xu, "Trustworthy Online Controlled Experiments", 2020, chapter 21: 821,588 against 815,482 users
    # where halves were set has p = 1.8e-6.
    assert sample_ratio_p([821_588, 815_482], [0.5, 0.5]) == pytest.approx(1.8e-6, rel=0.02)
    assert sample_ratio_p([60, 30, 10], [2, 1, 1]) == pytest.approx(chi2.sf(100 / 50 + 25 / 25 + 225 / 25, 2))


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0.1, 1)), min_size=2, max_size=4))
def test_the_always_valid_p_value_is_the_inverse_of_the_bayes_factor(arms: list[tuple[int, float]]) -> None:
    counts, shares = np.array([count for count, _ in arms]), np.array([share for _, share in arms])
    shares /= shares.sum()
    null = multinomial.logpmf(counts, counts.sum(), shares)
    factor = dirichlet_multinomial.logpmf(counts, CONCENTRATION * shares, counts.sum()) - null
    assert always_valid_sample_ratio_p(counts.tolist(), shares.tolist()) == pytest.approx(
        min(1.0, np.exp(-factor)), rel=1e-6
    )


@BOTH
def test_exact_shares_and_no_units_are_no_alarm(p_value) -> None:
    assert p_value([5_000, 2_500], [0.6, 0.3]) == pytest.approx(1)
    assert p_value([0, 0], [0.6, 0.3]) == 1


def test_looking_after_each_unit_causes_no_alarm_and_finds_a_mismatch() -> None:
    rng = np.random.default_rng(0)
    units = np.arange(20, 5_001, 20)

    def alarms(share: float, runs: int) -> float:
        treated = (rng.random((runs, 5_000)) < share).cumsum(axis=1)[:, units - 1]
        looks = [
            [always_valid_sample_ratio_p([int(n - t), int(t)], [1, 1]) for n, t in zip(units, run, strict=True)]
            for run in treated
        ]
        return float(np.mean(np.min(looks, axis=1) <= 0.05))

    assert alarms(0.5, 150) <= 0.05
    assert alarms(0.56, 20) >= 0.95


@BOTH
@pytest.mark.parametrize(
    ("counts", "shares", "field"),
    [([1, 2], [1], "counts"), ([1], [1], "counts"), ([1, -1], [1, 1], "counts"), ([1, 1], [1, 0], "shares")],
)
def test_impossible_arms_are_refused(p_value, counts: list[int], shares: list[float], field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: must"):
        p_value(counts, shares)
