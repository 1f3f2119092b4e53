"""What is asked per context: nothing of the answer is known, nothing that the page leaves out is asked for."""

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.algorithms.interactions import DAY
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.training import eval_rounds
from services.recommendation.training.eval_rounds import HeldOutPeriod
from tests.contract.algorithms.synthetic_data import NOW, shop

ANN, BOB, NEW = range(3)
VIEW, CART, PURCHASE = Kind.VIEW, Kind.CART, Kind.PURCHASE
EVENTS = [  # customer, product, kind, days ago, basket; held out is what is at most ten days ago
    (ANN, 0, PURCHASE, 100, 1),
    (ANN, 1, PURCHASE, 50, 2),
    (BOB, 2, PURCHASE, 80, 3),
    (BOB, 3, VIEW, 70, 4),
    (ANN, 0, PURCHASE, 5, 5),
    (ANN, 2, PURCHASE, 5, 5),
    (ANN, 3, PURCHASE, 5, 5),
    (ANN, 4, PURCHASE, 5, 5),
    (BOB, 1, VIEW, 4.0, 6),
    (BOB, 0, CART, 3.9, 6),
    (BOB, 3, VIEW, 3.8, 6),
    (BOB, 2, VIEW, 3.7, 6),
    (BOB, 1, VIEW, 3.6, 6),
    (NEW, 0, PURCHASE, 2, 7),
    (BOB, 4, PURCHASE, 0, 8),
]


@pytest.fixture
def later() -> HeldOutPeriod:
    return opened(added=[0, 0, 0, 0, NOW - DAY])


def opened(added: list[int]) -> HeldOutPeriod:
    customers, products, kinds, days, baskets = zip(*EVENTS, strict=True)
    times = NOW - (np.array(days) * DAY).astype(np.int64)
    rows = {"n_customers": 3, "n_products": 5, "now": NOW}
    return HeldOutPeriod(
        Interactions.of(customers, products, **rows, kinds=kinds, times=times, baskets=baskets, added=added)  # type: ignore[arg-type]
    )


def test_customers_are_asked_for_what_they_obtain_newly_and_at_all(later: HeldOutPeriod) -> None:
    asked = later.of_customers(10)
    assert asked.target is PURCHASE
    everything, discovery = (
        {question.customer: question for question in asked.asked[context]}
        for context in (RerankContext.EVERYTHING, RerankContext.DISCOVERY)
    )
    # product 4 was not there before, Bob obtains nothing else, and nobody knows the new customer
    assert everything.keys() == discovery.keys() == {ANN}
    assert everything[ANN].targets.tolist() == [0, 2, 3]
    assert everything[ANN].excluded.tolist() == []
    assert discovery[ANN].targets.tolist() == [2, 3]
    assert discovery[ANN].excluded.tolist() == [0, 1]
    assert discovery[ANN].shopper.products.tolist() == [0, 1]
    assert asked.shoppers(0, 1) == [discovery[ANN].shopper]


def test_a_product_that_was_there_is_asked_for_even_if_nobody_had_met_it() -> None:
    (question, other) = opened(added=[0] * 5).of_customers(10).asked[RerankContext.DISCOVERY]
    assert sorted([question.targets.tolist(), other.targets.tolist()]) == [[2, 3, 4], [4]]


def test_a_part_of_a_basket_asks_for_what_is_new_in_the_rest(later: HeldOutPeriod) -> None:
    (question,) = later.of_baskets(10).asked[RerankContext.BASKET]
    cart = set(question.shopper.cart.tolist())
    assert question.customer == ANN
    assert cart
    assert cart < {0, 2, 3}
    assert set(question.targets.tolist()) == {2, 3} - cart
    assert set(question.excluded.tolist()) == {0, 1} | cart
    assert question.shopper.products.tolist() == [0, 1]


def test_sessions_are_asked_step_by_step_with_the_history(later: HeldOutPeriod) -> None:
    asked = later.of_sessions(10)
    assert asked.target is VIEW
    steps = sorted(asked.asked[RerankContext.SESSION], key=lambda question: len(question.shopper.session))
    # the view of product 2, bought before, is not asked for; the second view of product 1 is
    assert [question.targets.tolist() for question in steps] == [[3], [1]]
    assert [question.shopper.session.tolist() for question in steps] == [[1, 0], [1, 0, 3, 2]]
    assert [question.shopper.current for question in steps] == [0, 2]
    assert steps[1].excluded.tolist() == [2]
    assert steps[1].shopper.products.tolist() == [2, 3, 1, 0, 3, 2]
    assert all((question.shopper.times < question.shopper.now).all() for question in steps)


@pytest.mark.parametrize("seed", range(5))
def test_no_answer_is_known_and_none_is_left_out(seed: int) -> None:
    data = shop(seed, n_customers=30, n_products=25, n_events=1500)
    later = HeldOutPeriod(data, seed)
    assert (later.known.times < later.known.now).all()
    for asked in (later.of_customers(20), later.of_baskets(20), later.of_sessions(20)):
        for questions in asked.asked.values():
            assert 0 < len(questions) <= 20
            for question in questions:
                assert not np.isin(question.targets, question.excluded).any()
                assert (question.shopper.times < question.shopper.now).all()
                assert question.shopper.now >= later.known.now
                assert (np.diff(question.targets) > 0).all()
        shrinking = [len(question.excluded) for questions in asked.asked.values() for question in questions[:1]]
        assert shrinking == sorted(shrinking)


def test_only_the_latest_events_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eval_rounds, "LONGEST_HISTORY", 3)
    data = shop(1, n_customers=5, n_products=25, n_events=500)
    whole = data.times[(data.customers == 2) & (data.times < NOW)]
    shopper = eval_rounds.PastShoppers(data).shopper(2, NOW)
    assert shopper.times.tolist() == np.sort(whole)[-3:].tolist()


def test_a_shop_where_only_views_are_known_asks_for_views() -> None:
    views = shop(2).kinds == VIEW
    asked = HeldOutPeriod(shop(2).where(views))
    assert asked.of_customers(5).target is VIEW
    assert asked.of_baskets(5).asked[RerankContext.BASKET] == []


def test_what_was_put_into_the_cart_with_a_basket_is_not_known_when_its_rest_is_asked_for() -> None:
    """Else the reranker learned that what is in the cart already comes next, and nothing else."""
    minutes = [-14_400, -60, -20, -15, -10, -5, 0, 0, 0]  # before the purchase; the second is another visit
    products = [2, 1, 0, 1, 2, 3, 0, 1, 2]
    kinds = [Kind.VIEW] * 2 + [Kind.CART] * 4 + [Kind.PURCHASE] * 3
    data = Interactions.of(
        [0] * 9, products, n_customers=1, n_products=4, now=NOW, kinds=kinds, baskets=[0, 1, 2, 2, 2, 2, 3, 3, 3],
        times=NOW + 60 * np.array(minutes), added=0,
    )  # fmt: skip
    (question,) = HeldOutPeriod(data).of_baskets(5).asked[RerankContext.BASKET]
    known = question.shopper
    visit = known.products[known.times >= NOW - 20 * 60]
    assert set(question.targets.tolist()) == {0, 1, 2} - set(known.cart.tolist())
    assert not set(visit.tolist()) & set(question.targets.tolist())
    assert 3 in visit, "what did not come into the basket is known"
    assert set(known.products[known.times < NOW - 20 * 60].tolist()) == {1, 2}, "earlier visits are known"
