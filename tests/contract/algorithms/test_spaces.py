"""What is searched are configuration fields, and the algorithm takes every value."""

import json

import pytest

from services.recommendation.algorithms.base import Algorithm
from services.recommendation.algorithms.registry import CLASSES

TUNABLE = [algorithm for algorithm in CLASSES if algorithm.space]


@pytest.mark.parametrize("algorithm", TUNABLE, ids=lambda each: each.name)
def test_every_value_of_the_space_is_taken(algorithm: type[Algorithm]) -> None:
    defaults = algorithm().params
    for name, values in algorithm.space.items():
        assert name in defaults
        assert list(values) == sorted(set(values))
        assert len(values) > 1
        assert defaults[name] in values
        for value in values:
            assert type(value) is type(defaults[name])
            assert algorithm(**{name: value}).params[name] == json.loads(json.dumps(value)) == value


def test_some_algorithm_of_each_way_of_asking_is_tuned() -> None:
    assert {"item_knn", "repurchase", "transitions"} <= {each.name for each in TUNABLE}
