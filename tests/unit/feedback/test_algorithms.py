"""The list of algorithms that weights may name is the list of algorithms there are."""

from services.recommendation.algorithms.registry import BY_NAME
from shared.algorithms import ALGORITHM_NAMES


def test_every_algorithm_can_be_weighed_and_nothing_else() -> None:
    assert set(BY_NAME) == ALGORITHM_NAMES
