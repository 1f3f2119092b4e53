"""Texts in arrays: what goes in comes out, whatever changes on top."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.serving.packed_texts import IdRows, LayeredTexts, PackedTexts

TEXTS = st.lists(st.text(max_size=6), max_size=8)


@given(TEXTS)
def test_packed_texts_are_the_texts(texts: list[str]) -> None:
    packed = PackedTexts.of(texts)
    assert (list(packed), len(packed)) == (texts, len(texts))


@given(st.lists(st.text(max_size=3), max_size=8, unique=True), st.text(max_size=3))
def test_a_text_is_found_by_order_and_an_unknown_one_is_not(texts: list[str], other: str) -> None:
    packed = PackedTexts.of(texts)
    order = packed.in_order()
    assert [packed.find(text, order) for text in texts] == list(range(len(texts)))
    if other not in texts:
        assert packed.find(other, order) is None


@given(TEXTS, st.lists(st.tuples(st.integers(0, 7), st.text(max_size=3))), TEXTS)
def test_later_texts_stand_over_and_after_the_packed(
    texts: list[str], set_: list[tuple[int, str]], more: list[str]
) -> None:
    expected, column = list(texts), LayeredTexts(PackedTexts.of(texts))
    for row, text in set_:
        if row < len(texts):
            expected[row] = text
            column[row] = text
    expected.extend(more)
    column.extend(more)
    assert (list(column), len(column)) == (expected, len(expected))
    assert [column[row] for row in range(len(expected))] == expected
    with pytest.raises(IndexError, match="row: must be from 0"):
        column[len(expected)]


def test_a_later_id_stands_before_the_packed() -> None:
    packed = PackedTexts.of(["b", "", "a"])
    rows = IdRows(packed, packed.in_order())
    rows["c"] = 3
    rows["a"] = 4
    assert [rows.get(name) for name in ("a", "b", "c", "d")] == [4, 0, 3, None]
