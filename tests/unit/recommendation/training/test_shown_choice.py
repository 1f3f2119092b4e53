"""The choice whether to learn from shown lists: by later clicks, without harm to organic questions."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from services.recommendation.training import shown_choice
from services.recommendation.training.ltr_dataset import LtrDataset
from services.recommendation.training.shown_choice import FEWEST_LISTS, ShownChoice, choose_mix, refit_parts
from services.recommendation.training.shown_examples import ShownExamples

LISTS = FEWEST_LISTS
QUESTIONS = 200
ORGANIC = 450
"""Organic questions: twice the lists that are learned from, so that shares of .5 and 2 are weights of 1 and 4."""
NOBODY = np.zeros(LISTS, np.bool_)


def shown(lists: int = LISTS) -> ShownExamples:
    """Return lists of two items, of which the second was clicked, one a second and each of a customer of its own."""
    return ShownExamples(
        features=np.tile(np.array([[0.0], [1.0]], np.float32), (lists, 1)),
        owners=np.repeat(np.arange(lists), 2),
        products=np.tile([0, 1], lists),
        grades=np.tile(np.array([0, 1], np.int8), lists),
        weights=np.ones(2 * lists, np.float32),
        customers=np.arange(lists),
        times=np.arange(lists),
    )


class Evaluation:
    """The evaluation by organic questions: a mean NDCG for each weight of the lists, 0 standing for none."""

    clusters = np.arange(QUESTIONS)

    def __init__(self, **ndcg: float) -> None:
        self._ndcg = {float(name.removeprefix("mix")): value for name, value in ndcg.items()}

    def of_reranker(self, reranker: Any) -> dict[str, np.ndarray]:
        noise = np.random.default_rng(int(reranker.mix)).normal(0.0, 0.02, QUESTIONS)
        return {"ndcg": self._ndcg[reranker.mix] + noise - noise.mean()}


def candidate(mix: float, right: float) -> Any:
    """Return a reranker that puts the clicked item first in a share of the lists."""

    def values(features: np.ndarray) -> np.ndarray:
        lists = len(features) // 2
        first = np.where(np.arange(lists) < right * lists, 1.0, -1.0)
        return np.repeat(first, 2) * features[:, 0]

    reranker = SimpleNamespace(mix=mix, algorithms=(), target=None, trees=SimpleNamespace(values=values))
    return SimpleNamespace(reranker=reranker)


def choice(
    monkeypatch: pytest.MonkeyPatch,
    evaluation: Evaluation,
    right: dict[float, float],
    lists: ShownExamples | None,
    evaluated: np.ndarray = NOBODY,
    passes: Any = lambda found: True,
) -> tuple[ShownChoice, list[int]]:
    """Return what is chosen of rerankers that are right so often, and how many lists each learned from."""
    learned = []

    def fit(parts: list[Any], *_: Any) -> Any:
        learned.append(len(parts[-1].sizes))
        return candidate(round(float(parts[-1].weights.mean()), 3), right[round(float(parts[-1].weights.mean()), 3)])

    monkeypatch.setattr(shown_choice, "fit_candidate", fit)
    monkeypatch.setattr(shown_choice, "SHARES", (0.5, 2.0))
    asked = int(ORGANIC * (LISTS - LISTS // 4 - evaluated.sum()) / (LISTS - LISTS // 4))
    organic = [LtrDataset(np.zeros((0, 2), np.float32), np.zeros(0, np.bool_), np.ones(asked, np.int64))]
    return choose_mix(candidate(0.0, right[0.0]), organic, lists, evaluation, evaluated, passes, None), learned  # type: ignore[arg-type]


def test_the_weight_that_predicts_later_clicks_best_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    found, learned = choice(
        monkeypatch, Evaluation(mix0=0.5, mix1=0.5, mix4=0.5), {0.0: 0.4, 1.0: 0.6, 4.0: 0.9}, shown()
    )
    assert (found.mix, found.candidate.reranker.mix) == (4.0, 4.0)
    assert found.facts["event_feedback"] == "learned from 300 lists with a response, each 4 times an organic question"
    second = 1 / np.log2(3)
    assert found.facts["clicks_ndcg.with_feedback"] == pytest.approx(0.9 + 0.1 * second, abs=0.01)
    assert found.facts["clicks_ndcg.without_feedback"] == pytest.approx(0.4 + 0.6 * second, abs=0.01)
    assert learned == [225, 225], "the latest quarter is not learned from"


def test_a_weight_that_harms_organic_questions_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = {0.0: 0.4, 1.0: 0.6, 4.0: 0.9}
    found, _ = choice(monkeypatch, Evaluation(mix0=0.5, mix1=0.5, mix4=0.48), right, shown())
    assert found.mix == 1.0
    found, _ = choice(monkeypatch, Evaluation(mix0=0.5, mix1=0.49, mix4=0.48), right, shown())
    assert (found.mix, found.candidate.reranker.mix) == (0.0, 0.0)
    assert found.facts["event_feedback"] == "not used: it is worse on organic questions (300 lists with a response)"
    assert found.facts["ndcg_gain.with_feedback"][2] < 0
    assert found.found["ndcg"].mean() == pytest.approx(0.5)


def test_what_does_not_pass_the_evaluation_of_all_rerankers_is_not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    right = {0.0: 0.4, 1.0: 0.6, 4.0: 0.9}
    found, _ = choice(
        monkeypatch,
        Evaluation(mix0=0.5, mix1=0.5, mix4=0.4999),
        right,
        shown(),
        passes=lambda found: found["ndcg"].mean() > 0.49995,
    )
    assert found.mix == 1.0


def test_chance_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    right = {0.0: 0.5, 1.0: 0.5, 4.0: 0.51}
    found, _ = choice(monkeypatch, Evaluation(mix0=0.5, mix1=0.5, mix4=0.5), right, shown())
    assert found.mix == 0.0
    assert "it does not predict held-out clicks better" in found.facts["event_feedback"]


@pytest.mark.parametrize(("lists", "said"), [(None, "0"), (shown(LISTS - 1), "299")])
def test_too_few_lists_are_not_learned_from(
    monkeypatch: pytest.MonkeyPatch, lists: ShownExamples | None, said: str
) -> None:
    found, learned = choice(monkeypatch, Evaluation(mix0=0.5), {0.0: 0.5}, lists)
    assert (found.mix, learned) == (0.0, [])
    assert found.facts == {"event_feedback": f"not used: {said} lists with a response, 300 are needed"}


def test_customers_who_are_evaluated_are_not_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated = np.arange(LISTS) < 25
    evaluation, right = Evaluation(mix0=0.5, mix1=0.5, mix4=0.5), {0.0: 0.4, 1.0: 0.6, 4.0: 0.9}
    _, learned = choice(monkeypatch, evaluation, right, shown(), evaluated)
    assert learned == [200, 200]


def test_what_was_chosen_learns_from_all_lists() -> None:
    assert [len(part.sizes) for part in refit_parts([], shown(), 4.0)] == [LISTS]
    assert refit_parts([], shown(), 0.0) == refit_parts([], None, 0.0) == []


def test_few_responses_weigh_no_more_than_the_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown_choice, "MOST_MIX", 1.0)
    _, learned = choice(monkeypatch, Evaluation(mix0=0.5, mix1=0.5), {0.0: 0.4, 1.0: 0.6}, shown())
    assert learned == [225], "both shares come to the same weight"
