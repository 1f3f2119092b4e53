"""Ranks within groups agree with sorting by group and value."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.reranker.ranks import Ranker

VALUES = st.floats(width=32, allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, np.inf, -np.inf])


def test_ranks_begin_anew_for_each_group() -> None:
    ranks = Ranker(np.array([0, 0, 0, 2])).ranks(np.array([1.0, 3.0, 2.0, 5.0], np.float32))
    assert ranks.tolist() == [2, 0, 1, 0]


def test_nothing_has_no_ranks() -> None:
    assert Ranker(np.empty(0, np.int64)).ranks(np.empty(0, np.float32)).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 4), VALUES), max_size=60))
def test_ranks_agree_with_a_stable_sort(pairs: list[tuple[int, float]]) -> None:
    pairs.sort(key=lambda pair: pair[0])
    groups = np.array([group for group, _ in pairs], np.int64)
    values = np.array([value for _, value in pairs], np.float32)
    order = np.lexsort((-values, groups))
    expected = np.empty(len(pairs), np.int64)
    expected[order] = np.arange(len(pairs)) - np.searchsorted(groups, groups[order])
    assert Ranker(groups).ranks(values).tolist() == expected.tolist()
