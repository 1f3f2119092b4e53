"""Search words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.algorithms.arrays import FloatArray
from services.recommendation.serving import text_index as module
from services.recommendation.serving.text_index import TextIndex, words

TEXTS = {0: "Green tea", 1: "Black tea", 2: "Black coffee beans", 3: ""}


def shares(index: TextIndex, query: str, n: int) -> FloatArray:
    """Return the share of the query that each row matches."""
    dense = np.zeros(n, np.float32)
    rows, values = index.matches(query)
    dense[rows] = values
    return dense


def test_words_are_folded_and_singular() -> None:
    assert words("Glasses, TEAS & the Gas: Größe_1") == {"glasse", "tea", "the", "gas", "grösse_1"}


def test_rare_words_count_more_and_all_words_make_one() -> None:
    scores = shares(TextIndex().updated(TEXTS, 4), "green teas", 4)
    assert scores[0] == pytest.approx(1.0)
    assert 0 < scores[1] < 0.5
    assert scores[2] == scores[3] == 0


@pytest.mark.parametrize("query", ["", "unknown words", "!?"])
def test_nothing_matches_nothing(query: str) -> None:
    assert len(TextIndex().updated(TEXTS, 4).matches(query)[0]) == 0


def test_unknown_words_are_left_out_of_the_share() -> None:
    assert shares(TextIndex().updated(TEXTS, 4), "zzz coffee", 4)[2] == 1.0


TEXT = st.text("ab cd", max_size=8)


@given(st.lists(st.dictionaries(st.integers(0, 5), TEXT, max_size=4), max_size=5), TEXT, st.sampled_from([0, 2000]))
def test_changing_is_like_building_anew(changes: list[dict[int, str]], query: str, many: int) -> None:
    index, texts = TextIndex().updated({}, 6), dict.fromkeys(range(6), "")
    before = module.MANY
    module.MANY = many
    try:
        for change in changes:
            index = index.updated(change, 6)
            texts.update(change)
    finally:
        module.MANY = before
    np.testing.assert_allclose(shares(index, query, 6), shares(TextIndex().updated(texts, 6), query, 6), rtol=1e-6)
