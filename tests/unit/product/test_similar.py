"""Substitutes are the exact nearest neighbours, best first, whatever the blocks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.product.feature_encoders import Csr
from services.product.similar import similar_products


def unit_vectors(n: int, dimensions: int, seed: int) -> NDArray[np.float32]:
    vectors = np.random.default_rng(seed).normal(size=(n, dimensions))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def row(matrix: Csr, i: int) -> list[int]:
    return matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]].tolist()


def by_hand(
    vectors: NDArray[np.float32], category: NDArray[np.int32], bonus: float, eligible: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return all scores, −1 where a pair is not allowed."""
    same = (category[:, None] == category[None, :]) & (category[:, None] >= 0)
    scores = (vectors.astype(np.float64) @ vectors.T + bonus * same) / (1 + bonus)
    scores[:, ~eligible] = -1
    np.fill_diagonal(scores, -1)
    return scores


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 200),
    k=st.integers(1, 8),
    block=st.integers(1, 70),
    bonus=st.floats(0, 1),
    seed=st.integers(0, 10_000),
    alike=st.booleans(),
)
def test_finds_exactly_the_best(n: int, k: int, block: int, bonus: float, seed: int, alike: bool) -> None:
    rng = np.random.default_rng(seed)
    vectors, category = unit_vectors(n, 3, seed), rng.integers(-1, 4, n).astype(np.int32)
    if alike:
        vectors = vectors[rng.integers(0, n, n) // 4]
    eligible = rng.random(n) < 0.8
    found = similar_products(vectors, category, k, same_category_bonus=bonus, eligible=eligible, block=block)
    expected = by_hand(vectors, category, bonus, eligible)
    for i in range(n):
        scores = found.data[found.indptr[i] : found.indptr[i + 1]]
        best = np.sort(expected[i][expected[i] > 1e-6])[::-1][:k]
        assert np.all(np.diff(scores) <= 0)
        np.testing.assert_allclose(scores[: len(best)], best, atol=1e-5)
        np.testing.assert_allclose(expected[i, row(found, i)], scores, atol=1e-5)
    assert found.data.max(initial=0.0) <= 1.0


def test_a_large_catalogue_is_narrowed_exactly() -> None:
    vectors = unit_vectors(3000, 8, 1)
    found = similar_products(vectors, k=3, block=500)
    expected = by_hand(vectors, np.full(3000, -1, dtype=np.int32), 0.0, np.ones(3000, dtype=bool))
    assert row(found, 1234) == np.argsort(-expected[1234])[:3].tolist()


def clustered_vectors(n: int) -> NDArray[np.float32]:
    """Return vectors of products that are alike in groups, as those of a catalogue are."""
    rng = np.random.default_rng(5)
    centres = unit_vectors(n // 40, 16, 5)
    vectors = centres[rng.integers(0, len(centres), n)] + rng.normal(0, 0.1, (n, 16)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def test_in_a_catalogue_too_large_to_compare_all_nearly_all_of_the_best_are_found() -> None:
    n = 4000
    vectors, rng = clustered_vectors(n), np.random.default_rng(6)
    category, eligible = rng.integers(0, 3, n).astype(np.int32), rng.random(n) < 0.9
    exact = similar_products(vectors, category, 10, eligible=eligible)
    found = similar_products(vectors, category, 10, eligible=eligible, exact_up_to=n - 1)
    shared = sum(len(set(row(exact, i)) & set(row(found, i))) for i in range(n))
    assert shared >= 0.98 * exact.nnz
    expected = by_hand(vectors, category, 0.1, eligible)
    for i in (0, 1234, n - 1):
        assert i not in row(found, i)
        assert eligible[row(found, i)].all()
        np.testing.assert_allclose(
            expected[i, row(found, i)], found.data[found.indptr[i] : found.indptr[i + 1]], atol=1e-5
        )


@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 100), k=st.integers(1, 8), seed=st.integers(0, 1000))
def test_few_clusters_are_all_searched(n: int, k: int, seed: int) -> None:
    vectors = unit_vectors(n, 3, seed)[np.random.default_rng(seed).integers(0, n, n)]  # many are equal
    exact, found = similar_products(vectors, k=k), similar_products(vectors, k=k, exact_up_to=0)
    for i in range(n):
        scores = [each.data[each.indptr[i] : each.indptr[i + 1]] for each in (exact, found)]
        np.testing.assert_allclose(*scores, atol=1e-6)


def test_equal_scores_are_ordered_by_row() -> None:
    vectors = np.tile(np.array([[1.0, 0.0]], dtype=np.float32), (5, 1))
    assert row(similar_products(vectors, k=3), 2) == [0, 1, 3]


def test_unknown_products_neither_have_nor_are_substitutes() -> None:
    vectors = np.array([[1, 0], [0, 0], [1, 0]], dtype=np.float32)
    found = similar_products(vectors, np.zeros(3, dtype=np.int32))
    assert [row(found, i) for i in range(3)] == [[2], [], [0]]


def test_opposite_products_are_no_substitutes() -> None:
    assert similar_products(np.array([[1.0], [-1.0]], dtype=np.float32)).nnz == 0


def test_the_bonus_prefers_the_own_category() -> None:
    vectors = np.array([[1, 0], [0.9, 0.43589], [0.85, 0.526783]], dtype=np.float32)
    category = np.array([7, 8, 7], dtype=np.int32)
    assert row(similar_products(vectors, category, same_category_bonus=0.0), 0) == [1, 2]
    assert row(similar_products(vectors, category, same_category_bonus=0.2), 0) == [2, 1]


@pytest.mark.parametrize("n", [0, 4])
def test_nothing_eligible_gives_an_empty_matrix(n: int) -> None:
    found = similar_products(unit_vectors(n, 2, 0), eligible=np.zeros(n, dtype=bool))
    assert found.shape == (n, n)
    assert found.nnz == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k: must be positive, got 0"),
        ({"block": 0}, "block: must be positive, got 0"),
        ({"same_category_bonus": -1.0}, "same_category_bonus: must not be negative"),
        ({"category": np.zeros(2, dtype=np.int32)}, "category: must have one code per product, got 2 for 3"),
        ({"eligible": np.ones(2, dtype=bool)}, "eligible: must have one entry per product, got 2 for 3"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        similar_products(unit_vectors(3, 2, 0), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("exact_up_to", [0, 1000])
def test_progress_goes_up_to_the_whole(exact_up_to: int) -> None:
    done: list[float] = []
    similar_products(unit_vectors(500, 3, 1), k=2, block=64, exact_up_to=exact_up_to, progress=done.append)
    assert len(done) > 5
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1.0)
