"""A list that is brought keeps its order as far as nothing is known, and follows the scores the more is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.serving.given_list import fused_order, known_share

SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]), max_size=30)


@given(SCORES)
def test_without_a_share_the_order_is_the_given_one(scores: list[float]) -> None:
    assert fused_order(np.array(scores, np.float32), 0.0).tolist() == list(range(len(scores)))


@given(SCORES)
def test_with_the_whole_share_the_order_is_that_of_the_scores_and_ties_keep_theirs(scores: list[float]) -> None:
    expected = sorted(range(len(scores)), key=lambda place: -scores[place])
    assert fused_order(np.array(scores, np.float32), 1.0).tolist() == expected


@given(SCORES, st.floats(0, 1))
def test_each_product_is_there_once_and_without_scores_nothing_moves(scores: list[float], share: float) -> None:
    assert sorted(fused_order(np.array(scores, np.float32), share).tolist()) == list(range(len(scores)))
    assert fused_order(np.zeros(len(scores), np.float32), share).tolist() == list(range(len(scores)))


def test_the_only_product_with_a_score_comes_up_the_further_the_more_is_known() -> None:
    scores = np.zeros(50, np.float32)
    scores[20] = 1.0
    places = [fused_order(scores, known_share(strength)).tolist().index(20) for strength in (0, 1, 4, 20, 100)]
    assert places == sorted(places, reverse=True)
    assert places[0] == 20
    assert places[-1] == 0


@pytest.mark.parametrize(("strength", "share"), [(0, 0.0), (4, 0.5), (12, 0.75)])
def test_the_share_grows_with_what_is_known(strength: float, share: float) -> None:
    assert known_share(strength) == share
