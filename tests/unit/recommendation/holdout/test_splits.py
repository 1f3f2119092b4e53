"""Validation splits: they mirror the protocol and never look beyond train."""

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.holdout.splits import validation
from services.recommendation.holdout.tasks import EvalCase, Protocol, Task
from tests.unit.recommendation.evaluation.synthetic_data import at_random, bought, events, viewed


def pairs(data: Interactions) -> list[tuple[int, int, int]]:
    return list(zip(data.customers.tolist(), data.products.tolist(), data.kinds.tolist(), strict=True))


def targets(found: list[EvalCase]) -> dict[int, list[int]]:
    return {question.customer: question.targets.tolist() for question in found}


def test_timed_top_n_holds_out_the_last_tenth_of_the_time_span():
    train = events(bought(0, 1, 0), bought(1, 2, 50), bought(0, 2, 89), bought(0, 3, 91), bought(1, 1, 100))
    inner, found = validation(Task(train, Protocol.TOP_N))
    assert inner.train.times.tolist() == [0, 50, 89]
    assert inner.train.now == found[0].shopper.now == 90
    assert targets(found) == {1: [1]}  # product 3 was never seen before


def test_wrong_clocks_do_not_stretch_the_time_span():
    usual = [bought(event % 5, event % 8, 1_000_000 + event) for event in range(2000)]
    train = events(bought(0, 1, 3), *usual, bought(1, 1, 9_000_000))
    inner, _ = validation(Task(train, Protocol.TOP_N))
    assert inner.train.now == pytest.approx(1_001_800, abs=10)


def test_next_basket_in_time_is_the_first_of_the_last_tenth():
    train = events(bought(0, 1, 0), bought(0, 2, 50), bought(0, 1, 95), bought(0, 2, 98), bought(0, 1, 100))
    assert targets(validation(Task(train, Protocol.NEXT_BASKET))[1]) == {0: [1]}


def test_untimed_top_n_holds_out_a_fifth_of_each_customers_products():
    train = events(
        *(bought(0, product, product) for product in range(10)),
        *(bought(1, product, product + 10) for product in range(10)),
        *(bought(1, product, product + 40) for product in range(10)),
        *(bought(2, product, product + 20) for product in range(2)),
        bought(3, 0, 33),
        *(viewed(0, product, product + 60) for product in range(10)),
        n_products=10,
    )
    inner, found = validation(Task(train, Protocol.TOP_N_DISCOVERY, timed=False, exclude_seen=True))
    assert {question.customer: len(question.targets) for question in found} == {0: 2, 1: 2, 2: 1}
    kept = set(pairs(inner.train))
    assert all((question.customer, product, 2) not in kept for question in found for product in question.targets)
    assert all((0, product, 0) in kept for product in range(10))  # views stay, whatever of the purchases does
    assert (3, 0, 2) in kept
    assert len(inner.train.customers) == 43 - 2 - 4 - 1
    assert inner.train.now == train.now


def test_the_seed_decides_what_is_held_out():
    task = Task(at_random(0), Protocol.TOP_N, timed=False)
    one, same, other = (targets(validation(task, seed)[1]) for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_next_item_holds_out_the_last_purchase_and_keeps_the_views_of_it():
    train = events(bought(0, 1, 10), viewed(0, 2, 15), bought(0, 2, 20), bought(1, 2, 5), bought(1, 1, 6))
    inner, found = validation(Task(train, Protocol.NEXT_ITEM))
    assert targets(found) == {0: [2], 1: [1]}
    assert pairs(inner.train) == [(0, 1, 2), (0, 2, 0), (1, 2, 2)]


def test_next_item_in_time_leaves_out_what_came_after():
    history = (bought(0, 1, 10), bought(0, 2, 20), viewed(0, 3, 30), bought(1, 2, 5))
    for timed, left in ((True, [1]), (False, [1, 3])):
        inner, found = validation(Task(events(*history, bought(1, 1, 40)), Protocol.NEXT_ITEM, timed=timed))
        assert targets(found) == {0: [2], 1: [1]}
        assert inner.train.products[inner.train.customers == 0].tolist() == left


def test_next_item_draws_among_equal_times():
    train = events(
        bought(0, 1, 1), bought(1, 2, 1), bought(1, 3, 1), *(bought(0, p, 9) for p in (2, 3)), bought(1, 1, 8)
    )
    drawn = {targets(validation(Task(train, Protocol.NEXT_ITEM), seed)[1])[0][0] for seed in range(20)}
    assert drawn == {2, 3}


def test_a_customer_is_not_left_without_any_event():
    train = events(bought(0, 1, 10), bought(1, 1, 10), bought(1, 2, 20), viewed(0, 2, 30))
    inner, found = validation(Task(train, Protocol.NEXT_ITEM))
    assert targets(found) == {1: [2]}
    assert (inner.train.customers == 0).sum() == 2


def test_untimed_next_basket_holds_out_the_last_basket():
    train = events(bought(0, 1, 1, 0), bought(0, 2, 2, 0), bought(0, 1, 3, 1), bought(0, 2, 4, 1), viewed(0, 3, 9, 1))
    inner, found = validation(Task(train, Protocol.NEXT_BASKET, timed=False))
    assert targets(found) == {0: [1, 2]}
    assert inner.train.products.tolist() == [1, 2, 3]


def test_sessions_that_end_last_are_held_out():
    visits = [viewed(n, product, 10 * n + product, basket=n) for n in range(20) for product in (1, 2, 3)]
    inner, found = validation(Task(events(*visits, n_customers=20), Protocol.SESSION, target=Kind.VIEW))
    assert sorted({question.customer for question in found}) == [18, 19]
    assert len(found) == 4
    assert inner.train.now == 183
    assert inner.train.baskets.max() == 17


@pytest.mark.parametrize("timed", [True, False])
@pytest.mark.parametrize("protocol", list(Protocol))
def test_nothing_of_the_answers_stays_in_what_is_known(protocol: Protocol, timed: bool):
    train = at_random(5)
    task = Task(train, protocol, timed=timed, exclude_seen=protocol is Protocol.TOP_N_DISCOVERY)
    inner, found = validation(task)
    assert found
    assert (inner.protocol, inner.target, inner.timed) == (protocol, task.target, timed)
    assert len(inner.train.customers) < len(train.customers)
    for question in found:
        if timed and protocol is not Protocol.NEXT_ITEM:
            assert question.shopper.times.max(initial=0) <= question.shopper.now
        if protocol is Protocol.TOP_N_DISCOVERY:
            mine = (inner.train.customers == question.customer) & (inner.train.kinds == Kind.PURCHASE)
            assert not np.isin(question.targets, inner.train.products[mine]).any()


def test_questions_may_be_capped():
    inner, found = validation(Task(at_random(5), Protocol.NEXT_ITEM), most=3)
    assert len(found) == 3
    assert len(inner.train.customers) == len(validation(Task(at_random(5), Protocol.NEXT_ITEM))[0].train.customers)


def test_an_empty_train_asks_nothing():
    task = Task(events(), Protocol.TOP_N)
    assert validation(task) == (task, [])
