"""A column with its distinct values kept once reads just as the list of its values."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.importing.coded_column import CodedColumn, coded, joined

VALUES = st.lists(st.sampled_from([None, "a", "b", 1, 1.0, True, ""]), max_size=8)


def _typed(values: Any) -> list[tuple[type, Any]]:
    return [(type(each), each) for each in values]


@given(VALUES, st.integers(0, 8), st.integers(0, 8))
def test_it_reads_as_a_list(values: list[Any], start: int, end: int) -> None:
    column = coded(values)
    assert _typed(column) == _typed(values)
    assert _typed(column[start:end]) == _typed(values[start:end])
    assert _typed(column[place] for place in range(len(column))) == _typed(values)
    assert len({*_typed(column.values)}) == len(column.values)


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("bcd"), max_size=6))
def test_joined_columns_keep_each_value_once(first: list[str], second: list[str]) -> None:
    column = joined(coded(first), coded(second))
    assert list(column) == first + second
    assert isinstance(column, CodedColumn)
    assert len(set(column.values)) == len(column.values)


def test_a_short_piece_of_a_batch_brings_its_own_values_only() -> None:
    piece = CodedColumn([f"{number}" for number in range(1_000)], np.arange(1_000))[-2:]
    column = joined(piece, coded(["x"]))
    assert isinstance(column, CodedColumn)
    assert set(column.values) == {"998", "999", "x"}


def test_lists_and_coded_columns_join() -> None:
    assert joined(["a", None], coded(["b"])) == ["a", None, "b"]


def test_lists_cannot_be_coded() -> None:
    with pytest.raises(TypeError):
        coded([["a"]])
