import numpy as np
import pytest
from scipy.stats import norm

from services.recommendation.off_policy import intervals
from services.recommendation.off_policy.intervals import uncertainties, uncertainty
from services.recommendation.off_policy.ratios import Ratios


def test_the_standard_error_of_a_mean():
    values = np.array([1.0, 2.0, 4.0, 9.0])

    found = uncertainty(Ratios.mean(values), np.arange(4))

    assert found.standard_error == pytest.approx(values.std(ddof=1) / 2.0)


def test_the_standard_error_of_units_of_different_size():
    """Mean 3 over five decisions; units' sums of distances are -2, 1 and 1; variance n/(n-1) · Σd² / 5²."""
    values, units = np.array([2.0, 2.0, 3.0, 4.0, 4.0]), np.array([0, 0, 1, 1, 2])

    found = uncertainty(Ratios.mean(values), units)

    assert found.standard_error == pytest.approx(np.sqrt(3 / 2 * (4 + 1 + 1)) / 5)


def test_the_standard_error_of_two_ratios():
    rng = np.random.default_rng(1)
    pairs = [(rng.random(50), 1.0 + rng.random(50)) for _ in range(2)]
    linear = sum((top - bottom * top.sum() / bottom.sum()) / bottom.mean() for top, bottom in pairs)

    found = uncertainty(Ratios.of(*pairs), np.arange(50))

    assert found.standard_error == pytest.approx(linear.std(ddof=1) / np.sqrt(50))


def test_repeated_decisions_of_a_unit_say_nothing_new():
    values = np.random.default_rng(2).exponential(size=60)
    once = uncertainty(Ratios.mean(values), np.arange(60))
    thrice = uncertainty(Ratios.mean(np.repeat(values, 3)), np.repeat(np.arange(60), 3))

    assert thrice.standard_error == pytest.approx(once.standard_error)
    assert thrice.low == pytest.approx(once.low)
    assert thrice.high == pytest.approx(once.high)


def test_an_interval_scales_with_the_unit_of_the_reward():
    values = np.random.default_rng(3).exponential(size=60)
    euros, cents = (uncertainty(Ratios.mean(scale * values), np.arange(60)) for scale in (1.0, 100.0))

    assert cents.low == pytest.approx(100.0 * euros.low)
    assert cents.high == pytest.approx(100.0 * euros.high)


def test_an_interval_is_never_narrower_than_the_normal_one():
    values = np.random.default_rng(4).lognormal(0.0, 1.0, 80)
    found = uncertainty(Ratios.mean(values), np.arange(80))
    normal = norm.ppf(0.975) * found.standard_error

    assert found.low == pytest.approx(values.mean() - normal)
    assert found.high > values.mean() + 1.1 * normal


def test_long_tails_are_covered_better_than_by_normal_intervals():
    rng, truth, held = np.random.default_rng(5), np.exp(0.5), np.zeros(2)
    for seed in range(200):
        values = rng.lognormal(0.0, 1.0, 60)
        found = uncertainty(Ratios.mean(values), np.arange(60), resamples=199, seed=seed)
        held += found.low <= truth <= found.high, abs(values.mean() - truth) < 1.96 * found.standard_error

    assert held[0] / 200 > 0.91
    assert held[0] - held[1] > 5


def test_a_wider_level_gives_a_wider_interval():
    values = np.random.default_rng(6).exponential(size=60)
    narrow, wide = (uncertainty(Ratios.mean(values), np.arange(60), level=level) for level in (0.8, 0.99))

    assert wide.low < narrow.low < narrow.high < wide.high


def test_many_units_are_taken_in_groups(monkeypatch):
    values = np.random.default_rng(7).exponential(size=4000)
    one_by_one = uncertainty(Ratios.mean(values), np.arange(4000))
    monkeypatch.setattr(intervals, "MOST_GROUPS", 1000)

    grouped = uncertainty(Ratios.mean(values), np.arange(4000))

    assert grouped.standard_error == pytest.approx(one_by_one.standard_error, rel=0.1)
    assert grouped.low == pytest.approx(one_by_one.low, abs=0.01)
    assert grouped.high == pytest.approx(one_by_one.high, abs=0.01)


def test_estimators_together_have_the_intervals_of_each_alone():
    rng = np.random.default_rng(8)
    estimators = [
        Ratios.mean(rng.random(40)),
        Ratios.of((rng.random(40), rng.random(40)), (rng.random(40), np.ones(40))),
    ]
    units = np.arange(40)

    together = uncertainties(estimators, units)

    for found, ratios in zip(together, estimators, strict=True):
        alone = uncertainty(ratios, units)
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high))


def test_rewards_that_never_vary_have_no_width():
    found = uncertainty(Ratios.mean(np.full(5, 2.0)), np.arange(5))

    assert (found.low, found.high) == pytest.approx((2.0, 2.0))


def test_one_unit_has_no_interval():
    with pytest.raises(ValueError, match="units: must be at least 2, got 1"):
        uncertainty(Ratios.mean(np.ones(3)), np.zeros(3, int))
