"""Ranks within groups agree with sorting by group, value and hash."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.reranker.ranks import candidate_columns, ranks_in_groups, tie_hash
from tests.unit.recommendation.reranker import plain

VALUES = st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, np.inf, -np.inf])
SCORES = st.floats(0, 2.0**100, width=32, allow_subnormal=False) | st.sampled_from([0.0, 0.5, 1.0])


def grouped(owners: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the owners ascending, and products that ascend for each."""
    return np.array(sorted(owners), np.int64), np.arange(len(owners)) * 7


def test_ranks_begin_anew_for_each_group() -> None:
    owners, products = grouped([0, 0, 0, 2])
    assert ranks_in_groups(np.array([1.0, 3.0, 2.0, 5.0], np.float32), owners, products).tolist() == [2, 0, 1, 0]


def test_nothing_has_no_ranks() -> None:
    nothing = np.empty(0, np.int64)
    assert ranks_in_groups(np.empty(0, np.float32), nothing, nothing).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 4), VALUES), max_size=60))
def test_ranks_agree_with_a_sort(pairs: list[tuple[int, float]]) -> None:
    owners, products = grouped([owner for owner, _ in pairs])
    values = np.array([value for _, value in pairs], np.float32)
    expected = plain.ranks(values, owners, products)
    assert ranks_in_groups(values, owners, products).tolist() == expected.tolist()


@given(st.lists(st.tuples(st.integers(0, 4), SCORES, SCORES), max_size=60))
def test_columns_agree_with_plain_numpy(rows: list[tuple[int, float, float]]) -> None:
    owners, products = grouped([owner for owner, _, _ in rows])
    scores = np.array([[one, other] for _, one, other in rows], np.float32).reshape(-1, 2).T.copy()
    expected = plain.score_columns(scores, owners, products)
    np.testing.assert_array_equal(candidate_columns(scores, owners, products), expected)


def test_many_equal_values_are_ordered_by_hash_and_not_by_row() -> None:
    products = np.arange(2000)
    ranks = ranks_in_groups(np.ones(2000, np.float32), np.zeros(2000, np.int64), products)
    assert np.argsort(ranks).tolist() == sorted(products.tolist(), key=lambda product: int(tie_hash(product)))
    assert abs(np.corrcoef(ranks, products)[0, 1]) < 0.1


def test_each_product_has_a_hash_of_its_own() -> None:
    assert len({int(tie_hash(product)) for product in range(10_000)}) == 10_000
