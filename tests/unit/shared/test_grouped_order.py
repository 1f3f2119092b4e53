"""The order of many events, and dense numbers: the same as those of NumPy, which take longer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import grouped_order
from shared.grouped_order import dense_numbers, history_order, time_order

FEW = st.lists(
    st.tuples(st.integers(-3, 9), st.integers(-(10**15), 10**15) | st.integers(0, 3), st.integers(0, 2)), max_size=60
)
KEYS = st.lists(st.integers(-(2**40), 2**40) | st.integers(-5, 40), max_size=60)


@given(FEW)
def test_events_are_ordered_by_customer_time_and_kind_and_stay_where_they_are_equal(events):
    customers, times, kinds = np.array(events, np.int64).reshape(-1, 3).T
    found = history_order(customers, np.ascontiguousarray(times), kinds.astype(np.int8))
    assert found.tolist() == np.lexsort((kinds, times, customers)).tolist()


@given(KEYS)
def test_dense_numbers_are_those_of_unique(keys):
    distinct, numbers = dense_numbers(np.array(keys, np.int64))
    expected, inverse = np.unique(np.array(keys, np.int64), return_inverse=True)
    assert distinct.tolist() == expected.tolist()
    assert numbers.tolist() == inverse.tolist()
    assert numbers.dtype == np.int32


@pytest.mark.parametrize("sparse", [False, True])
def test_keys_far_apart_are_sorted_and_give_the_same(monkeypatch, sparse):
    if sparse:
        monkeypatch.setattr(grouped_order, "SMALL_RANGE", 0)
        monkeypatch.setattr(grouped_order, "SPARSEST", 0)
    keys = np.array([7, 3, 7, 1, 3], np.int32)
    times = np.array([5, 4, 3, 2, 4], np.int64)
    assert dense_numbers(keys)[1].tolist() == [2, 1, 2, 0, 1]
    assert time_order(keys, times).tolist() == [3, 1, 4, 2, 0]


def test_no_events_have_no_order():
    nothing = np.empty(0, np.int64)
    assert len(time_order(nothing, nothing)) == len(dense_numbers(nothing)[0]) == 0
