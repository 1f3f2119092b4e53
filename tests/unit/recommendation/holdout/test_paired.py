"""Paired gains: known answers, the sharper test, whole clusters, the best of the others."""

import numpy as np
import pytest

from services.recommendation.holdout.intervals import intervals
from services.recommendation.holdout.paired import gain_over_best, paired_gain, paired_gains, ratio_gain

EACH = np.arange(200)
RNG = np.random.default_rng(4)
EASE = RNG.random(200)
"""How easy each question is for everybody."""


def test_a_small_gain_on_every_question_is_certain_though_the_intervals_overlap() -> None:
    own, other = EASE + 0.02, EASE
    alone = intervals({"own": own, "other": other}, EACH)
    assert alone["own"].low < alone["other"].high
    found = paired_gain(own, other, EACH)
    assert (found.value, found.low, found.high) == pytest.approx((0.02, 0.02, 0.02))
    assert found.better
    assert found.p_value == pytest.approx(1 / 1001)


def test_no_difference_is_no_gain() -> None:
    found = paired_gain(EASE, EASE, EACH)
    assert (found.value, found.better, found.p_value) == (0.0, False, 1.0)


def test_a_loss_is_no_gain() -> None:
    found = paired_gain(EASE, EASE + 0.02, EACH)
    assert found.high < 0.0
    assert not found.better
    assert found.p_value == 1.0


def test_by_chance_a_gain_is_rare() -> None:
    gains = [paired_gain(RNG.random(80), RNG.random(80), np.arange(80), resamples=200) for _ in range(200)]
    assert np.mean([each.better for each in gains]) < 0.06


def test_questions_of_one_customer_are_one_observation() -> None:
    differences = RNG.normal(0.1, 1.0, 60)
    once = paired_gain(differences, np.zeros(60), np.arange(60))
    copied = paired_gain(np.repeat(differences, 9), np.zeros(540), np.repeat(np.arange(60), 9))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))


def test_a_question_without_a_value_is_left_out() -> None:
    assert paired_gain(np.array([1.0, np.nan, 0.5]), np.array([0.5, 0.5, np.nan]), np.arange(3)).value == 0.5


def test_without_resamples_nothing_is_better() -> None:
    found = paired_gain(EASE + 1.0, EASE, EACH, resamples=0)
    assert found.value == pytest.approx(1.0)
    assert np.isnan([found.low, found.high, found.p_value]).all()
    assert not found.better


def test_metrics_that_both_have() -> None:
    assert set(paired_gains({"a": EASE, "b": EASE}, {"b": EASE, "c": EASE}, EACH)) == {"b"}
    assert paired_gains({"a": EASE}, {"b": EASE}, EACH) == {}


def test_the_gain_over_the_best_of_the_others() -> None:
    others = {"low": EASE - 0.1, "best": EASE - 0.01, "same": EASE - 0.01}
    name, found = gain_over_best(EASE, others, EACH)
    assert name == "best"
    assert found.value == pytest.approx(0.01)
    with pytest.raises(ValueError, match="others: must name at least one"):
        gain_over_best(EASE, {}, EACH)


def test_arrays_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="other: must have the shape of own"):
        paired_gain(EASE, EASE[:5], EACH)


def test_a_ratio_is_of_sums_not_a_mean_of_ratios() -> None:
    own, other, weights = np.array([4.0, 1.0]), np.array([1.0, 1.0]), np.array([8.0, 2.0])
    assert ratio_gain(own, other, weights, np.arange(2)).value == pytest.approx(3.0 / 10.0)
    assert ratio_gain(own, np.zeros(2), weights, np.arange(2)).value == pytest.approx(5.0 / 10.0)


def test_numerator_and_denominator_are_drawn_together() -> None:
    weights = RNG.pareto(1.5, 200) + 1.0
    found = ratio_gain(0.3 * weights, np.zeros(200), weights, EACH)
    assert (found.value, found.low, found.high) == pytest.approx((0.3, 0.3, 0.3))
    assert found.better
    of_one = ratio_gain(EASE * weights, np.zeros(200), weights, np.zeros(200, np.int64))
    assert (of_one.low, of_one.high) == pytest.approx((of_one.value, of_one.value))


def test_a_ratio_needs_a_weight() -> None:
    with pytest.raises(ValueError, match="weights: some must be above 0"):
        ratio_gain(np.zeros(3), np.zeros(3), np.zeros(3), np.arange(3))
