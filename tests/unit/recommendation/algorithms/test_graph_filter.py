"""The graph filter against a slow, dense twin."""

import numpy as np
import pytest

from services.recommendation.algorithms.arrays import as_csr
from services.recommendation.algorithms.base import Interactions, ReasonKind
from services.recommendation.algorithms.factors import right_vectors
from services.recommendation.algorithms.graph_filter import GraphFilter
from services.recommendation.algorithms.sparse import preferences
from services.recommendation.algorithms.user_profile import user_profile
from tests.contract.algorithms.synthetic_data import NOW, browsing, buyer, shop, shopper_of


def test_it_is_one_step_over_shared_customers_and_a_low_pass_filter():
    data = shop()
    x = preferences(data, 120.0).toarray().astype(np.float64)
    customers, products = x.sum(axis=1, keepdims=True), x.sum(axis=0)
    r = x / np.sqrt(customers) / np.sqrt(products)
    v = np.linalg.svd(r)[2][:4].T
    shopper = shopper_of(data, 3)
    rows, values = user_profile(shopper, 120.0, 400, data.relative_weights)
    y = np.zeros(30)
    y[rows] = values
    expected = y @ (r.T @ r) + 0.3 * (y / np.sqrt(products)) @ v @ v.T * np.sqrt(products)
    scores = GraphFilter(dimensions=4, top_k=30).fit(data).score(shopper)
    # the solver is randomised: exact to some tenths of a percent where singular values are close
    np.testing.assert_allclose(scores, np.maximum(expected, 0.0), rtol=1e-2, atol=1e-5)


def test_the_step_alone_reaches_only_shared_customers():
    data = Interactions.of([0, 0, 1, 1], [0, 1, 2, 3], n_customers=2, n_products=5, now=NOW)
    scores = GraphFilter(smooth=0.0).fit(data).score(browsing(0))
    assert np.flatnonzero(scores).tolist() == [0, 1]


def test_each_product_leads_to_so_many_products():
    neighbours = GraphFilter(top_k=4).fit(shop()).neighbours
    assert np.diff(neighbours.indptr).max() == 4


def test_a_reason_names_other_products_before_the_product_itself():
    model = GraphFilter().fit(Interactions.of([0, 0, 1], [0, 1, 2], n_customers=2, n_products=3, now=NOW))
    both = buyer((0, 2), (1, 1))
    assert model.explain(both, 0).products == (1,)
    alone = model.explain(buyer((2, 1)), 2)
    assert alone.products == (2,)
    assert alone.kind is ReasonKind.BECAUSE_YOU_BOUGHT
    assert model.explain(buyer((2, 1)), 0) is None


def test_vectors_that_are_rounding_are_left_out():
    data = Interactions.of([0, 0, 1, 1], [0, 1, 2, 3], n_customers=2, n_products=4, now=NOW)
    vectors = right_vectors(preferences(data, 30.0), 2, seed=0)
    assert vectors.shape == (4, 2)
    twins = Interactions.of([0, 0, 1, 1], [0, 1, 0, 1], n_customers=2, n_products=4, now=NOW)
    assert right_vectors(preferences(twins, 30.0), 2, seed=0).shape == (4, 1)


@pytest.mark.parametrize(("rows", "columns"), [(30, 12), (12, 30)])
def test_vectors_are_those_of_the_dense_decomposition(rows: int, columns: int) -> None:
    dense = np.random.default_rng(4).random((rows, columns)).astype(np.float32)
    found = right_vectors(as_csr(dense), 4, seed=0, iterations=40)
    expected = np.linalg.svd(dense)[2][:4].T
    np.testing.assert_allclose(found.T @ found, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(np.abs(np.sum(found * expected, axis=0)), 1.0, atol=1e-4)
