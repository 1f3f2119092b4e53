import gc
from dataclasses import replace

import numpy as np

from services.recommendation.algorithms.base import Interactions, Kind, Shopper
from services.recommendation.algorithms.interactions import EVENT_WEIGHTS
from services.recommendation.algorithms.item_knn import ItemKnn
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.training import event_weights
from services.recommendation.training.event_weights import (
    learn_kind_weights,
    quality,
    spread,
    surely_more,
)
from tests.contract.algorithms.synthetic_data import NOW

N = 40


def interactions(telling: Kind, misleading: Kind) -> tuple[Interactions, list[EvalCase]]:
    """Customers meet products of their own parity by the telling kind, and any products by the misleading one."""
    rng = np.random.default_rng(3)
    customers = np.repeat(np.arange(150), 12)
    own = rng.integers(0, N // 2, len(customers)) * 2 + customers % 2
    anything = rng.integers(0, N, len(customers))
    kinds = np.where(np.arange(len(customers)) % 2 == 0, telling, misleading)
    products = np.where(kinds == telling, own, anything)
    data = Interactions.of(customers, products, n_customers=150, n_products=N, now=NOW, kinds=kinds)
    return data, [asked(data, customer) for customer in range(150)]


def asked(data: Interactions, customer: int) -> EvalCase:
    own = data.customers == customer
    shopper = Shopper(
        now=NOW,
        products=data.products[own],
        kinds=data.kinds[own],
        quantities=data.quantities[own],
        times=data.times[own],
        baskets=data.baskets[own],
    )
    met = np.unique(data.products[own])
    targets = np.setdiff1d(np.arange(customer % 2, N, 2), met)[:5]
    return EvalCase(shopper, targets.astype(np.int32), met, customer)


def neighbourhoods() -> int:
    """How many there are in this process."""
    gc.collect()
    return sum(isinstance(each, ItemKnn) for each in gc.get_objects())


def test_views_that_tell_nothing_get_little_weight():
    data, questions = interactions(Kind.PURCHASE, Kind.VIEW)
    weights = learn_kind_weights(replace(data, kind_weights=np.ones(3, np.float32)), questions)
    assert weights[Kind.PURCHASE] == 1.0
    assert weights[Kind.VIEW] <= 0.1
    assert weights.dtype == np.float32


def test_weights_that_are_better_by_chance_alone_are_not_taken():
    data, questions = interactions(Kind.PURCHASE, Kind.VIEW)
    weights = learn_kind_weights(data, questions)
    assert weights[Kind.VIEW] == EVENT_WEIGHTS[Kind.VIEW] / EVENT_WEIGHTS[Kind.PURCHASE]
    none = data.kind_weights * np.array([0, 1, 1], np.float32) / data.kind_weights[Kind.PURCHASE]
    given = data.kind_weights / data.kind_weights[Kind.PURCHASE]
    better = quality(data, questions, none) - quality(data, questions, given)
    assert better.mean() > 0
    assert not surely_more(better)


def test_gains_beyond_chance_are_sure():
    assert surely_more(np.full(10, 0.1))
    assert not surely_more(np.tile([0.5, -0.49], 50))
    assert not surely_more(np.zeros(10))


def test_views_that_tell_more_than_purchases_get_more_weight():
    assert learn_kind_weights(*interactions(Kind.VIEW, Kind.PURCHASE))[Kind.VIEW] == 2.0


def test_a_kind_that_does_not_occur_keeps_its_weight():
    weights = learn_kind_weights(*interactions(Kind.PURCHASE, Kind.VIEW))
    assert weights[Kind.CART] == EVENT_WEIGHTS[Kind.CART] / EVENT_WEIGHTS[Kind.PURCHASE]


def test_no_neighbourhoods_that_were_tried_stay_in_memory():
    data, questions = interactions(Kind.PURCHASE, Kind.VIEW)
    before = neighbourhoods()
    learn_kind_weights(data, questions)
    assert neighbourhoods() == before


def test_it_is_deterministic():
    first, second = (learn_kind_weights(*interactions(Kind.VIEW, Kind.CART)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_too_few_questions_leave_the_weights():
    data, questions = interactions(Kind.PURCHASE, Kind.VIEW)
    np.testing.assert_array_equal(learn_kind_weights(data, questions[:99]), EVENT_WEIGHTS)


def test_one_kind_leaves_the_weights():
    data, questions = interactions(Kind.PURCHASE, Kind.PURCHASE)
    np.testing.assert_array_equal(learn_kind_weights(data, questions), EVENT_WEIGHTS)


def test_at_most_so_many_questions_are_asked(monkeypatch):
    data, questions = interactions(Kind.PURCHASE, Kind.VIEW)
    seen = []
    monkeypatch.setattr(event_weights, "quality", lambda train, part, weights: seen.append(len(part)) or np.zeros(120))
    monkeypatch.setattr(event_weights, "MOST_QUESTIONS", 120)
    learn_kind_weights(data, questions)
    assert set(seen) == {120}


def test_the_spread_keeps_the_ends():
    _, questions = interactions(Kind.PURCHASE, Kind.VIEW)
    few = spread(questions, 10)
    assert [question.customer for question in few][::9] == [0, 149]
    assert spread(questions[:3], 10) == questions[:3]
