import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from services.recommendation.training import boosting
from services.recommendation.training.boosting import fit_trees
from services.recommendation.training.ltr_dataset import LtrDataset
from services.recommendation.training.reranker_params import BoostingParams

NAMES = ["telling", "noise"]
QUESTIONS, CANDIDATES = 120, 10
HOW = BoostingParams(learning_rate=0.3, rounds=30, min_leaf=5, features=1.0)


def examples(questions: int = QUESTIONS) -> LtrDataset:
    """Those candidates are right whose first feature is the largest of the question."""
    table = np.random.default_rng(1).random((questions, CANDIDATES, len(NAMES))).astype(np.float32)
    relevant = table[:, :, 0] == table[:, :, 0].max(axis=1, keepdims=True)
    return LtrDataset(table.reshape(-1, len(NAMES)), relevant.ravel(), np.full(questions, CANDIDATES))


@pytest.mark.parametrize("small", [boosting.SMALL, 0], ids=["again with the validation", "without the validation"])
def test_trees_are_the_same_however_many_threads_grow_them(monkeypatch: pytest.MonkeyPatch, small: int) -> None:
    monkeypatch.setattr(boosting, "SMALL", small)
    grown = []
    for threads in (1, 2, 2):
        with threadpool_limits(limits=threads):
            trees = fit_trees(examples(), NAMES, 3, HOW)
            assert trees is not None
            grown.append({name: array.tobytes() for name, array in trees.state().items()})
    assert grown[0] == grown[1] == grown[2]


def test_both_sets_of_trees_put_the_right_candidates_first() -> None:
    trees = fit_trees(examples(), NAMES, 3, HOW)
    assert trees is not None
    table = np.array([[0.95, 0.1], [0.5, 0.9], [0.1, 0.5]], np.float32)
    assert np.argsort(-trees.values(table)).tolist()[0] == 0
    assert trees.gains()["telling"] > 0.8


def test_too_few_questions_teach_nothing() -> None:
    assert fit_trees(examples(boosting.FEWEST_QUESTIONS - 1), NAMES, 3, HOW) is None
