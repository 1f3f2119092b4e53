from dataclasses import replace

import numpy as np
import pytest

from services.recommendation.off_policy.evaluate import SlateMethod
from services.recommendation.off_policy.exploring import ExploringList
from services.recommendation.off_policy.overlap import InsufficientOverlap
from services.recommendation.off_policy.replay import compare_replayed
from tests.unit.recommendation.off_policy.exploring_shop import CLICKS, DISCOUNT, logged, worth

METHODS = [SlateMethod.CASCADE_DOUBLY_ROBUST, SlateMethod.REWARD_INTERACTION, SlateMethod.INDEPENDENT]


def unchanged(policy: ExploringList) -> ExploringList:
    return policy


def without_exploration(policy: ExploringList) -> ExploringList:
    return ExploringList.certain(policy.items)


def best_of_pool_last(policy: ExploringList) -> ExploringList:
    """The last place shows the product of the pool that is explored most; nothing else changes."""
    items = policy.items.copy()
    items[-1] = policy.pool[np.argmax(policy.chances)]
    return ExploringList.certain(items)


def turned_round(policy: ExploringList) -> ExploringList:
    return replace(policy, items=policy.items[::-1].copy())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("change", [without_exploration, best_of_pool_last])
def test_what_the_log_explored_is_estimated(method, change):
    lists, truth = logged(4000, 0.25, change)

    found = compare_replayed(lists, method)

    assert found.estimate.low <= truth <= found.estimate.high
    assert found.estimate.value == pytest.approx(truth, rel=0.15)
    assert found.logged_value == pytest.approx(np.mean([worth(each.logging) for each in lists]), rel=0.05)
    assert found.difference.value == pytest.approx(found.estimate.value - found.logged_value)
    assert found.estimate.overlap.support == pytest.approx(1.0)


def test_intervals_hold_the_truth_in_most_logs():
    """Twenty-five logs: intervals of 95 % miss the truth in more than five of them in one of five hundred trials."""
    held = 0
    for seed in range(25):
        lists, truth = logged(600, 0.25, without_exploration, seed)
        found = compare_replayed(lists, SlateMethod.CASCADE_DOUBLY_ROBUST, seed=seed)
        held += found.estimate.low <= truth <= found.estimate.high

    assert held >= 20


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("per_place", [0.0, 0.1])
def test_the_same_lists_earn_what_they_earned(method, per_place):
    lists, _ = logged(1000, per_place, unchanged)

    found = compare_replayed(lists, method)

    assert found.difference.value == pytest.approx(0.0, abs=1e-12)
    assert found.difference.standard_error == pytest.approx(0.0, abs=1e-9)
    assert found.estimate.overlap.support == 1.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("per_place", "change"),
    [(0.0, best_of_pool_last), (0.0, turned_round), (0.2, turned_round)],
    ids=["other products of a certain list", "another order of a certain list", "another order"],
)
def test_what_the_log_never_shows_is_refused(method, per_place, change):
    lists, _ = logged(1000, per_place, change)

    with pytest.raises(InsufficientOverlap) as caught:
        compare_replayed(lists, method)

    assert caught.value.metadata["cause"] == "support"


def test_few_lists_that_explored_are_refused():
    lists, _ = logged(600, 0.02, best_of_pool_last)

    with pytest.raises(InsufficientOverlap) as caught:
        compare_replayed(lists, SlateMethod.CASCADE_DOUBLY_ROBUST)

    assert caught.value.cause == "effective_sample_size"


@pytest.mark.parametrize("method", METHODS)
def test_lists_may_have_different_lengths(method):
    lists, _ = logged(2000, 0.2, without_exploration)
    short = [_shortened(each, 2 + number % 3) for number, each in enumerate(lists)]
    truth = float(np.mean([CLICKS[each.evaluation.items] @ DISCOUNT[: len(each.shown)] for each in short]))

    found = compare_replayed(short, method)

    assert found.estimate.low <= truth <= found.estimate.high


def _shortened(each, places):
    """Return a list without its last places."""
    cut = {name: getattr(each, name)[:places] for name in ("shown", "propensities", "rewards")}
    policies = {
        name: replace(getattr(each, name), items=getattr(each, name).items[:places])
        for name in ("logging", "evaluation")
    }
    return replace(each, **cut, **policies)
