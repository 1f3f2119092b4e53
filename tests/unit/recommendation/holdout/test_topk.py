"""Lists from scores: the best first, nothing excluded, nothing without an opinion, ties by nobody's favour."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.recommendation.algorithms.base import Kind, Shopper
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.shopper_scores import FewScores
from services.recommendation.holdout import topk
from services.recommendation.holdout.tasks import Protocol, Task
from services.recommendation.holdout.topk import AlgorithmRanker, tie_order, top_k, top_k_of_few
from tests.unit.recommendation.evaluation.synthetic_data import at_random, bought, events, rows


def top_one(scores: list[float], *excluded: int, k: int = 3) -> list[int]:
    return top_k(np.array([scores]), [rows(*excluded)], k)[0].tolist()


def test_best_first():
    assert top_one([0.1, 0.9, 0.5, 0.7]) == [1, 3, 2]


def test_only_scores_above_zero_are_listed():
    assert top_one([0.0, 0.2, -1.0, np.nan]) == [1, -1, -1]


def test_excluded_products_are_left_out():
    assert top_one([0.1, 0.9, 0.5, 0.7], 1, 2) == [3, 0, -1]


def test_a_list_longer_than_the_catalogue_is_filled_up():
    assert top_one([0.1, 0.9], k=4) == [1, 0, -1, -1]


def test_no_shoppers_no_lists():
    assert top_k(np.empty((0, 5)), [], 3).shape == (0, 3)


def test_small_differences_of_doubles_count():
    assert top_one([3.0, 3.0 + 1e-12, 3.0 - 1e-12]) == [1, 0, 2]


def test_equals_come_in_an_order_that_is_not_that_of_the_rows():
    listed = top_k(np.ones((2, 50)), [rows(), rows()], 50)
    assert listed[0].tolist() == listed[1].tolist() == np.argsort(tie_order(50)).tolist()
    assert listed[0].tolist() != sorted(listed[0].tolist())
    assert top_k(np.ones((1, 50)), [rows()], 50, seed=1)[0].tolist() != listed[0].tolist()


def test_equals_at_the_edge_are_no_favour_to_early_rows():
    """The mean row of 10 listed among 10,000 equals is near the middle."""
    listed = np.concatenate([top_k(np.ones((1, 10_000)), [rows()], 10, seed=seed)[0] for seed in range(50)])
    assert abs(listed.mean() - 5000) < 500


@given(st.integers(0, 10_000), st.integers(1, 30))
def test_the_same_as_sorting_everything(seed: int, k: int):
    rng = np.random.default_rng(seed)
    scores = rng.integers(-2, 6, (4, 25)).astype(np.float32)
    excluded = [np.unique(rng.integers(0, 25, rng.integers(0, 10))).astype(np.int32) for _ in range(4)]
    before = scores.copy()
    for listed, scored, left_out in zip(top_k(scores, excluded, k), scores, excluded, strict=True):
        places = tie_order(25)
        wanted = sorted((-s, places[p], p) for p, s in enumerate(scored) if s > 0 and p not in left_out)
        assert listed[listed >= 0].tolist() == [product for *_, product in wanted][:k]
    np.testing.assert_array_equal(scores, before)


def test_a_ranker_of_one_algorithm_ranks_in_batches_as_at_once(monkeypatch: pytest.MonkeyPatch):
    data = at_random(4)
    ranker = AlgorithmRanker(Popular())
    ranker.fit(Task(data, Protocol.TOP_N))
    shoppers, excluded = [Shopper(now=60) for _ in range(7)], [rows(product) for product in range(7)]
    at_once = ranker.top(shoppers, excluded, 5)
    monkeypatch.setattr(topk, "BATCH_CELLS", 2 * data.n_products)
    np.testing.assert_array_equal(ranker.top(shoppers, excluded, 5), at_once)
    assert ranker.name == "popular"
    assert ranker.top([], [], 5).shape == (0, 5)


def test_a_ranker_lists_only_what_train_saw():
    ranker = AlgorithmRanker(_Everything())
    ranker.fit(Task(events(bought(0, 1, 1), bought(1, 2, 2)), Protocol.TOP_N, Kind.PURCHASE))
    assert sorted(ranker.top([Shopper(now=3)], [rows()], 4)[0].tolist()) == [-1, -1, 1, 2]


class _Everything(Popular):
    """Has an opinion on everything, as an algorithm that knows products by their content may."""

    def _score(self, shopper: Shopper) -> np.ndarray:
        return np.ones(self.n_products, dtype=np.float32)


@given(
    values=arrays(np.float32, (3, 40), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])),
    excluded=st.lists(st.integers(0, 39), unique=True),
    k=st.integers(1, 50),
)
def test_sparse_scores_give_the_lists_of_dense_ones(values, excluded, k):
    left_out = [np.array(sorted(excluded), np.int32)] * len(values)
    rows = [np.flatnonzero(each).astype(np.int32) for each in values]
    few = [FewScores(some, each[some], len(each)) for some, each in zip(rows, values, strict=True)]
    np.testing.assert_array_equal(top_k_of_few(few, left_out, k), top_k(values, left_out, k))
