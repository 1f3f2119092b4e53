"""Weights of algorithms as callers give them."""

from collections.abc import Sequence

from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight

from shared import limits
from shared.algorithms import ALGORITHM_NAMES
from shared.errors import InvalidArgument
from shared.events.check import check_choice, check_count, check_number


def checked_weights(given: Sequence[AlgorithmWeight], field: str) -> dict[str, float]:
    """Return the weight of each algorithm that is named. Raises InvalidArgument naming the field.

    An algorithm that is named twice or unknown, and a weight that is negative or above 1,000,000, are refused.
    """
    check_count(given, field, limits.MAX_ALGORITHMS)
    weights: dict[str, float] = {}
    for index, each in enumerate(given):
        name = f"{field}[{index}].algorithm"
        check_choice(each.algorithm, name, ALGORITHM_NAMES, f"one of {', '.join(sorted(ALGORITHM_NAMES))}")
        if each.algorithm in weights:
            raise InvalidArgument.of(name, each.algorithm, "must be named once", ErrorReason.DUPLICATE_ELEMENT)
        check_number(each.weight, f"{field}[{index}].weight", 0, limits.MAX_WEIGHT)
        weights[each.algorithm] = each.weight
    return weights
