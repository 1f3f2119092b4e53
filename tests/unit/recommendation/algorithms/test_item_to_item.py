"""EASE, item neighbourhoods and the factorisation against slow, obvious twins."""

import numpy as np
import pytest

from services.recommendation.algorithms import ease
from services.recommendation.algorithms.base import Interactions, ReasonKind, Shopper
from services.recommendation.algorithms.ease import Ease
from services.recommendation.algorithms.interactions import EVENT_WEIGHTS
from services.recommendation.algorithms.item_knn import ItemKnn, length_normalised
from services.recommendation.algorithms.matrix_factorization import MatrixFactorization
from services.recommendation.algorithms.sparse import confidence, evened, preferences
from services.recommendation.algorithms.user_profile import user_profile
from tests.contract.algorithms.synthetic_data import NOW, browsing, buyer, checkerboard, shop, shopper_of


def ridge(x: np.ndarray, sources: np.ndarray, target: int, l2: float) -> np.ndarray:
    a = x[:, sources]
    return np.linalg.solve(a.T @ a + l2 * np.eye(len(sources)), a.T @ x[:, target])


def test_ease_with_all_products_as_neighbours_is_ease():
    "where all products share customers, column j of B is −P_ij / P_jj of the inverse P of the whole Gram matrix"
    customers, products = np.nonzero(np.random.default_rng(3).random((60, 12)) < 0.5)
    data = Interactions.of(customers, products, n_customers=60, n_products=12, now=NOW)
    x = evened(preferences(data, 120.0)).toarray().astype(np.float64)
    inverse = np.linalg.inv(x.T @ x + 7.0 * np.eye(12))
    whole = -inverse / np.diag(inverse)
    np.fill_diagonal(whole, 0.0)
    np.testing.assert_allclose(Ease(l2=7.0).fit(data).neighbours.toarray(), whole, atol=1e-4)


@pytest.mark.parametrize("block", [1, 4, 64])
def test_ease_solves_each_product_over_its_nearest(monkeypatch, block):
    monkeypatch.setattr(ease, "BLOCK_ROWS", block)
    data = shop()
    x = evened(preferences(data, 120.0)).toarray().astype(np.float64)
    cosine = x.T @ x / np.sqrt((x**2).sum(axis=0))[:, None]
    np.fill_diagonal(cosine, 0.0)
    weights = Ease(l2=7.0, top_k=5).fit(data).neighbours.toarray()
    for j in range(30):
        near = np.sort(np.argsort(-cosine[:, j], kind="stable")[:5])
        np.testing.assert_array_equal(np.flatnonzero(weights[:, j]), near)
        np.testing.assert_allclose(weights[near, j], ridge(x, near, j, 7.0), atol=1e-4)


def test_ease_leaves_products_without_neighbours_alone():
    alone = Interactions.of([0, 1, 1, 2, 2], [0, 1, 2, 1, 2], n_customers=3, n_products=4, now=NOW)
    weights = Ease().fit(alone).neighbours.toarray()
    assert np.argwhere(weights).tolist() == [[1, 2], [2, 1]]
    assert not Ease().fit(alone.where(np.zeros(5, bool))).neighbours.nnz


def test_item_knn_is_the_shrunk_cosine_of_weighted_preferences():
    data = shop()
    knn = ItemKnn(top_k=30, shrink=3.0)
    x = evened(preferences(data, knn.half_life_days)).toarray()
    lengths = (x > 0).sum(axis=1, keepdims=True)
    x = x / np.sqrt(lengths / lengths.mean())
    norms = np.sqrt((x**2).sum(axis=0) + 3.0)
    cosine = x.T @ x / norms / norms[:, None]
    np.fill_diagonal(cosine, 0.0)
    np.testing.assert_allclose(knn.fit(data).neighbours.toarray(), cosine, rtol=1e-4, atol=1e-6)


def test_a_long_history_counts_less():
    data = Interactions.of([0, 0, 0, 0, 1], [0, 1, 2, 3, 0], n_customers=2, n_products=4, now=NOW)
    x = length_normalised(preferences(data, 120.0), 0.5)
    assert x[[1]].data[0] / x[[0]].data[0] == pytest.approx(2.0)


def test_reason_names_what_was_bought_viewed_or_in_the_cart():
    knn = ItemKnn().fit(checkerboard(10))
    bought = knn.explain(buyer((2, 3), (4, 1)), 6)
    assert bought is not None
    assert bought.kind is ReasonKind.BECAUSE_YOU_BOUGHT
    assert set(bought.products) == {2, 4}
    assert knn.explain(browsing(2), 6).kind is ReasonKind.BECAUSE_YOU_VIEWED
    assert knn.explain(browsing(cart=(2,)), 6).kind is ReasonKind.BOUGHT_TOGETHER
    assert knn.explain(browsing(2), 5) is None


def test_taste_keeps_the_strongest_products():
    rows, values = user_profile(buyer((1, 90), (2, 50), (3, 1)), 10.0, 2, EVENT_WEIGHTS)
    assert rows.tolist() == [2, 3]
    np.testing.assert_allclose(values, confidence(np.float32([5 * 2**-5, 5 * 2**-0.1])), rtol=1e-5)


def factors_of(model):
    return model.steps * model.step_sizes[:, None]


def test_factors_are_orthonormal_and_few():
    model = MatrixFactorization(embedding_size=5).fit(shop())
    factors = factors_of(model)
    np.testing.assert_allclose(factors.T @ factors, np.eye(5), atol=0.02)


def test_fold_in_projects_on_the_taste_space():
    data = shop()
    model = MatrixFactorization(embedding_size=5, damping=0.4, min_customers=1).fit(data)
    shopper = shopper_of(data, 1)
    x = np.zeros(30, np.float32)
    rows, values = user_profile(shopper, model.half_life_days, model.max_history, data.relative_weights)
    x[rows] = values
    factors, scale = factors_of(model)[model.slots], model.scale[model.slots]
    expected = np.maximum((x * scale) @ factors @ factors.T, 0.0)
    np.testing.assert_allclose(model.score(shopper), expected, rtol=1e-4, atol=1e-5)


def test_rare_products_get_no_factors():
    model = MatrixFactorization(min_customers=9).fit(checkerboard(20).where(checkerboard(20).products != 3))
    assert model.slots[3] == -1
    assert model.score(browsing(1, 3))[3] == 0.0
    assert model.explain(browsing(1), 3) is None


def test_a_shopper_known_by_rare_products_only_gets_nothing():
    model = MatrixFactorization(min_customers=9).fit(checkerboard(20).where(checkerboard(20).products != 3))
    assert not model.score(browsing(3)).any()
    assert not model.score(Shopper(now=NOW)).any()
