"""Protocols: who is asked, for what, knowing what, in data made by hand."""

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.holdout.protocols import (
    eval_cases,
    excludes_seen,
    most_frequent_kind,
    rebuys,
    strongest_kind,
)
from services.recommendation.holdout.tasks import EvalCase, Protocol
from tests.unit.recommendation.evaluation.synthetic_data import CART, PURCHASE, VIEW, at_random, bought, events, viewed

CUTOFF = 50

TRAIN = events(
    bought(0, 3, 20),
    bought(0, 1, 10),
    viewed(0, 2, 30),
    bought(1, 2, 15),
    viewed(2, 4, 12),
)
"""Customers 0 to 2 and products 1 to 4 are known."""

TEST = events(
    bought(0, 4, 62, basket=1),
    bought(0, 1, 61, basket=0),
    bought(0, 2, 61, basket=0),
    bought(0, 2, 70, basket=2),
    viewed(0, 3, 60),
    bought(1, 7, 60, basket=3),
    bought(1, 1, 60, basket=3),
    bought(2, 7, 60, basket=4),
    bought(3, 1, 60, basket=5),
)
"""Customer 2 buys only what train never saw, customer 3 is new."""


def asked(
    protocol: Protocol, train: Interactions = TRAIN, test: Interactions = TEST, **options: object
) -> list[EvalCase]:
    given = {"target": Kind.PURCHASE, "exclude_seen": False, "cutoff": CUTOFF} | options
    return eval_cases(protocol, train, test, **given)


def answers(found: list[EvalCase]) -> dict[int, list[int]]:
    return {question.customer: question.targets.tolist() for question in found}


def test_top_n_asks_known_customers_for_all_known_products_of_the_target_kind():
    assert answers(asked(Protocol.TOP_N)) == {0: [1, 2, 4], 1: [1]}


def test_discovery_leaves_what_was_bought_out_of_ranking_and_relevance():
    found = asked(Protocol.TOP_N_DISCOVERY)
    assert answers(found) == {0: [2, 4], 1: [1]}
    assert [question.excluded.tolist() for question in found] == [[1, 3], [2]]


def test_discovery_is_top_n_with_seen_products_excluded():
    one, other = asked(Protocol.TOP_N_DISCOVERY), asked(Protocol.TOP_N, exclude_seen=True)
    assert answers(one) == answers(other)


def test_what_was_only_viewed_is_not_seen_when_purchases_are_asked_for():
    (first, _) = asked(Protocol.TOP_N_DISCOVERY)
    assert 2 in first.targets
    assert 2 not in first.excluded


def test_a_weaker_target_asks_for_events_of_that_kind_only():
    assert answers(asked(Protocol.TOP_N, target=Kind.VIEW)) == {0: [3]}


def test_next_item_is_the_first_event_in_time():
    assert answers(asked(Protocol.NEXT_ITEM, test=events(bought(0, 4, 62), bought(0, 2, 61)))) == {0: [2]}


def test_next_item_among_equal_times_is_the_first_of_the_data():
    assert answers(asked(Protocol.NEXT_ITEM))[0] == [1]


def test_a_next_item_that_was_seen_leaves_the_mean_when_seen_products_are_excluded():
    assert answers(asked(Protocol.NEXT_ITEM, exclude_seen=True)) == {}


def test_a_next_item_that_train_never_saw_leaves_the_mean():
    assert 1 not in answers(asked(Protocol.NEXT_ITEM))


def test_next_basket_is_all_of_the_first_basket():
    assert answers(asked(Protocol.NEXT_BASKET)) == {0: [1, 2], 1: [1]}


def test_a_shopper_knows_their_history_in_order_and_the_moment_of_asking():
    shopper = asked(Protocol.TOP_N)[0].shopper
    assert shopper.now == CUTOFF
    assert shopper.products.tolist() == [1, 3, 2]
    assert shopper.times.tolist() == [10, 20, 30]
    assert shopper.kinds.tolist() == [PURCHASE, PURCHASE, VIEW]
    assert shopper.baskets.tolist() == [10, 20, 30]
    assert not len(shopper.session)


def test_a_shopper_has_the_known_groups():
    train = at_random(0)
    for question in asked(Protocol.TOP_N, train, at_random(1)):
        code = int(train.groups["region"][question.customer])
        assert question.shopper.groups == ({} if code < 0 else {"region": code})


def test_a_session_asks_for_every_next_product_after_what_came_before():
    test = events(
        viewed(3, 2, 61, 7), viewed(3, 1, 60, 7), viewed(3, 2, 62, 7), viewed(3, 4, 63, 7), viewed(4, 1, 60, 8)
    )
    found = asked(Protocol.SESSION, test=test, target=Kind.VIEW)
    steps = [(question.shopper.session.tolist(), question.targets.tolist()) for question in found]
    assert steps == [([1], [2]), ([1, 2], [2]), ([1, 2, 2], [4])]
    assert {question.customer for question in found} == {3}
    assert all(not len(question.excluded) for question in found)


def test_a_session_knows_no_history():
    test = events(viewed(0, 1, 60, 7), viewed(0, 2, 61, 7))
    (found,) = asked(Protocol.SESSION, test=test, target=Kind.VIEW)
    assert not len(found.shopper.products)


def test_products_that_train_never_saw_leave_sessions_and_targets():
    test = events(*(viewed(3, product, 60 + place, 7) for place, product in enumerate([7, 1, 7, 2])))
    found = asked(Protocol.SESSION, test=test, target=Kind.VIEW)
    steps = [(question.shopper.session.tolist(), question.targets.tolist()) for question in found]
    assert steps == [([], [1]), ([1], [2])]


def test_the_first_question_of_a_session_comes_after_so_many_events():
    test = events(*(viewed(3, product, 60 + place, 7) for place, product in enumerate([7, 1, 4, 2])))
    found = asked(Protocol.SESSION, test=test, target=Kind.VIEW, shortest_session=2)
    steps = [(question.shopper.session.tolist(), question.targets.tolist()) for question in found]
    assert steps == [([1], [4]), ([1, 4], [2])]


def test_a_session_asks_for_the_target_kind_after_events_of_any_kind():
    test = events(viewed(3, 1, 60, 7), bought(3, 2, 61, 7), viewed(3, 4, 62, 7))
    (found,) = asked(Protocol.SESSION, test=test)
    assert found.targets.tolist() == [2]
    assert found.shopper.session.tolist() == [1]


def test_sessions_do_not_run_into_each_other():
    test = events(viewed(3, 1, 60, 7), viewed(3, 2, 61, 8), viewed(3, 4, 62, 8), viewed(4, 3, 63, 7))
    found = asked(Protocol.SESSION, test=test, target=Kind.VIEW)
    assert [(q.shopper.session.tolist(), q.targets.tolist()) for q in found] == [([1], [3]), ([2], [4])]


@pytest.mark.parametrize("protocol", list(Protocol))
def test_nothing_to_ask_is_no_question(protocol: Protocol):
    assert asked(protocol, test=events()) == []
    assert asked(protocol, train=events()) == []


@pytest.mark.parametrize("protocol", list(Protocol))
def test_a_sample_is_some_of_the_questions_the_same_every_time(protocol: Protocol):
    train, test = at_random(0), at_random(1)

    def summary(found: list[EvalCase]) -> list[tuple[int, list[int], list[int]]]:
        return [(each.customer, each.shopper.session.tolist(), each.targets.tolist()) for each in found]

    everything = summary(asked(protocol, train, test))
    some = summary(asked(protocol, train, test, most=6))
    assert len(some) == 6
    assert [each for each in everything if each in some] == some
    assert summary(asked(protocol, train, test, most=6)) == some
    assert summary(asked(protocol, train, test, most=6, seed=1)) != some
    assert summary(asked(protocol, train, test, most=10_000)) == everything


@pytest.mark.parametrize("exclude_seen", [False, True])
@pytest.mark.parametrize("target", list(Kind))
@pytest.mark.parametrize("protocol", list(Protocol))
def test_what_a_question_promises(protocol: Protocol, target: Kind, exclude_seen: bool):
    train, test = at_random(2), at_random(3)
    train = train.where(train.products < 20)
    found = asked(protocol, train, test, target=target, exclude_seen=exclude_seen)
    assert found
    for question in found:
        assert len(question.targets)
        assert np.all(np.diff(question.targets) > 0)
        assert np.all(np.diff(question.excluded) > 0)
        assert question.targets.max() < 20
        assert not np.intersect1d(question.targets, question.excluded).size
        assert np.all(np.diff(question.shopper.times) >= 0)
        question.shopper.require_within(train.n_products)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "protocol", [Protocol.TOP_N, Protocol.TOP_N_DISCOVERY, Protocol.NEXT_ITEM, Protocol.NEXT_BASKET]
)
def test_the_same_as_asking_one_customer_after_the_other(protocol: Protocol, seed: int):
    """A slow obvious twin that looks at every event of every customer."""
    train, test = at_random(seed, n_events=150), at_random(seed + 100, n_events=150)
    train = train.where((train.products < 20) & (train.customers < 18))
    assert answers(asked(protocol, train, test)) == _obvious(protocol, train, test)


def _obvious(protocol: Protocol, train: Interactions, test: Interactions) -> dict[int, list[int]]:
    found = {}
    for customer in sorted(set(train.customers.tolist())):
        mine = [e for e in range(len(test.customers)) if test.customers[e] == customer and test.kinds[e] == PURCHASE]
        mine.sort(key=lambda e: test.times[e])
        if protocol is Protocol.NEXT_ITEM:
            mine = mine[:1]
        if protocol is Protocol.NEXT_BASKET:
            mine = [e for e in mine if test.baskets[e] == test.baskets[mine[0]]]
        wanted = {int(test.products[e]) for e in mine} & set(train.products.tolist())
        if protocol is Protocol.TOP_N_DISCOVERY:
            had = (train.customers == customer) & (train.kinds == PURCHASE)
            wanted -= set(train.products[had].tolist())
        if wanted:
            found[customer] = sorted(wanted)
    return found


def test_the_strongest_kind_is_asked_for():
    assert strongest_kind(TEST) is Kind.PURCHASE
    assert strongest_kind(events(viewed(0, 1, 1), (0, 1, CART, 2, 2))) is Kind.CART
    assert strongest_kind(events()) is Kind.VIEW


def test_a_rebuy_is_the_same_product_in_another_basket():
    train = events(
        bought(0, 1, 1), bought(0, 1, 2), bought(0, 1, 3), bought(0, 2, 4, basket=9), bought(0, 2, 4, basket=9)
    )
    assert rebuys(train, Kind.PURCHASE) == 0.5
    assert rebuys(train, Kind.VIEW) == 0.0
    assert rebuys(events(), Kind.PURCHASE) == 0.0


def test_another_customer_or_kind_makes_no_rebuy():
    assert rebuys(events(bought(0, 1, 1), bought(1, 1, 2), viewed(0, 1, 3)), Kind.PURCHASE) == 0.0


def test_seen_products_are_left_out_by_default_for_discovery_and_where_nobody_rebuys():
    never, often = events(bought(0, 1, 1)), events(bought(0, 1, 1), bought(0, 1, 2))
    assert excludes_seen(Protocol.TOP_N_DISCOVERY, often, Kind.PURCHASE)
    assert not excludes_seen(Protocol.TOP_N, never, Kind.PURCHASE)
    assert excludes_seen(Protocol.NEXT_ITEM, never, Kind.PURCHASE)
    assert not excludes_seen(Protocol.NEXT_ITEM, often, Kind.PURCHASE)


def test_train_and_test_must_mean_the_same_rows():
    with pytest.raises(ValueError, match=r"test\.n_products: must be that of train, 8, got 9"):
        asked(Protocol.TOP_N, test=events(n_products=9))


def test_without_times_a_repeat_at_another_place_is_a_rebuy():
    "baskets are not known then: all events of a customer are one"
    in_one = events(bought(0, 1, 1, basket=0), bought(0, 2, 2, basket=0), bought(0, 1, 3, basket=0))
    assert rebuys(in_one, Kind.PURCHASE) == 0.0
    assert rebuys(in_one, Kind.PURCHASE, timed=False) == 0.5
    assert not excludes_seen(Protocol.NEXT_ITEM, in_one, Kind.PURCHASE, timed=False)
    once = events(bought(0, 1, 1, basket=0), bought(0, 2, 2, basket=0))
    assert excludes_seen(Protocol.NEXT_ITEM, once, Kind.PURCHASE, timed=False)


def test_sessions_ask_for_every_kind_where_all_count():
    test = events(viewed(0, 1, 60, basket=1), viewed(0, 2, 61, basket=1), bought(0, 3, 62, basket=1))
    assert [question.targets.tolist() for question in asked(Protocol.SESSION, test=test)] == [[3]]
    every = asked(Protocol.SESSION, test=test, every_kind=True)
    assert [question.targets.tolist() for question in every] == [[2], [3]]


def test_the_most_frequent_kind():
    assert most_frequent_kind(events(viewed(0, 1, 1), viewed(0, 2, 2), bought(0, 1, 3))) is Kind.VIEW
