"""CUPED: the textbook formula, merging, less variance, and no bias."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.feedback.statistics.cuped import CupedMoments, adjust
from services.feedback.statistics.estimate import difference
from services.feedback.statistics.ratio import RatioMoments

Units = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def units_of(n: int, rng: np.random.Generator, effect: float = 0.0, known: float = 1.0) -> Units:
    """Return sessions and revenue, in the experiment and before, of customers who stay as they are."""
    worth = rng.gamma(2, 10, n)
    x, pre_x = rng.poisson(3, n) + 1, rng.poisson(3, n) * (rng.random(n) < known)
    return x, x * worth * (1 + effect) + rng.normal(0, 5, n), pre_x, pre_x * worth


def test_for_means_it_is_the_textbook_formula() -> None:
    rng = np.random.default_rng(0)
    before = [rng.normal(5, 2, 40), rng.normal(5, 2, 60)]
    after = [each + rng.normal(0, 1, len(each)) for each in before]
    arms = [CupedMoments.of(np.ones(len(y)), y, np.ones(len(y)), c) for y, c in zip(after, before, strict=True)]
    found = adjust(arms)
    within = sum(np.cov(y, c) * (len(y) - 1) for y, c in zip(after, before, strict=True))
    theta = within[0, 1] / within[1, 1]
    whole = np.concatenate(before).mean()
    for estimate, y, c in zip(found.arms, after, before, strict=True):
        assert estimate.value == pytest.approx(y.mean() - theta * (c.mean() - whole))
        assert estimate.standard_error == pytest.approx(np.std(y - theta * c, ddof=1) / np.sqrt(len(y)))
    assert found.explained == pytest.approx(within[0, 1] ** 2 / within[0, 0] / within[1, 1])
    assert found.known == 1


def test_units_without_a_pre_period_count_as_the_mean() -> None:
    y, before = np.array([1.0, 3.0, 2.0, 6.0]), np.array([2.0, 4.0, 0.0, 6.0])
    known = np.array([1, 1, 0, 1])
    filled = np.where(known, before, before[known == 1].mean())
    left_out = adjust([CupedMoments.of(np.ones(4), y, known, before)])
    as_mean = adjust([CupedMoments.of(np.ones(4), y, np.ones(4), filled)])
    assert left_out.arms[0].value == pytest.approx(as_mean.arms[0].value)
    assert left_out.arms[0].standard_error == pytest.approx(as_mean.arms[0].standard_error)
    assert left_out.known == 0.75


def test_without_any_pre_period_nothing_changes() -> None:
    x, y, _, _ = units_of(50, np.random.default_rng(1))
    found = adjust([CupedMoments.of(x, y, np.zeros(50), np.zeros(50))])
    plain = RatioMoments.of(x, y).estimate
    assert found.arms[0].value == pytest.approx(plain.value)
    assert found.arms[0].standard_error == pytest.approx(plain.standard_error)
    assert (found.explained, found.known) == (0.0, 0.0)


SUMS = arrays(np.float64, (4, 5), elements=st.integers(1, 50).map(float))


@given(SUMS, SUMS)
def test_merged_moments_are_those_of_all_units(some: np.ndarray, others: np.ndarray) -> None:
    merged, once = CupedMoments.of(*some) + CupedMoments.of(*others), CupedMoments.of(*np.hstack([some, others]))
    assert (merged.n, merged.known) == (once.n, once.known)
    np.testing.assert_array_equal(merged.sums, once.sums)
    np.testing.assert_array_equal(merged.products, once.products)


@settings(max_examples=50)
@given(SUMS, SUMS)
def test_the_variance_within_arms_never_grows(control: np.ndarray, treated: np.ndarray) -> None:
    found = adjust([CupedMoments.of(*control), CupedMoments.of(*treated)])
    plain = [RatioMoments.of(*arm[:2]) for arm in (control, treated)]
    adjusted = sum(each.standard_error**2 for each in found.arms)
    assert adjusted <= sum(each.variance for each in plain) * (1 + 1e-9)
    assert 0 <= found.explained <= 1


def test_ratios_have_less_variance_no_bias_and_true_intervals() -> None:
    rng = np.random.default_rng(2)
    estimates, errors, explained = [], [], []
    for _ in range(600):
        arms = [CupedMoments.of(*units_of(200, rng, effect, known=0.8)) for effect in (0.0, 0.1)]
        found = adjust(arms)
        gain = difference(*found.arms)
        estimates.append(gain.value)
        errors.append(gain.standard_error)
        explained.append(found.explained)
    plain = difference(*(RatioMoments.of(*units_of(20_000, rng, effect)[:2]).estimate for effect in (0.0, 0.1)))
    assert np.mean(explained) > 0.4
    assert np.mean(estimates) == pytest.approx(2.0, abs=4 * np.std(estimates) / np.sqrt(600))
    assert np.mean(errors) == pytest.approx(np.std(estimates), rel=0.08)
    assert np.mean(errors) < 0.8 * plain.standard_error * 10


@pytest.mark.parametrize(
    ("units", "field"),
    [
        (([1], [1], [1], [1, 2]), "x, y, pre_x, pre_y"),
        ((1, 1, 1, 1), "x, y, pre_x, pre_y"),
        (([-1], [1], [1], [1]), "x, pre_x"),
        (([1], [1], [-1], [1]), "x, pre_x"),
        (([1], [1], [0], [1]), "pre_y"),
    ],
)
def test_bad_units_are_refused(units: tuple, field: str) -> None:
    with pytest.raises(ValueError, match=f"^{field}: must"):
        CupedMoments.of(*units)


def test_arms_that_say_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="arms: must not be empty"):
        adjust([])
    for units in (([1], [1], [1], [1]), ([0, 0], [0, 0], [1, 1], [1, 1])):
        with pytest.raises(ValueError, match="arms: each must have two units and a denominator"):
            adjust([CupedMoments.of(*units)])


def test_a_metric_that_never_varies_has_nothing_to_explain() -> None:
    found = adjust([CupedMoments.of([1, 1], [2, 2], [1, 1], [1, 3])])
    assert (found.arms[0].value, found.arms[0].standard_error, found.explained) == (2.0, 0.0, 0.0)
