import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.algorithms.shopper_scores import FewScores
from services.recommendation.reranker.candidates import Candidates, largest
from services.recommendation.reranker.ranks import UNRANKED, tie_hash

NONE = np.empty(0, np.int32)


def scores(*rows: list[float]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_candidates_are_the_best_of_every_algorithm() -> None:
    one, other = scores([5, 4, 3, 0]), scores([0, 0, 1, 9])
    found = Candidates.of({"one": one, "other": other}, [NONE], depth=1)
    assert found.products.tolist() == [0, 3]
    assert found.score_columns.tolist() == [[1.0, 0.0], [0.0, UNRANKED], [0.0, 1.0], [UNRANKED, 0.0]]


def test_an_excluded_product_is_no_candidate_and_not_the_best() -> None:
    found = Candidates.of({"one": scores([8, 4, 2])}, [np.array([0], np.int32)], depth=3)
    assert found.products.tolist() == [1, 2]
    assert found.score_columns[0].tolist() == [1.0, 0.5]


def test_shoppers_do_not_mix() -> None:
    found = Candidates.of({"one": scores([1, 2], [4, 3])}, [NONE, NONE], depth=2)
    assert found.owners.tolist() == [0, 0, 1, 1]
    assert found.ranks.ravel().tolist() == [1, 0, 0, 1]


def test_lists_hold_the_largest_values_and_end_with_minus_one() -> None:
    found = Candidates.of({"one": scores([1, 2, 3], [1, 0, 0])}, [NONE, NONE], depth=3)
    lists = found.lists(np.array([0.1, 0.9, 0.5, 7.0], np.float32), 3)
    assert lists.tolist() == [[1, 2, 0], [0, -1, -1]]


@given(st.integers(1, 1000), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_largest_are_found_in_rows_of_any_length(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.where(rng.random((3, n)) < 0.3, rng.permutation(3 * n).reshape(3, n), 0).astype(np.float32)
    expected = {
        row * n + column for row in range(3) for column in np.argsort(-rows[row])[:k].tolist() if rows[row, column] > 0
    }
    assert set(largest(rows, k).tolist()) == expected


@pytest.mark.parametrize("n", [2000, 2048, 2049, 16_000, 16_017])
def test_long_rows_are_searched_to_their_last_column(n: int) -> None:
    rows = np.full((1, n), 0.5, np.float32)
    rows[0, -1], rows[0, 0] = 2.0, 1.0
    assert set(largest(rows, 2).tolist()) == {0, n - 1}


@pytest.mark.parametrize("n", [50, 5000])
@pytest.mark.parametrize("first", [0.5, 3.0])
def test_a_hash_decides_which_of_equal_scores_are_candidates(n: int, first: float) -> None:
    rows = np.ones((2, n), np.float32)
    rows[:, 3] = first
    by_hash = sorted(set(range(n)) - {3}, key=lambda row: int(tie_hash(row)))
    expected = {*by_hash[:3], 3} if first > 1 else set(by_hash[:4])
    assert largest(rows, 4).tolist() == sorted(row * n + column for row in range(2) for column in expected)


def test_a_hash_orders_equal_values_in_lists() -> None:
    found = Candidates.of({"one": scores([1] * 40)}, [NONE], depth=40)
    lists = found.lists(np.zeros(40, np.float32), 40)
    assert lists[0].tolist() == sorted(range(40), key=lambda row: int(tie_hash(row)))


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_candidates_of_sparse_scores_are_those_of_dense_scores(n: int, depth: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    dense = {name: rng.permutation(3 * n).reshape(3, n).astype(np.float32) for name in ("one", "other")}
    everything = np.arange(n, dtype=np.int32)
    sparse = {name: [FewScores(everything, row.copy(), n) for row in rows] for name, rows in dense.items()}
    there = rng.random(n) < 0.8
    excluded = [np.flatnonzero(rng.random(n) < 0.2).astype(np.int32) for _ in range(3)]
    found = Candidates.of_sparse(sparse, there, excluded, depth)
    for rows in dense.values():
        rows[:, ~there] = 0.0
    expected = Candidates.of(dense, excluded, depth)
    assert found.n_shoppers == 3
    np.testing.assert_array_equal(found.owners, expected.owners)
    np.testing.assert_array_equal(found.products, expected.products)
    np.testing.assert_array_equal(found.score_columns, expected.score_columns)


def test_what_is_named_is_a_candidate_whoever_proposes_it() -> None:
    sparse = {"one": [FewScores(np.array([1, 2, 5], np.int32), np.array([3.0, 2.0, 1.0], np.float32), 8)]}
    there = np.ones(8, np.bool_)
    named = [np.array([2, 5, 7], np.int32)]
    found = Candidates.of_sparse(sparse, there, [NONE], 1, named)
    assert found.products.tolist() == [1, 2, 5, 7]
    assert found.ranks[:, 0].tolist() == [0.0, 1.0, 2.0, UNRANKED]
    assert Candidates.of_sparse(sparse, there, [NONE], 1).products.tolist() == [1]
