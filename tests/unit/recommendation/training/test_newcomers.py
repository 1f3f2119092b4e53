"""What newcomers are asked, and the weight of the reranker that answers them best."""

from dataclasses import replace

import numpy as np

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.interactions import Kind
from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.reranker.candidates import Candidates
from services.recommendation.reranker.contexts import NOTHING
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.ranks import candidate_columns
from services.recommendation.reranker.reranker_models import NEWCOMER_WEIGHT
from services.recommendation.reranker.trees import Trees
from services.recommendation.training.holdout_eval import EvalBatch, HoldoutEval
from services.recommendation.training.newcomers import (
    FEWEST_QUESTIONS,
    MOST_QUESTIONS,
    learn_newcomer_weight,
    newcomers,
)

PRODUCTS = 40


def rows(*products: int) -> Rows:
    return np.array(products, np.int32)


def shopper(*products: int) -> Shopper:
    n = len(products)
    return Shopper(
        now=1000,
        products=rows(*products),
        kinds=np.full(n, Kind.PURCHASE, np.int8),
        quantities=np.ones(n, np.float32),
        times=np.arange(n, dtype=np.int64),
        baskets=np.arange(n, dtype=np.int32),
    )


def test_one_to_three_of_the_latest_events_are_known() -> None:
    asked = newcomers([EvalCase(shopper(1, 2, 3, 4, 5), rows(1, 5, 9), NOTHING, number) for number in range(50)])
    assert {len(each.shopper.products) for each in asked} == {1, 2, 3}
    for each in asked:
        known = each.shopper.products.tolist()
        assert known == [1, 2, 3, 4, 5][-len(known) :]
        assert each.targets.tolist() == [1, 9], "what the newcomer bought is no answer, what came before is"
        assert each.excluded.tolist() == known


def test_who_did_nothing_before_or_obtained_nothing_is_not_asked() -> None:
    assert newcomers([EvalCase(shopper(), rows(1), NOTHING), EvalCase(shopper(1), NOTHING, NOTHING)]) == []


def test_of_many_questions_some_are_drawn() -> None:
    many = [EvalCase(shopper(1), rows(2), NOTHING, number) for number in range(MOST_QUESTIONS + 10)]
    one, same, other = (newcomers(many, seed) for seed in (0, 0, 1))
    customers = [[each.customer for each in asked] for asked in (one, same, other)]
    assert len(set(customers[0])) == MOST_QUESTIONS
    assert customers[0] == customers[1] != customers[2]


class OneFeature(Trees):
    """Trees whose value is the first feature."""

    def __init__(self) -> None:
        """Grow nothing."""

    def values(self, table: np.ndarray) -> np.ndarray:
        """Return the first feature."""
        return np.asarray(table[:, 0], np.float64)


RERANKER = Reranker(("popular",), Kind.PURCHASE, OneFeature(), 100)


def evaluation(questions: int, *, popular_is_right: bool) -> HoldoutEval:
    """Return questions whose one answer is first by popularity and last by the reranker, or the other way round."""
    rng = np.random.default_rng(7)
    found = HoldoutEval(("popular",))
    for number in range(questions):
        right = int(rng.integers(PRODUCTS))
        by_popularity, by_reranker = rng.random(PRODUCTS) + 0.1, rng.random(PRODUCTS) + 0.1
        by_popularity[right], by_reranker[right] = (2.0, 0.0) if popular_is_right else (0.05, 2.0)
        owners, products = np.zeros(PRODUCTS, np.int64), np.arange(PRODUCTS)
        columns = candidate_columns(by_popularity[None, :].astype(np.float32), owners, products)
        candidates = Candidates(1, owners, products, columns)
        features = by_reranker[:, None].astype(np.float32)
        found.add(EvalBatch(candidates, features, [rows(right)], np.array([number])))
    return found


def test_the_weight_is_small_where_best_sellers_suit_better() -> None:
    found = learn_newcomer_weight(evaluation(FEWEST_QUESTIONS, popular_is_right=True), RERANKER)
    assert found.weight < 1
    assert found.report["questions"] == FEWEST_QUESTIONS
    by_weight = found.report["ndcg_at_20"]
    assert by_weight[f"{found.weight:g}"] == max(by_weight.values()) > by_weight["4"]


def test_the_weight_is_large_where_the_reranker_suits_better() -> None:
    assert (
        learn_newcomer_weight(evaluation(FEWEST_QUESTIONS, popular_is_right=False), RERANKER).weight > NEWCOMER_WEIGHT
    )


def test_the_default_holds_where_the_gain_may_be_chance() -> None:
    both = evaluation(FEWEST_QUESTIONS // 2, popular_is_right=True)
    for batch in evaluation(FEWEST_QUESTIONS // 2, popular_is_right=False).batches:
        both.add(batch)
    assert learn_newcomer_weight(both, RERANKER).weight == NEWCOMER_WEIGHT


def test_the_default_holds_where_too_little_is_asked_or_best_sellers_are_not_there() -> None:
    few = learn_newcomer_weight(evaluation(FEWEST_QUESTIONS - 1, popular_is_right=True), RERANKER)
    enough = evaluation(FEWEST_QUESTIONS, popular_is_right=True)
    other = learn_newcomer_weight(replace(enough, names=("item_knn",)), RERANKER)
    assert (few.weight, few.report) == (other.weight, other.report) == (NEWCOMER_WEIGHT, {})
