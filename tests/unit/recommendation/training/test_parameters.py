"""Algorithms are made with what tuning chose, and with their defaults where that means nothing any more."""

from services.recommendation.algorithms.popular import Popular
from services.recommendation.training.parameters import changed, tuned_algorithms
from tests.unit.recommendation.tuning.toys import Settled, Toy

CLASSES = (Toy, Settled, Popular)


def test_what_was_chosen_is_taken_and_named() -> None:
    algorithms = tuned_algorithms({"toy": {"other": 0.0}, "gone": {"x": 1}}, CLASSES)
    assert [each.name for each in algorithms] == ["toy", "settled", "popular"]
    assert [each.params["other"] for each in algorithms[:2]] == [0.0, 0.5]
    assert changed(algorithms) == {"toy": {"other": 0.0}}


def test_parameters_of_before_an_upgrade_leave_the_defaults() -> None:
    algorithms = tuned_algorithms({"toy": {"other": 0.0, "renamed": 1}}, CLASSES)
    assert changed(algorithms) == {}
