"""Slices: who is cold, what is cold, and what nobody could have known."""

import numpy as np

from services.recommendation.algorithms.base import Kind, Shopper
from services.recommendation.evaluation.slices import cold_items, cold_users, never_seen, new, repeats, slices_of
from services.recommendation.holdout.histories import CustomerHistories
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task
from tests.unit.recommendation.evaluation.synthetic_data import bought, events, rows, viewed

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


def test_repeats_and_new_targets_are_reported_apart_in_sessions():
    running = Shopper(now=9, session=rows(3, 1, 3))
    asked = [EvalCase(running, rows(1), rows(), 0), EvalCase(running, rows(2), rows(), 0)]
    assert repeats(asked).questions.tolist() == [0]
    assert new(asked).questions.tolist() == [1]
    assert (repeats(asked).name, new(asked).name) == ("repeat", "new")


def test_a_question_with_both_is_in_both_slices_with_its_own_targets():
    shopper = CustomerHistories(TRAIN, 9).shopper(1)  # bought 1 and 2
    asked = [EvalCase(shopper, rows(1, 3), rows(), 1)]
    assert [own.tolist() for own in repeats(asked).targets] == [[1]]
    assert [own.tolist() for own in new(asked).targets] == [[3]]


def test_a_viewed_product_counts_as_met():
    shopper = CustomerHistories(TRAIN, 9).shopper(0)  # viewed 1 only
    assert repeats([EvalCase(shopper, rows(1), rows(), 0)]).questions.tolist() == [0]


def test_sessions_have_no_cold_user_slice():
    found = {
        protocol: [each.name for each in slices_of([question(1, 1)], Task(TRAIN, protocol))] for protocol in Protocol
    }
    assert found[Protocol.SESSION] == ["cold-item", "repeat", "new"]
    assert all(
        found[each] == ["cold-user", "cold-item", "repeat", "new"] for each in Protocol if each != Protocol.SESSION
    )
