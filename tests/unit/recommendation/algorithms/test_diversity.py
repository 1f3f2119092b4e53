import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.recommendation.algorithms.content import unit_rows
from services.recommendation.algorithms.diversity import rerank

relevances = arrays(np.float32, 9, elements=st.integers(0, 5).map(float))
spaces = arrays(np.float32, (9, 3), elements=st.integers(-3, 3).map(float))


@given(relevances, spaces, st.integers(0, 12), st.floats(0, 1))
def test_the_outcome_is_some_of_the_candidates_each_once(relevance, embeddings, limit, trade_off):
    order = rerank(relevance, embeddings, limit, trade_off)
    assert len(order) == len(set(order.tolist())) == min(limit, 9)
    assert set(order.tolist()) <= set(range(9))


@given(relevances, spaces)
def test_trade_off_one_is_the_order_of_relevance(relevance, embeddings):
    assert rerank(relevance, embeddings, 9, 1.0).tolist() == np.argsort(-relevance, kind="stable").tolist()


@given(relevances, spaces, st.floats(0.1, 0.9))
def test_each_choice_is_the_best_margin(relevance, embeddings, trade_off):
    "the definition, written slowly"
    unit, scaled = unit_rows(embeddings), relevance / max(relevance.max(), 1e-30)
    chosen: list[int] = []
    for pick in rerank(relevance, embeddings, 5, trade_off).tolist():
        redundancy = [max((float(unit[i] @ unit[j]) for j in chosen), default=0.0) for i in range(9)]
        margins = [trade_off * scaled[i] - (1 - trade_off) * redundancy[i] for i in range(9)]
        assert margins[pick] >= max(m for i, m in enumerate(margins) if i not in chosen) - 1e-5
        chosen.append(pick)


def test_a_twin_gives_way_to_something_else():
    embeddings = np.array([[1, 0], [1, 0], [0, 1]], np.float32)
    relevance = np.array([1.0, 0.9, 0.8], np.float32)
    assert rerank(relevance, embeddings, 3, 0.5).tolist() == [0, 2, 1]


def test_nothing_to_choose_from():
    assert rerank(np.empty(0, np.float32), np.empty((0, 4), np.float32), 10).tolist() == []


@pytest.mark.parametrize(
    ("n", "limit", "trade_off"),
    [(2, 1, 0.5), (3, -1, 0.5), (3, 1, 1.5), (3, 1, -0.1), (3, 1, float("nan"))],
)
def test_bad_arguments_are_refused(n, limit, trade_off):
    with pytest.raises(ValueError, match=r"relevance|trade_off"):
        rerank(np.ones(3, np.float32), np.ones((n, 2), np.float32), limit, trade_off)
