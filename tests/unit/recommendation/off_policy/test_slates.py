"""Two places, three items, every list once: expectations under the logging policy are exact sums."""

from itertools import permutations, product

import numpy as np
import pytest

from services.recommendation.off_policy import slates as estimators

LOGGING = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])
EVALUATION = np.array([[0.1, 0.1, 0.8], [0.5, 0.4, 0.1]])
SLATES = np.array(list(product(range(3), repeat=2)))
PLACES = np.arange(2)
CHANCES = LOGGING[PLACES, SLATES].prod(axis=1)
WEIGHTS = (EVALUATION / LOGGING)[PLACES, SLATES]

OWN = np.array([[1.0, 2.0, 4.0], [3.0, 1.0, 0.5]])[PLACES, SLATES]
"""What an item earns by itself and its place."""
FROM_ABOVE = OWN * np.array([[1.0, 1.0 + item] for item in SLATES[:, 0]])
"""What an item earns where it depends on the item above it."""
FROM_BELOW = OWN * np.array([[1.0 + item, 1.0] for item in SLATES[:, 1]])
"""What an item earns where it depends on the item below it."""


def truth(rewards):
    return float((EVALUATION[PLACES, SLATES].prod(axis=1) * rewards.sum(axis=1)).sum())


def expectation(ratios):
    assert np.all(ratios.denominators == 1.0)
    return float((CHANCES * ratios.numerators[0]).sum())


@pytest.mark.parametrize("rewards", [OWN, FROM_ABOVE, FROM_BELOW], ids=["own", "above", "below"])
def test_whole_slates_are_right_on_average_for_any_rewards(rewards):
    assert expectation(estimators.whole_slate(WEIGHTS, rewards)) == pytest.approx(truth(rewards))


@pytest.mark.parametrize("rewards", [OWN, FROM_ABOVE], ids=["own", "above"])
def test_reward_interaction_is_right_where_lists_are_read_from_the_top(rewards):
    assert expectation(estimators.reward_interaction(WEIGHTS, rewards)) == pytest.approx(truth(rewards))


def test_reward_interaction_is_wrong_where_items_below_matter():
    assert abs(expectation(estimators.reward_interaction(WEIGHTS, FROM_BELOW)) - truth(FROM_BELOW)) > 0.1


def test_independent_is_right_where_items_earn_by_themselves_only():
    assert expectation(estimators.independent(WEIGHTS, OWN)) == pytest.approx(truth(OWN))
    assert abs(expectation(estimators.independent(WEIGHTS, FROM_ABOVE)) - truth(FROM_ABOVE)) > 0.1


def test_the_pseudo_inverse_needs_the_sum_of_the_rewards_only():
    elsewhere = np.column_stack([OWN.sum(axis=1), np.zeros(len(OWN))])

    assert expectation(estimators.pseudo_inverse(WEIGHTS, OWN)) == pytest.approx(truth(OWN))
    assert expectation(estimators.pseudo_inverse(WEIGHTS, elsewhere)) == pytest.approx(truth(OWN))


def test_the_pseudo_inverse_of_independent_places_has_the_closed_form():
    evaluation = EVALUATION[PLACES, SLATES].prod(axis=1)

    found = estimators.pseudo_inverse_weights(indicators(SLATES), CHANCES, evaluation)

    assert found == pytest.approx(estimators.additive_weights(WEIGHTS))


def test_the_pseudo_inverse_is_right_for_additive_rewards_of_lists_without_repetition():
    slates = np.array(list(permutations(range(3), 2)))
    logging, evaluation = np.full(6, 1 / 6), np.array([0.0, 0.0, 0.5, 0.1, 0.4, 0.0])
    rewards = np.array([[1.0, 2.0, 4.0], [3.0, 1.0, 0.5]])[PLACES, slates].sum(axis=1)

    weights = estimators.pseudo_inverse_weights(indicators(slates), logging, evaluation)

    assert (logging * weights * rewards).sum() == pytest.approx((evaluation * rewards).sum())


def indicators(slates):
    rows = np.zeros((len(slates), 6))
    rows[np.arange(len(slates))[:, None], PLACES * 3 + slates] = 1.0
    return rows


@pytest.mark.parametrize("rewards", [OWN, FROM_ABOVE], ids=["own", "above"])
def test_cascade_doubly_robust_is_right_on_average_whatever_the_model(rewards):
    first, second = np.array([5.0, -1.0, 2.0]), np.array([[0.0, 3.0, 1.0], [2.0, 2.0, 9.0], [1.0, 0.0, 4.0]])
    predicted = np.column_stack([first[SLATES[:, 0]], second[SLATES[:, 0], SLATES[:, 1]]])
    expected = np.column_stack([np.full(9, EVALUATION[0] @ first), second[SLATES[:, 0]] @ EVALUATION[1]])

    found = estimators.cascade_doubly_robust(WEIGHTS, rewards, expected, predicted)

    assert expectation(found) == pytest.approx(truth(rewards))


def test_cascade_doubly_robust_without_a_model_is_reward_interaction():
    nothing = np.zeros_like(WEIGHTS)

    found = estimators.cascade_doubly_robust(WEIGHTS, FROM_ABOVE, nothing, nothing)

    assert found.value == pytest.approx(estimators.reward_interaction(WEIGHTS, FROM_ABOVE).value)


def test_cascade_doubly_robust_varies_less_with_a_good_model():
    below = np.array([[3.0, 1.0, 0.5]]) * (1.0 + np.arange(3))[:, None]
    first = np.array([1.0, 2.0, 4.0]) + below @ EVALUATION[1]
    predicted = np.column_stack([first[SLATES[:, 0]], below[SLATES[:, 0], SLATES[:, 1]]])
    expected = np.column_stack([np.full(9, EVALUATION[0] @ first), below[SLATES[:, 0]] @ EVALUATION[1]])

    found = estimators.cascade_doubly_robust(WEIGHTS, FROM_ABOVE, expected, predicted)

    assert found.numerators[0] == pytest.approx(truth(FROM_ABOVE))


def test_self_normalised_reward_interaction_divides_each_place_by_its_weights():
    weights, rewards = np.array([[2.0, 0.5], [1.0, 3.0]]), np.array([[1.0, 2.0], [4.0, 0.0]])

    found = estimators.self_normalised_reward_interaction(weights, rewards)

    assert found.value == pytest.approx((2.0 + 4.0) / 3.0 + (1.0 * 2.0) / (1.0 + 3.0))
