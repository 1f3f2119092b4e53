"""Two contexts, three actions, every decision once: expectations under the logging policy are exact sums."""

import numpy as np
import pytest

from services.recommendation.off_policy import single_action as estimators

LOGGING = np.array([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
EVALUATION = np.array([[0.0, 0.1, 0.9], [0.3, 0.3, 0.4]])
REWARDS = np.array([[1.0, 2.0, 5.0], [0.0, 4.0, 3.0]])
WRONG = np.array([[2.0, 2.0, 2.0], [1.0, -1.0, 7.0]])
TRUTH = float((EVALUATION * REWARDS).sum() / 2)

CONTEXTS, ACTIONS = (each.ravel() for each in np.indices(LOGGING.shape))
CHANCES = LOGGING.ravel() / 2
WEIGHTS = (EVALUATION / LOGGING).ravel()


def expectation(ratios):
    assert np.all(ratios.denominators == 1.0)
    return float((CHANCES * ratios.numerators[0]).sum())


def model(predictions):
    """Return the arguments of doubly robust estimators for a table of predictions."""
    expected = (EVALUATION * predictions).sum(axis=1)
    return WEIGHTS, REWARDS.ravel(), expected[CONTEXTS], predictions.ravel()


def test_ips_is_right_on_average():
    assert expectation(estimators.inverse_propensity(WEIGHTS, REWARDS.ravel())) == pytest.approx(TRUTH)


def test_doubly_robust_is_right_on_average_whatever_the_model():
    assert expectation(estimators.doubly_robust(*model(WRONG))) == pytest.approx(TRUTH)


def test_doubly_robust_is_right_whatever_the_weights_when_the_model_is():
    _, rewards, expected, predicted = model(REWARDS)
    wrong = np.full(len(WEIGHTS), 3.0)

    assert expectation(estimators.doubly_robust(wrong, rewards, expected, predicted)) == pytest.approx(TRUTH)


def test_the_direct_method_believes_its_model():
    *_, expected, _ = model(WRONG)

    assert estimators.direct_method(expected).value == pytest.approx((EVALUATION * WRONG).sum() / 2)


def test_doubly_robust_without_a_model_is_ips():
    nothing = np.zeros_like(REWARDS)

    assert estimators.doubly_robust(*model(nothing)).value == pytest.approx(
        estimators.inverse_propensity(WEIGHTS, REWARDS.ravel()).value
    )


def test_self_normalised_estimates_follow_a_shift_of_all_rewards():
    rewards = REWARDS.ravel()
    before = estimators.self_normalised(WEIGHTS, rewards).value

    assert estimators.self_normalised(WEIGHTS, rewards + 10.0).value == pytest.approx(before + 10.0)


def test_self_normalised_ips_by_hand():
    weights, rewards = np.array([2.0, 0.5, 1.5]), np.array([1.0, 4.0, 2.0])

    assert estimators.self_normalised(weights, rewards).value == pytest.approx((2.0 + 2.0 + 3.0) / 4.0)


def test_self_normalised_doubly_robust_by_hand():
    weights, rewards = np.array([2.0, 0.5]), np.array([1.0, 4.0])
    expected, predicted = np.array([1.0, 3.0]), np.array([2.0, 1.0])

    found = estimators.self_normalised_doubly_robust(weights, rewards, expected, predicted)

    assert found.value == pytest.approx(2.0 + (2.0 * -1.0 + 0.5 * 3.0) / 2.5)


def test_switch_between_the_direct_method_and_doubly_robust():
    arguments = model(WRONG)
    *_, expected, _ = arguments

    assert estimators.switch_doubly_robust(*arguments, 0.0).value == estimators.direct_method(expected).value
    assert estimators.switch_doubly_robust(*arguments, np.inf).value == estimators.doubly_robust(*arguments).value


def test_switch_corrects_by_weights_up_to_the_threshold():
    weights, rewards = np.array([2.0, 5.0]), np.array([1.0, 1.0])
    expected, predicted = np.array([3.0, 3.0]), np.array([0.0, 0.0])

    assert estimators.switch_doubly_robust(weights, rewards, expected, predicted, 2.0).value == pytest.approx(4.0)
