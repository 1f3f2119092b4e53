"""Rankers side by side: the same questions, every number with its name, nothing of one left for the next."""

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.base import Interactions, Kind, Shopper
from services.recommendation.evaluation.io.train_test_split import TrainTestSplit
from services.recommendation.evaluation.report import Report
from services.recommendation.evaluation.run import EvaluationPlan, evaluate
from services.recommendation.holdout.tasks import ProgressCallback, Protocol, Task
from shared.errors import FailedPrecondition, InvalidArgument
from tests.unit.recommendation.evaluation.synthetic_data import bought, events, viewed

FORM = (
    *("dataset", "protocol", "algorithm", "metric", "k", "value", "low", "high"),
    *("train_seconds", "ms_per_user", "peak_mb"),
)


class Fixed:
    """Lists the same products to everybody, but what is excluded."""

    def __init__(self, name: str, *products: int) -> None:
        self.name = name
        self.products = products
        self.tasks: list[Task] = []

    def fit(self, task: Task) -> None:
        self.tasks.append(task)

    def top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        lists = np.full((len(shoppers), k), -1, np.int32)
        for listed, left_out in zip(lists, excluded, strict=True):
            kept = [product for product in self.products if product not in left_out][:k]
            listed[: len(kept)] = kept
        return lists


def split(train: Interactions | None = None, test: Interactions | None = None) -> TrainTestSplit:
    """Three customers of four products; 0 buys 1 and 2 afterwards, 1 buys 1 again, 2 a product nobody knew."""
    known = events(bought(0, 1, 10), bought(1, 1, 11), bought(1, 2, 12), viewed(2, 3, 13), now=20)
    after = events(bought(0, 1, 20), bought(0, 2, 21), bought(1, 1, 22), bought(2, 7, 23), viewed(2, 1, 24), now=20)
    return TrainTestSplit(train or known, test or after, cutoff=20, timed=True, counts={"train": {"events": 4}})


def run(*rankers: Fixed, **options: Any) -> Report:
    return evaluate(
        options.pop("on", split()), EvaluationPlan("tiny", **options), rankers, lambda stage, fraction: None
    )


def values(report: Report, algorithm: str, k: int = 20) -> dict[str, float]:
    return {row["metric"]: row["value"] for row in report.rows if row["algorithm"] == algorithm and row["k"] == k}


def test_values_by_hand() -> None:
    found = values(run(Fixed("good", 1, 3, 2), ks=(3,)), "good", 3)
    # customer 0 wants 1 and 2 and finds them on places 1 and 3, customer 1 wants 1
    assert found["recall"] == 1.0
    assert found["hit_rate"] == 1.0
    assert found["mrr"] == 1.0
    assert found["map"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2, abs=1e-6)
    assert found["ndcg"] == pytest.approx(((1 + 1 / 2) / (1 + 1 / np.log2(3)) + 1) / 2, abs=1e-6)
    assert found["coverage"] == 1.0


def test_rows_have_the_agreed_form() -> None:
    report = run(Fixed("a", 1), Fixed("b", 2), ks=(5, 1, 5), resamples=50)
    assert {tuple(row) for row in report.rows} == {FORM}
    keys = [(row["algorithm"], row["metric"], row["k"]) for row in report.rows]
    assert len(set(keys)) == len(keys)
    assert {key[0] for key in keys} == {"a", "b"}
    assert {key[2] for key in keys} == {1, 5}
    for row in report.rows:
        assert (row["dataset"], row["protocol"]) == ("tiny", "top-n")
        assert row["peak_mb"] > 1
        if row["metric"] == "recall":
            assert row["low"] <= row["value"] <= row["high"]
        if row["metric"] == "gini":
            assert (row["low"], row["high"]) == (None, None)
    assert set(report.as_dict()) == {"rows", "slices", "differences", "settings", "shown_lists"}


def test_slices_stand_beside_the_rows() -> None:
    report = run(Fixed("a", 1), ks=(5,))
    questions = {row["slice"]: row["questions"] for row in report.slices}
    # customer 1 bought 1 before; customer 0 bought 1 before and 2 not
    assert questions == {"cold-user": 2, "cold-item": 2, "repeat": 2, "new": 1}
    assert "train_seconds" not in report.slices[0]
    assert not any("slice" in row for row in report.rows)


def test_the_first_ranker_is_compared_with_each_other_by_question() -> None:
    report = run(Fixed("a", 1, 2), Fixed("b", 2), Fixed("c", 1, 2), ks=(2,), resamples=200)
    assert {(row["algorithm"], row["versus"]) for row in report.differences} == {("a", "b"), ("a", "c")}
    found = {row["versus"]: row for row in report.differences if row["metric"] == "hit_rate"}
    # a finds something for both customers, b only for customer 0
    assert found["b"]["value"] == 0.5
    assert (found["b"]["low"], found["b"]["high"]) == (0.0, 1.0)
    assert [found["c"][name] for name in ("value", "low", "high", "p_value")] == [0.0, 0.0, 0.0, 1.0]


def test_settings_say_how_it_was_done() -> None:
    settings = run(Fixed("a", 1), resamples=10, seed=4).settings
    names = ("target", "exclude_seen", "k", "questions", "customers", "bootstrap", "seed", "cutoff", "train")
    assert [settings[name] for name in names] == ["purchase", False, [20], 2, 2, 10, 4, 20, {"events": 4}]
    assert settings["pairs_of_products_train_never_saw"] == 1


def test_discovery_leaves_out_what_was_bought() -> None:
    for plan in ({"exclude_seen": True}, {"protocol": Protocol.TOP_N_DISCOVERY}):
        ranker = Fixed("a", 1, 2)
        report = run(ranker, **plan)
        assert {row["protocol"] for row in report.rows} == {"top-n-discovery"}
        assert report.settings["questions"] == 1  # only customer 0 buys something new
        assert values(report, "a")["mrr"] == 1.0  # 1 is left out
        assert ranker.tasks[0].exclude_seen


def test_discovery_that_includes_what_was_bought_is_top_n() -> None:
    report = run(Fixed("a", 1), protocol=Protocol.TOP_N_DISCOVERY, exclude_seen=False)
    assert {row["protocol"] for row in report.rows} == {"top-n"}


def test_recall_over_all() -> None:
    assert values(run(Fixed("a", 1), ks=(1,)), "a", 1)["recall"] == 1.0
    assert values(run(Fixed("a", 1), ks=(1,), recall_over="all"), "a", 1)["recall"] == 0.75


def test_another_target() -> None:
    report = run(Fixed("a", 1), target=Kind.VIEW)
    assert (report.settings["target"], report.settings["questions"]) == ("view", 1)


def test_a_limit_of_questions() -> None:
    assert run(Fixed("a", 1), most_questions=1).settings["questions"] == 1


def test_without_a_bootstrap_there_are_no_intervals() -> None:
    assert all(row["low"] is None for row in run(Fixed("a", 1), resamples=0).rows)


def test_nothing_of_one_is_left_for_the_next() -> None:
    first = Fixed("first", 1)
    gone = weakref.ref(first)
    alive_at_the_end = []

    class Last(Fixed):
        def fit(self, task: Task) -> None:
            gc.collect()
            alive_at_the_end.append(gone() is not None)

    waiting = [first, Last("last", 1)]
    del first
    evaluate(split(), EvaluationPlan("tiny"), iter([waiting.pop(0), waiting.pop(0)]), lambda stage, fraction: None)
    assert alive_at_the_end == [False]


def test_progress_never_goes_back() -> None:
    said: list[tuple[str, float]] = []
    evaluate(split(), EvaluationPlan("tiny"), [Fixed("a", 1), Fixed("b", 1)], lambda *step: said.append(step))
    fractions = [fraction for _, fraction in said]
    assert fractions == sorted(fractions)
    assert [stage for stage, _ in said] == ["asking", "a: fitting", "a: ranking", "b: fitting", "b: ranking"]


def test_a_ranker_that_takes_long_says_how_far_it_is() -> None:
    class Slow(Fixed):
        progress: ProgressCallback | None = None

        def fit(self, task: Task) -> None:
            assert self.progress
            self.progress("half", 0.5)
            super().fit(task)

    said: list[tuple[str, float]] = []
    evaluate(split(), EvaluationPlan("tiny"), [Slow("a", 1)], lambda *step: said.append(step))
    assert ("a: fitting: half", 0.25) in said


def test_those_who_are_not_asked_are_counted() -> None:
    assert run(Fixed("a", 1)).settings["coverage"] == {
        "who": "customers",
        "in_test": 3,
        "not_asked": {"with nothing but products that train never saw": 1},
    }


def test_sessions_ask_for_any_event_unless_a_target_is_said() -> None:
    after = events(viewed(0, 1, 20, 1), viewed(0, 2, 21, 1), bought(0, 3, 22, 1))
    report = run(Fixed("a", 2, 3), on=split(test=after), protocol=Protocol.SESSION)
    assert (report.settings["target"], report.settings["questions"]) == ("any", 2)
    report = run(Fixed("a", 2, 3), on=split(test=after), protocol=Protocol.SESSION, target=Kind.PURCHASE)
    assert (report.settings["target"], report.settings["questions"]) == ("purchase", 1)


def test_nobody_to_ask() -> None:
    with pytest.raises(FailedPrecondition, match=r"nobody to ask by top-n for a purchase: .* 1 not in train"):
        run(Fixed("a", 1), on=split(test=events(bought(4, 1, 30))))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"ks": (5, 0)}, "k: must be at least 1, got 0"),
        ({"ks": ()}, "k: must be at least 1"),
        ({"resamples": -1}, "bootstrap: must be at least 0"),
        ({"seed": -1}, "seed: must be at least 0"),
        ({"most_questions": 0}, "limit_questions: must be at least 1"),
        ({"protocol": Protocol.SESSION, "exclude_seen": True}, "exclude_seen: means nothing for sessions"),
    ],
)
def test_bad_plans(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        EvaluationPlan("tiny", **options)
