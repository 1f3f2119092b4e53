"""Learning from shown lists: a preference that purchases do not show turns the order, if it predicts later clicks."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from services.recommendation.algorithms.interactions import DAY
from services.recommendation.holdout.protocols import products_of
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.model import Reranker
from services.recommendation.training import reranker_trainer, shown_choice
from services.recommendation.training.eval_rounds import HeldOutPeriod, PastShoppers
from services.recommendation.training.fit import train
from services.recommendation.training.reranker_trainer import ContextExamples, Evaluated, RerankerTrainer
from services.recommendation.training.reranker_training import RerankerTrainingResult, train_rerankers
from services.recommendation.training.shown_examples import ShownExamples
from services.recommendation.training.shown_feedback import ShownFeedback
from services.recommendation.training.shown_lists import ShownLists
from shared.page_rules import Page
from tests.contract.algorithms.synthetic_data import NOW
from tests.unit.recommendation.training import shown_shop
from tests.unit.recommendation.training.shown_shop import QUICK, algorithms, interactions, is_fresh, shown_lists


def learned(shown: ShownLists | None, **how: Any) -> RerankerTrainingResult:
    return train_rerankers(interactions(), algorithms, lambda *_: None, threads=1, params=QUICK, shown=shown, **how)


def fresh_first(reranker: Reranker) -> float:
    """Return the mean share of fresh products in the first half of lists of a later time."""
    tested = shown_lists(300, seed=9)
    data = interactions()
    trainer = RerankerTrainer(train(data, algorithms(), threads=1), data, products_of(data) > 0, QUICK)
    feedback = ShownFeedback.of_lists(tested, {})
    examples = feedback.examples(trainer, RerankContext.DISCOVERY, reranker.target, PastShoppers(data))
    assert examples is not None
    values = reranker.trees.values(examples.features)
    halves = [np.argsort(-values[examples.owners == owner])[: shown_shop.PLACES // 2] for owner in range(len(examples))]
    products = [examples.products[examples.owners == owner][half] for owner, half in enumerate(halves)]
    return float(np.mean([is_fresh(each).mean() for each in products]))


@pytest.fixture(scope="module")
def with_lists() -> RerankerTrainingResult:
    return learned(shown_lists(), keep_organic=True)


def test_what_is_clicked_comes_first_and_only_where_it_is_learned_from(with_lists: RerankerTrainingResult) -> None:
    report = with_lists.reports["discovery"]
    assert report["event_feedback"].startswith("learned from ")
    assert report["clicks_ndcg_gain.with_feedback"][1] > 0
    assert report["clicks_ndcg.with_feedback"] > report["clicks_ndcg.without_feedback"]
    assert not report["ndcg_gain.with_feedback"][2] < 0
    context = RerankContext.DISCOVERY
    assert fresh_first(with_lists.learned.rerankers[context]) > 0.75
    assert fresh_first(with_lists.organic[context]) < 0.65


def test_contexts_without_lists_learn_what_they_learn_without_any(with_lists: RerankerTrainingResult) -> None:
    for context in (RerankContext.EVERYTHING, RerankContext.BASKET):
        assert with_lists.reports[context.value]["event_feedback"] == (
            f"not used: 0 lists with a response, {shown_choice.FEWEST_LISTS} are needed"
        )
        assert with_lists.organic.get(context) is with_lists.learned.rerankers.get(context)


def test_the_position_bias_is_found_on_the_way(with_lists: RerankerTrainingResult) -> None:
    bias = with_lists.biases[Page.HOME]
    np.testing.assert_allclose(bias.examination, shown_shop.EXAMINATION, rtol=0.6)
    assert with_lists.shown_seconds > 0


@pytest.fixture
def no_training(monkeypatch: pytest.MonkeyPatch) -> list[ContextExamples]:
    """The examples that were drawn up, from which nothing is learned: it would take most of a test."""
    seen: list[ContextExamples] = []
    monkeypatch.setattr(
        reranker_trainer.ContextExamples, "evaluated", lambda self, **_: seen.append(self) or Evaluated()
    )
    return seen


def drawn_up(seen: list[ContextExamples]) -> ShownExamples | None:
    found = [each.shown for each in seen if each.shown is not None]
    return found[0] if found else None


def test_lists_of_before_the_split_are_left_out(no_training: list[ContextExamples]) -> None:
    learned(shown_lists(500, days=(0.0, 30.0)))
    found = drawn_up(no_training)
    split = HeldOutPeriod(interactions()).known.now
    assert found is not None
    assert NOW - 13 * DAY < split <= found.times.min()


def test_lists_of_earlier_splits_are_learned_from_at_these(no_training: list[ContextExamples]) -> None:
    several = replace(QUICK, most_splits=2)
    shown = shown_lists(500, days=(0.0, 30.0))
    train_rerankers(interactions(), algorithms, lambda *_: None, threads=1, params=several, shown=shown)
    found = drawn_up(no_training)
    assert found is not None
    assert found.times.min() < NOW - 14 * DAY
    pairs = np.stack([found.times, found.customers])
    assert len(np.unique(pairs, axis=1).T) == len(found), "no list is learned from twice"


def test_of_many_lists_the_latest_are_learned_from(
    no_training: list[ContextExamples], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.recommendation.training.shown_feedback.MOST_LISTS", 50)
    shown = shown_lists(500)
    learned(shown)
    found = drawn_up(no_training)
    assert found is not None
    latest = np.sort(shown.times[shown.answered])[-50:]
    assert 40 <= len(found) <= 50
    assert set(found.times.tolist()) <= set(latest.tolist())


def test_features_are_ranks_among_all_candidates_of_the_page(no_training: list[ContextExamples]) -> None:
    learned(shown_lists(200))
    found = drawn_up(no_training)
    assert found is not None
    assert np.isin(found.products, np.arange(shown_shop.PRODUCTS)).all()
    by_list = np.bincount(found.owners)
    assert by_list.max() <= shown_shop.PLACES
    popular_ranks = found.features[:, 1]
    assert popular_ranks[popular_ranks < 9_000].max() > shown_shop.PLACES
    assert (np.bincount(found.owners, found.grades > 0) > 0).all()
