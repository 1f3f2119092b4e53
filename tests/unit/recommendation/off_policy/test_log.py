import numpy as np
import pytest

from services.recommendation.off_policy.log import ActionLog, SlateLog

ONE = np.array([0.5])


def test_the_length_of_a_log_is_its_number_of_decisions():
    assert len(ActionLog(np.array([1, 0]), np.full(2, 0.5), np.zeros(2), np.arange(2))) == 2
    assert len(SlateLog.full(np.full((3, 2), 0.5), np.zeros((3, 2)), np.arange(3))) == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.array([0]), np.ones(2), ONE, np.array([1])), r"propensities: must have shape \(1,\), got \(2,\)"),
        ((np.array([0]), ONE, np.ones(2), np.array([1])), "rewards: must have shape"),
        ((np.array([0]), ONE, ONE, np.array([1, 2])), "units: must have shape"),
        ((np.array([-3]), ONE, ONE, np.array([1])), "actions: must not be negative, got -3"),
        ((np.array([0]), ONE, np.array([np.inf]), np.array([1])), "rewards: must be finite, got inf"),
        ((np.array([], int), np.array([]), np.array([]), np.array([], int)), "rewards: must not be empty"),
    ],
)
def test_wrong_logs_of_actions_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        ActionLog(*arguments)


def test_wrong_logs_of_lists_are_refused():
    two = np.full((1, 2), 0.5)
    with pytest.raises(ValueError, match="units: must have shape"):
        SlateLog.full(two, two, np.arange(2))
    with pytest.raises(ValueError, match="rewards: must have shape"):
        SlateLog.full(two, np.ones((1, 3)), np.arange(1))
    with pytest.raises(ValueError, match="must be 0 at places that a list does not have"):
        SlateLog(two, two, np.arange(1), np.array([[True, False]]))
