"""Only what is better beyond chance is chosen, however many trials were made."""

import numpy as np
import pytest

from services.recommendation.holdout.intervals import intervals
from services.recommendation.tuning.choice import choose

QUESTIONS = 400
ALONE = np.arange(QUESTIONS)


def default(seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(seed).random(QUESTIONS)


def test_without_others_the_default_is_chosen() -> None:
    choice = choose(default()[None], ALONE)
    assert (choice.chosen, choice.best, choice.difference.value) == (0, 0, 0.0)


def test_what_is_clearly_better_is_chosen() -> None:
    rng = np.random.default_rng(1)
    gains = np.stack([default() + shift + 0.1 * rng.standard_normal(QUESTIONS) for shift in (0.0, 0.05, 0.1)])
    choice = choose(gains, ALONE)
    assert (choice.chosen, choice.best) == (2, 2)
    assert choice.difference.value == pytest.approx(0.1, abs=0.02)
    assert 0 < choice.difference.low < choice.difference.value < choice.difference.high


def test_what_is_clearly_worse_is_not() -> None:
    choice = choose(np.stack([default(), default() - 0.2 * (ALONE % 2), default() - 0.4 * (ALONE % 2)]), ALONE)
    assert (choice.chosen, choice.best) == (0, 1)
    assert choice.difference.high < 0


def test_what_is_the_same_stays_default() -> None:
    choice = choose(np.stack([default(), default()]), ALONE)
    assert (choice.chosen, choice.best, choice.difference.low) == (0, 1, 0.0)


def test_one_trial_has_the_interval_of_the_paired_bootstrap() -> None:
    gains = np.stack([default(), default(1)])
    found = choose(gains, ALONE).difference
    percentile = intervals({"difference": gains[1] - gains[0]}, ALONE)["difference"]
    assert (found.low, found.high) == pytest.approx((percentile.low, percentile.high), abs=0.003)


def test_questions_of_one_customer_count_together() -> None:
    better = (ALONE % 20 == 0) * 1.0  # of each customer one question
    spread_out, together = ALONE // 20, ALONE % 20
    gains = np.stack([np.zeros(QUESTIONS), better])
    assert choose(gains, spread_out).chosen == 1
    assert choose(gains, together).chosen == 0


def test_the_best_of_many_by_chance_is_rarely_chosen() -> None:
    """Twenty trials no better than the default: the interval of a single one would let the best pass far more often."""
    taken = 0
    for number in range(60):
        rng = np.random.default_rng(number)
        gains = rng.random((21, QUESTIONS))
        taken += choose(gains, ALONE, resamples=200).chosen > 0
    assert taken <= 6
