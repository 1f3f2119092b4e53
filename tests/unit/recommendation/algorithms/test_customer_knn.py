"""Customer neighbourhoods against a slow, dense twin."""

import numpy as np
import pytest

from services.recommendation.algorithms import customer_knn
from services.recommendation.algorithms.base import Interactions, ReasonKind
from services.recommendation.algorithms.customer_knn import CustomerKnn, most_recent
from services.recommendation.algorithms.interactions import DAY
from services.recommendation.algorithms.sparse import preferences
from tests.contract.algorithms.synthetic_data import NOW, buyer, shop, shopper_of


def interactions() -> Interactions:
    """Customers 0 and 1 share products 0 and 1, customer 2 has others; 3 is known by all but one."""
    customers, products = [0, 0, 0, 1, 1, 1, 2, 2], [0, 1, 2, 0, 1, 3, 4, 3]
    return Interactions.of(customers, products, n_customers=4, n_products=6, now=NOW)


@pytest.mark.parametrize("customer", [0, 7])
def test_the_nearest_customers_vote_by_their_decayed_frequencies(customer):
    data = shop()
    x = preferences(data, 60.0).toarray().astype(np.float64)
    rarity = np.maximum(np.log((x > 0).any(axis=1).sum() / (x > 0).sum(axis=0)), 0.1)
    profiles = x * rarity
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True)
    likeness = profiles @ profiles[customer]
    likeness[customer] = 0.0
    near = np.argsort(-likeness)[:5]
    weights = np.expm1(x[near])
    expected = likeness[near] @ (weights / (1.0 + weights))
    scores = CustomerKnn(neighbours=5).fit(data).score(shopper_of(data, customer))
    np.testing.assert_allclose(scores, expected, rtol=1e-3, atol=1e-5)


def test_a_shopper_is_not_their_own_neighbour():
    scores = CustomerKnn().fit(interactions()).score(shopper_of(interactions(), 0))
    assert scores[2] == 0.0
    assert scores[3] > 0


def test_the_reason_names_what_is_shared():
    model = CustomerKnn().fit(interactions())
    reason = model.explain(buyer((0, 2), (1, 1), (5, 1)), 3)
    assert reason.kind is ReasonKind.BECAUSE_YOU_BOUGHT
    assert set(reason.products) == {0, 1}
    assert model.explain(buyer((0, 2)), 4) is None


def test_memory_is_bounded_by_the_latest_customers_and_their_strongest_products():
    data = shop()
    model = CustomerKnn(max_customers=7, max_history=3).fit(data)
    assert model.habits.shape == (7, 30)
    assert model.index.shape == (30, 7)
    assert np.diff(model.habits.indptr).max() <= 3


def test_most_recent_are_those_of_the_latest_event():
    times = [NOW - 9 * DAY, NOW - 3 * DAY, NOW - 5 * DAY, NOW - DAY]
    data = Interactions.of([0, 1, 2, 0], [0, 0, 0, 0], n_customers=5, n_products=1, now=NOW, times=times)
    assert most_recent(data, 2).tolist() == [0, 1]
    assert most_recent(data, 9).tolist() == [0, 1, 2]


def test_blocks_make_no_difference(monkeypatch):
    data = shop()
    model = CustomerKnn().fit(data)
    shoppers = [shopper_of(data, customer) for customer in range(10)]
    whole = model.score_many(shoppers)
    monkeypatch.setattr(customer_knn, "BLOCK", 3)
    np.testing.assert_array_equal(model.score_many(shoppers), whole)
