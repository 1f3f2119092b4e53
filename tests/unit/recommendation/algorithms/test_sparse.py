import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.recommendation.algorithms import sparse
from services.recommendation.algorithms.arrays import Csr, as_csr
from services.recommendation.algorithms.row_sums import given_to
from services.recommendation.algorithms.sparse import combine, preferences, ranges, scaled, top_k_product, top_k_rows
from tests.contract.algorithms.synthetic_data import shop

matrices = arrays(np.float32, (6, 9), elements=st.integers(-4, 4).map(float))
choices = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 5)), max_size=6, unique_by=lambda pair: pair[0])


def given_by_rows(matrix: Csr, rows: np.ndarray, weights: np.ndarray, column: int) -> np.ndarray:
    return given_to(matrix.indptr, matrix.indices, matrix.data, rows, weights, column)


@pytest.fixture(scope="module", autouse=True)
def compiled():
    "the first call compiles, which no test shall be timed with"
    given_by_rows(as_csr(np.eye(2, dtype=np.float32)), np.zeros(1, np.int32), np.ones(1, np.float32), 0)


@given(matrices, choices)
def test_combine_is_the_dense_product(dense, chosen):
    rows = np.array([row for row, _ in chosen], np.int32)
    weights = np.array([weight for _, weight in chosen], np.float32)
    matrix = as_csr(dense)
    parts = combine(matrix, rows, weights)
    np.testing.assert_allclose(parts.dense(), weights @ dense[rows])
    for column in range(9):
        values = given_by_rows(matrix, rows, weights, column)
        sources, values = rows[values != 0], values[values != 0]
        expected = {row: w * dense[row, column] for row, w in zip(rows, weights, strict=True) if dense[row, column]}
        assert dict(zip(sources.tolist(), values.tolist(), strict=True)) == expected


@given(matrices, st.integers(1, 9))
def test_top_k_rows_keeps_the_largest_magnitudes(dense, k):
    kept = top_k_rows(as_csr(dense), k).toarray()
    for before, after in zip(dense, kept, strict=True):
        assert np.count_nonzero(after) == min(k, np.count_nonzero(before))
        assert set(after[after != 0]) <= set(before)
        np.testing.assert_array_equal(np.sort(np.abs(after))[::-1][:k], np.sort(np.abs(before))[::-1][:k])


@pytest.mark.parametrize("drop_diagonal", [False, True])
def test_top_k_product_agrees_with_the_dense_product_across_blocks(monkeypatch, drop_diagonal):
    monkeypatch.setattr(sparse, "BLOCK_ROWS", 3)
    rng = np.random.default_rng(0)
    left, right = (rng.random(shape).astype(np.float32) for shape in ((8, 5), (5, 8)))
    full = left @ right
    if drop_diagonal:
        np.fill_diagonal(full, 0.0)
    found = top_k_product(as_csr(left), as_csr(right), 3, drop_diagonal=drop_diagonal).toarray()
    threshold = np.sort(full, axis=1)[:, -3:-2]
    np.testing.assert_allclose(found, np.where(full >= threshold, full, 0.0), rtol=1e-5)


def test_scaled_multiplies_rows_and_columns_and_leaves_the_original():
    dense = np.arange(6, dtype=np.float32).reshape(2, 3)
    matrix = as_csr(dense)
    rows, columns = np.array([2, 3], np.float32), np.array([1, 10, 100], np.float32)
    np.testing.assert_allclose(scaled(matrix, rows, columns).toarray(), dense * rows[:, None] * columns)
    np.testing.assert_allclose(matrix.toarray(), dense)


def test_preferences_are_the_logarithm_of_summed_weights():
    data = shop()
    x = preferences(data, 30.0).toarray()
    own = (data.customers == 3) & (data.products == data.products[data.customers == 3][0])
    assert x[3, data.products[own][0]] == pytest.approx(np.log1p(data.weights(30.0)[own].sum() / 5), rel=1e-5)
    assert x.shape == (40, 30)


def test_ranges_are_concatenated():
    assert ranges(np.array([5, 9, 0]), np.array([2, 0, 3])).tolist() == [5, 6, 0, 1, 2]
    assert ranges(np.array([], np.int64), np.array([], np.int64)).tolist() == []
