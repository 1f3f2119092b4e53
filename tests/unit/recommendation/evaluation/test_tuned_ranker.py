"""Tuned baselines choose on a validation split inside train, and never see the test."""

from typing import Any

import numpy as np

from services.recommendation.algorithms.arrays import Rows
from services.recommendation.algorithms.base import Kind, Shopper
from services.recommendation.evaluation.tuned_ranker import TunedRanker
from services.recommendation.holdout.tasks import Protocol, Task, Tunes
from tests.unit.recommendation.evaluation.synthetic_data import events, two_tastes


class Parity:
    """Lists products of the shopper's own parity with `right`, else of the other; `noise` changes nothing."""

    name = "parity"

    def __init__(self, *, right: bool, noise: int) -> None:
        self.params = {"right": right, "noise": noise}
        self.trains: list[int] = []
        FITTED.append(self)

    def fit(self, task: Task) -> None:
        self.trains.append(len(task.train.customers))

    def top(self, shoppers: list[Shopper], excluded: list[Rows], k: int) -> Rows:
        lists = np.full((len(shoppers), k), -1, np.int32)
        for listed, shopper, left_out in zip(lists, shoppers, excluded, strict=True):
            parity = (shopper.products[0] + (not self.params["right"])) % 2
            kept = np.setdiff1d(np.arange(parity, 40, 2), left_out)[:k]
            listed[: len(kept)] = kept
        return lists


FITTED: list[Parity] = []


def tuned(train: Any) -> TunedRanker:
    FITTED.clear()
    ranker = TunedRanker("tuned_parity", Parity, {"right": (False, True), "noise": (1, 2)})
    ranker.fit(Task(train, Protocol.TOP_N_DISCOVERY, Kind.PURCHASE, timed=False, exclude_seen=True))
    return ranker


def test_the_better_value_is_chosen_and_a_tie_keeps_the_default() -> None:
    ranker = tuned(two_tastes())
    assert ranker.chosen == {"right": True, "noise": 1}
    assert isinstance(ranker, Tunes)


def test_trials_learn_from_less_than_train_and_the_chosen_one_from_all() -> None:
    train = two_tastes()
    tuned(train)
    *trials, last = FITTED
    assert len(trials) == 3  # the defaults, and one other value of each parameter
    assert all(each.trains[0] < len(train.customers) for each in trials)
    assert last.trains == [len(train.customers)]
    assert last.params == {"right": True, "noise": 1}


def test_where_nobody_can_be_asked_the_defaults_stay() -> None:
    assert tuned(events()).chosen == {"right": False, "noise": 1}
