"""Complements are bought together beyond chance: neither bestsellers nor accidents."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from services.product.complementary import complementary_products
from services.product.feature_encoders import Csr

Lines = tuple[NDArray[np.int32], NDArray[np.int32]]

BESTSELLER, PASTA, SAUCE, ODD, SPAGHETTI = range(5)


def lines(baskets: list[list[int]]) -> Lines:
    numbers = [number for number, basket in enumerate(baskets) for _ in basket]
    return np.array(numbers, dtype=np.int32), np.array([p for basket in baskets for p in basket], dtype=np.int32)


def groceries() -> list[list[int]]:
    """A bestseller in nine of ten baskets; pasta goes with sauce, and with spaghetti; one odd pair, seen once."""
    meals = [[PASTA, SAUCE], [PASTA, SAUCE, SPAGHETTI], [PASTA, SPAGHETTI], [SAUCE]] * 20
    others = [[5 + i % 10] for i in range(400)]
    baskets = [[*basket, BESTSELLER] if i % 10 else basket for i, basket in enumerate(meals + others)]
    return [*baskets, [PASTA, ODD]]


def row(matrix: Csr, i: int) -> list[int]:
    return matrix.indices[matrix.indptr[i] : matrix.indptr[i + 1]].tolist()


def test_neither_bestsellers_nor_one_off_pairs_win() -> None:
    found = complementary_products(*lines(groceries()), 15, min_support=1)
    assert set(row(found, PASTA)) == {SAUCE, SPAGHETTI}


def test_substitutes_step_back() -> None:
    kinds = np.arange(15, dtype=np.int32)
    kinds[SPAGHETTI] = kinds[PASTA]
    equal = complementary_products(*lines(groceries()), 15)
    apart = complementary_products(*lines(groceries()), 15, subcategory=kinds, same_subcategory_weight=0.2)
    assert apart[PASTA, SPAGHETTI] == pytest.approx(0.2 * equal[PASTA, SPAGHETTI])
    assert apart[PASTA, SAUCE] == equal[PASTA, SAUCE]
    assert row(apart, PASTA) == [SAUCE, SPAGHETTI]


def test_unknown_subcategories_are_not_the_same() -> None:
    unknown = np.full(15, -1, dtype=np.int32)
    plain, marked = (
        complementary_products(*lines(groceries()), 15, subcategory=codes, same_subcategory_weight=0.0)
        for codes in (None, unknown)
    )
    assert (plain != marked).nnz == 0


def test_more_evidence_for_the_same_lift_scores_higher() -> None:
    few = complementary_products(*lines([[0, 1]] * 10 + [[2]] * 40), 3)
    many = complementary_products(*lines([[0, 1]] * 100 + [[2]] * 400), 3)
    assert many[0, 1] > few[0, 1] > 0


def test_repeated_lines_count_once() -> None:
    baskets = groceries()
    once = complementary_products(*lines(baskets), 15)
    twice = complementary_products(*lines([basket * 2 for basket in baskets]), 15)
    assert (once != twice).nnz == 0


def test_large_baskets_and_rare_pairs_are_left_out() -> None:
    wholesale = [list(range(15))] * 50
    assert complementary_products(*lines(wholesale), 15, max_basket=14).nnz == 0
    assert complementary_products(*lines([[0, 1]] * 4 + [[2]] * 90), 3, min_support=5).nnz == 0
    assert complementary_products(*lines([[0, 1]] * 5 + [[2]] * 90), 3, min_support=5).nnz == 2


def test_unknown_products_are_left_out() -> None:
    baskets, products = lines([[0, 1, -1, 99]] * 10 + [[2]] * 40)
    found = complementary_products(baskets, products, 3)
    assert [row(found, i) for i in range(3)] == [[1], [0], []]


def test_only_eligible_products_appear_but_all_get_some() -> None:
    eligible = np.ones(15, dtype=bool)
    eligible[SAUCE] = False
    found = complementary_products(*lines(groceries()), 15, eligible=eligible)
    assert SAUCE not in found.indices
    assert PASTA in row(found, SAUCE)


def test_no_lines_give_an_empty_matrix() -> None:
    assert complementary_products(*lines([]), 4).shape == (4, 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k: must be positive, got 0"),
        ({"min_support": 0}, "min_support: must be positive, got 0"),
        ({"same_subcategory_weight": 1.5}, "same_subcategory_weight: must be from 0 to 1, got 1.5"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        complementary_products(*lines([[0, 1]]), 2, **arguments)  # type: ignore[arg-type]


def test_columns_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="baskets: must have one entry per line, got 1 for 2"):
        complementary_products(np.zeros(1, dtype=np.int32), np.zeros(2, dtype=np.int32), 2)


@settings(max_examples=40, deadline=None)
@given(
    baskets=st.lists(st.lists(st.integers(0, 7), max_size=6), max_size=60),
    k=st.integers(1, 4),
    block=st.integers(1, 9),
)
def test_scores_are_in_range_ordered_and_independent_of_blocks(baskets: list[list[int]], k: int, block: int) -> None:
    found = complementary_products(*lines(baskets), 8, k, min_support=1, block=block)
    assert np.all((found.data > 0) & (found.data <= 1))
    assert (found != complementary_products(*lines(baskets), 8, k, min_support=1)).nnz == 0
    for i in range(8):
        scores = found.data[found.indptr[i] : found.indptr[i + 1]]
        assert len(scores) <= k
        assert np.all(np.diff(scores) <= 0)
        assert i not in row(found, i)
