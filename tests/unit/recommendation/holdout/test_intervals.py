"""Intervals: known answers, the same every time, wider where questions belong together."""

import numpy as np
import pytest

from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.holdout.intervals import Interval, clusters_of, intervals
from services.recommendation.holdout.tasks import EvalCase
from tests.unit.recommendation.evaluation.synthetic_data import rows


def interval(values: list[float] | np.ndarray, clusters: object = None, **options: float) -> Interval:
    array = np.asarray(values, dtype=np.float64)
    return intervals({"m": array}, np.arange(len(array)) if clusters is None else clusters, **options)["m"]


def test_the_value_is_the_mean_of_the_questions():
    assert interval([0.0, 0.5, 1.0]).value == 0.5


def test_no_spread_no_width():
    assert interval([0.25] * 40) == Interval(0.25, 0.25, 0.25)


def test_near_the_normal_interval_of_a_mean():
    values = np.random.default_rng(1).normal(5.0, 2.0, 2500)
    found = interval(values)
    half = 1.96 * values.std() / 50
    assert found.low == pytest.approx(values.mean() - half, abs=0.012)
    assert found.high == pytest.approx(values.mean() + half, abs=0.012)


def test_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    found = [interval(rng.random(80), resamples=200) for _ in range(200)]
    covered = sum(each.low <= 0.5 <= each.high for each in found)
    assert 0.88 <= covered / 200 <= 0.99


def test_the_same_seed_the_same_interval():
    values = np.random.default_rng(2).random(50)
    assert interval(values) == interval(values)
    assert interval(values) != interval(values, seed=1)


def test_copies_of_a_customers_question_add_no_certainty():
    values = np.random.default_rng(3).random(60)
    once = interval(values)
    copied = interval(np.repeat(values, 9), np.repeat(np.arange(60), 9))
    assert (copied.low, copied.high) == pytest.approx((once.low, once.high))
    careless = interval(np.repeat(values, 9))
    assert careless.high - careless.low < 0.5 * (once.high - once.low)


def test_large_customers_weigh_by_their_questions():
    found = interval([1.0, 1.0, 1.0, 0.0], [0, 0, 0, 1])
    assert found == Interval(0.75, 0.0, 1.0)


def test_a_question_without_a_value_is_left_out():
    found = interval([np.nan, 0.5, 0.5, np.nan])
    assert found == Interval(0.5, 0.5, 0.5)


def test_nothing_to_draw_is_not_a_number():
    for nothing in (interval([]), interval([np.nan, np.nan])):
        assert np.isnan([nothing.value, nothing.low, nothing.high]).all()
    unknown = interval([1.0, 0.0], resamples=0)
    assert unknown.value == 0.5
    assert np.isnan([unknown.low, unknown.high]).all()
    assert intervals({}, []) == {}


def test_a_narrower_level_is_narrower():
    values = np.random.default_rng(4).random(100)
    wide, narrow = interval(values), interval(values, level=0.5)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_difference_of_two_rankers_is_that_of_their_questions():
    """All metrics of a call see the same resamples."""
    rng = np.random.default_rng(6)
    better = rng.random(100)
    worse = better - 0.1
    found = intervals({"better": better, "worse": worse, "difference": better - worse}, np.arange(100))
    assert found["better"].low == pytest.approx(found["worse"].low + 0.1)
    assert found["difference"].low == pytest.approx(0.1)


def test_a_question_without_a_customer_is_its_own_cluster():
    asked = [EvalCase(Shopper(now=1), rows(1), rows(), customer) for customer in (4, -1, 4, -1)]
    assert len(np.unique(clusters_of(asked))) == 3
    assert clusters_of(asked)[0] == clusters_of(asked)[2]
