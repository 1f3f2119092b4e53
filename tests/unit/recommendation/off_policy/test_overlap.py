import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.recommendation.off_policy.log import ActionLog, SlateLog
from services.recommendation.off_policy.overlap import (
    InsufficientOverlap,
    Overlap,
    Requirements,
    action_overlap,
    estimated_support,
    kish,
    require_propensities,
    slate_overlap,
)

ENOUGH = {"effective_sample_size": 900.0, "effective_units": 500.0, "rewarded_units": 60.0, "support": 1.0}


def overlap(**changed):
    return Overlap(**ENOUGH | changed, largest_weight=7.0)


@pytest.mark.parametrize(
    ("changed", "cause", "words"),
    [
        ({"support": 0.6}, "support", "60.0% of what the policy does, 99.0% are needed"),
        ({"effective_units": 12.34}, "effective_sample_size", "12.3 units of assignment"),
        ({"rewarded_units": 2.0}, "rewards", "2.0 effective units"),
    ],
)
def test_a_refusal_says_what_is_missing(changed, cause, words):
    with pytest.raises(InsufficientOverlap, match=words) as caught:
        overlap(**changed).require(Requirements())

    assert caught.value.cause == cause
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION


def test_enough_overlap_is_not_refused():
    overlap().require(Requirements())


def test_what_is_needed_can_be_changed():
    overlap(rewarded_units=2.0).require(Requirements(rewarded_units=1.0))


def test_kish_of_equal_weights_is_their_number():
    assert kish(np.full(7, 3.0)) == pytest.approx(7.0)


def test_kish_of_one_weight_among_zeros_is_one():
    assert kish(np.array([0.0, 5.0, 0.0])) == pytest.approx(1.0)


def test_kish_without_any_weight_is_zero():
    assert kish(np.zeros(4)) == 0.0


def test_kish_of_places_is_that_of_the_worst():
    assert kish(np.array([[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]])) == pytest.approx(1.0)


@given(arrays(float, st.integers(1, 20), elements=st.floats(0.001, 100.0)), st.floats(0.01, 100.0))
def test_kish_is_between_one_and_the_number_and_knows_no_scale(weights, scale):
    size = kish(weights)

    assert 1.0 - 1e-9 <= size <= len(weights) + 1e-9
    assert kish(weights * scale) == pytest.approx(size)


@pytest.mark.parametrize("bad", [np.nan, 0.0, -0.1, 1.5])
def test_missing_propensities_are_refused_with_their_number(bad):
    with pytest.raises(InsufficientOverlap, match="1 of 3 propensities are missing") as caught:
        require_propensities(np.array([0.5, bad, 1.0]), np.ones(3, bool))

    assert caught.value.cause == "propensities"


def test_propensities_that_are_not_read_may_be_missing():
    require_propensities(np.array([0.5, np.nan]), np.array([True, False]))


def action_log(actions, logging=None, rewards=None, units=None):
    n = len(actions)
    return ActionLog(
        np.array(actions),
        np.full(n, 0.5),
        np.ones(n) if rewards is None else np.array(rewards, float),
        np.arange(n) if units is None else np.array(units),
        None if logging is None else np.array(logging, float),
    )


def test_support_is_exact_where_the_logging_policy_is_known():
    log = action_log([0, 1], logging=[[0.5, 0.5, 0.0], [0.2, 0.5, 0.3]])
    evaluation = np.array([[0.5, 0.2, 0.3], [0.0, 0.9, 0.1]])

    assert action_overlap(log, evaluation, np.ones(2)).support == pytest.approx((0.7 + 1.0) / 2)


def test_support_without_it_is_what_occurs_in_the_log():
    log = action_log([0, 1, 1])
    evaluation = np.tile([0.25, 0.25, 0.5], (3, 1))

    assert action_overlap(log, evaluation, np.ones(3)).support == pytest.approx(0.5)


def test_support_without_it_is_less_where_the_weights_say_so():
    log = action_log([0, 1] * 50)

    assert action_overlap(log, np.full((100, 2), 0.5), np.full(100, 0.4)).support == pytest.approx(0.4)


def test_a_mean_weight_below_one_by_chance_is_no_evidence():
    assert estimated_support(np.array([[0.1], [2.0], [0.5], [1.0]])) == 1.0


def test_decisions_of_one_unit_count_together():
    log = action_log([0, 0, 0, 0], units=[1, 1, 1, 2])
    found = action_overlap(log, np.ones((4, 1)), np.ones(4))

    assert found.effective_sample_size == pytest.approx(4.0)
    assert found.effective_units == pytest.approx(4.0**2 / (9 + 1))
    assert found.largest_weight == 1.0


def test_rewarded_units_are_of_decisions_that_earned_anything():
    log = action_log([0, 0, 0, 0], rewards=[0, 3, 5, 0], units=[1, 1, 2, 3])

    assert action_overlap(log, np.ones((4, 1)), np.ones(4)).rewarded_units == pytest.approx(2.0)


def test_a_list_earned_where_any_place_did():
    log = SlateLog.full(np.full((3, 2), 0.5), np.array([[0.0, 2.0], [0.0, 0.0], [1.0, 1.0]]), np.arange(3))

    assert slate_overlap(log, np.ones((3, 1))).rewarded_units == pytest.approx(2.0)
    assert slate_overlap(log, np.ones((3, 2))).rewarded_units == pytest.approx(9 / 5)


def test_known_support_of_lists_is_taken():
    log = SlateLog.full(np.full((3, 2), 0.5), np.ones((3, 2)), np.arange(3))

    assert slate_overlap(log, np.full((3, 2), 0.5), support=0.8).support == 0.8
    assert slate_overlap(log, np.full((3, 2), 0.5)).support == pytest.approx(0.5)
