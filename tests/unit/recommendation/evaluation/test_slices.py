"""Slices: who is cold, what is cold, and what nobody could have known."""

import numpy as np

from services.recommendation.algorithms.base import Kind, Shopper
from services.recommendation.evaluation.slices import cold_items, cold_users, never_seen
from services.recommendation.holdout.tasks import EvalCase
from tests.unit.recommendation.evaluation.worlds import bought, events, rows, viewed

TRAIN = events(
    *(viewed(0, 1, time) for time in range(5)), *(bought(1, 1, time) for time in range(3)), *(bought(1, 2, 9),)
)
"""Customer 0 has five events, customer 1 four, the others none; product 1 has eight, product 2 one."""


def question(customer: int, *targets: int) -> EvalCase:
    return EvalCase(Shopper(now=9), rows(*targets), rows(), customer)


def test_cold_users_have_fewer_than_five_events_or_are_unknown():
    asked = [question(0, 1), question(1, 1, 2), question(2, 2), question(-1, 1)]
    found = cold_users(asked, TRAIN)
    assert found.name == "cold-user"
    assert found.questions.tolist() == [1, 2, 3]
    assert [own.tolist() for own in found.targets] == [[1, 2], [2], [1]]
    assert cold_users(asked, TRAIN, fewer_than=1).questions.tolist() == [2, 3]


def test_cold_items_are_relevant_products_with_fewer_than_five_events():
    found = cold_items([question(0, 1), question(1, 1, 2), question(2, 2)], TRAIN)
    assert found.name == "cold-item"
    assert found.questions.tolist() == [1, 2]
    assert [own.tolist() for own in found.targets] == [[2], [2]]


def test_no_question_no_slice():
    for found in (cold_users([], TRAIN), cold_items([], TRAIN)):
        assert found.targets == []
        assert found.questions.dtype == np.int64


def test_pairs_with_products_that_train_never_saw_are_counted():
    test = events(bought(0, 3, 20), bought(0, 3, 21), bought(1, 3, 20), bought(0, 1, 20), viewed(0, 4, 20))
    assert never_seen(TRAIN, test, Kind.PURCHASE) == 2
