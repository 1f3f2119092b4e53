"""Sets of rows give what numpy's sorting functions give."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.algorithms.bits import (
    count_bits,
    distinct,
    distinct_with_places,
    last_positions,
    rows_as_bits,
)

ROWS = st.lists(st.one_of(st.integers(0, 70), st.integers(0, 100_000)), max_size=60).map(
    lambda rows: np.array(rows, np.int32)
)


@given(rows=ROWS)
def test_distinct_rows_ascend_and_each_row_has_its_place(rows: np.ndarray):
    expected, places = np.unique(rows, return_inverse=True)
    assert np.array_equal(distinct(rows), expected)
    found = distinct_with_places(rows)
    assert np.array_equal(found[0], expected)
    assert np.array_equal(found[1], places)
    assert distinct(rows).dtype == np.int32


@given(rows=ROWS)
def test_last_positions_are_those_after_which_a_row_does_not_come_again(rows: np.ndarray):
    values = rows.tolist()
    assert last_positions(rows).tolist() == [at for at, row in enumerate(values) if row not in values[at + 1 :]]


@given(rows=ROWS)
def test_a_set_has_as_many_bits_as_rows(rows: np.ndarray):
    assert count_bits(rows_as_bits(rows, 100_001)) == len(set(rows.tolist()))


@pytest.mark.parametrize("function", [distinct, distinct_with_places, last_positions])
def test_a_row_below_0_is_refused(function):
    with pytest.raises(ValueError, match="must not be negative"):
        function(np.array([3, -1], np.int32))
