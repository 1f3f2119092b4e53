"""What learning from shown lists brings: measured on lists of after the cutoff, by rerankers that know none of them."""

from typing import Any

import numpy as np
import pytest

from services.recommendation.algorithms.interactions import DAY
from services.recommendation.evaluation import shown_evaluation
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit
from services.recommendation.evaluation.shown_evaluation import FEWEST_TESTED, WITH, WITHOUT, evaluate_shown
from services.recommendation.training.reranker_training import train_rerankers
from services.recommendation.training.shown_choice import FEWEST_LISTS
from services.recommendation.training.shown_lists import ShownLists
from tests.contract.algorithms.synthetic_data import NOW
from tests.unit.recommendation.training import shown_shop

CUTOFF = NOW - 4 * DAY


def split(shown: ShownLists | None) -> TrainTestSplit:
    data = shown_shop.interactions()
    before = data.times < CUTOFF
    return TrainTestSplit(data.where(before), data.where(~before), CUTOFF, timed=True, shown=shown)


def measured(shown: ShownLists | None) -> dict[str, Any]:
    return evaluate_shown(
        split(shown), shown_shop.algorithms, lambda *_: None, threads=1, resamples=200, params=shown_shop.QUICK
    )


@pytest.fixture(scope="module")
def seen() -> list[ShownLists]:
    """The lists that the training of `found` was given."""
    return []


@pytest.fixture(scope="module")
def found(seen: list[ShownLists]) -> dict[str, Any]:
    def noting(*args: Any, shown: ShownLists, **how: Any) -> Any:
        seen.append(shown)
        return train_rerankers(*args, shown=shown, **how)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shown_evaluation, "train_rerankers", noting)
        return measured(shown_shop.shown_lists(4_000, days=(0.0, 15.0)))


def test_a_preference_that_clicks_show_is_gained(found: dict[str, Any]) -> None:
    assert found["contexts"]["discovery"].startswith("learned from ")
    values = {(row["metric"], row["algorithm"]): row for row in found["rows"]}
    assert set(values) == {(metric, name) for metric in ("ndcg", "mrr") for name in (WITH, WITHOUT)}
    for difference in found["differences"]:
        own, other = values[difference["metric"], WITH], values[difference["metric"], WITHOUT]
        assert difference["value"] == pytest.approx(own["value"] - other["value"], abs=1e-5)
        assert difference["low"] > 0
        assert difference["p_value"] < 0.02
        assert 0 < other["low"] < other["value"] < other["high"] < own["value"] < 1
    assert found["position_bias"]["HOME"]["method"] == "interventions"


def test_rerankers_learn_from_nothing_of_after_the_cutoff(found: dict[str, Any], seen: list[ShownLists]) -> None:
    (given,) = seen
    assert len(given)
    assert given.times.max() < CUTOFF
    tested = int((shown_shop.shown_lists(4_000, days=(0.0, 15.0)).times >= CUTOFF).sum())
    assert 0.5 * tested < found["rows"][0]["lists"] < tested


def test_what_is_not_learned_from_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.recommendation.training.shown_choice.FEWEST_LISTS", 10**6)
    found = measured(shown_shop.shown_lists(2_000, days=(0.0, 15.0)))
    assert found["rows"] == found["differences"] == []
    assert found["contexts"]["discovery"].startswith("not used: ")


def test_without_responses_it_says_so() -> None:
    needed = f"{FEWEST_LISTS} and {FEWEST_TESTED} are needed"
    nothing = measured(None)
    assert nothing == {
        "skipped": f"0 lists with a response before the cutoff and 0 after it are logged; {needed}",
    }
    only_before = shown_shop.shown_lists(1_000, days=(4.0, 15.0))
    answered = int(only_before.answered.sum())
    assert measured(only_before)["skipped"].startswith(f"{answered:,} lists with a response before the cutoff and 0 ")
    silent = shown_shop.shown_lists(1_000, days=(0.0, 15.0))
    assert measured(silent.where(~silent.answered))["skipped"].startswith("0 lists ")
    assert np.bincount(silent.grades).min() > 0
