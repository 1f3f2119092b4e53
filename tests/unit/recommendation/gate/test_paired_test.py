"""The paired test lets equal models pass and stops worse ones, at the stated error rates."""

import numpy as np
import pytest

from services.recommendation.gate.paired_test import PairedTest, Verdict, paired_test

TESTS, QUESTIONS, MARGIN = 200, 1_000, 0.05
OTHERWISE = 0.1
"""Share of the questions that the candidate answers otherwise."""
HITS = 0.3
"""Share of the questions that the live model answers with its first product; its mean NDCG."""


def answers(rng: np.random.Generator, loss: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the NDCG of a candidate and of the live model: most questions are answered alike, some otherwise."""
    live = (rng.random(QUESTIONS) < HITS).astype(float)
    other = rng.random(QUESTIONS) < OTHERWISE
    drawn = (rng.random(QUESTIONS) < HITS - loss / OTHERWISE).astype(float)
    return np.where(other, drawn, live), live


def compared(candidate: np.ndarray, live: np.ndarray, seed: int = 0) -> PairedTest:
    clusters = np.arange(len(live)) // 2
    return paired_test(candidate, live, clusters, ["HOME"] * len(live), MARGIN, seed=seed)


def passed(loss: float) -> float:
    rng = np.random.default_rng(1)
    verdicts = [compared(*answers(rng, loss), seed=number).verdict for number in range(TESTS)]
    return sum(verdict is Verdict.NOT_WORSE for verdict in verdicts) / TESTS


def test_a_model_that_is_worse_by_the_margin_passes_as_seldom_as_stated() -> None:
    # stated are 5 %; three standard errors of 200 tests are 4.6 % more
    assert passed(MARGIN * HITS) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / TESTS)


def test_an_equal_model_passes() -> None:
    assert passed(0.0) >= 0.65


def test_the_same_answers_are_not_worse() -> None:
    live = (np.arange(QUESTIONS) % 3 == 0).astype(float)
    test = compared(live, live)
    assert (test.verdict, test.difference, test.low, test.high) == (Verdict.NOT_WORSE, 0.0, 0.0, 0.0)
    assert test.pages == {"HOME": (QUESTIONS, live.mean(), live.mean())}
    assert "not worse" in test.summary


def test_a_clearly_worse_model_is_stopped() -> None:
    rng = np.random.default_rng(2)
    live = (rng.random(QUESTIONS) < HITS).astype(float)
    test = compared(live * (rng.random(QUESTIONS) < 0.5), live)
    assert test.verdict is Verdict.WORSE
    assert not test.passes(by_estimate=True)


def test_few_questions_do_not_tell_and_the_estimate_may_decide() -> None:
    live = np.tile([1.0, 0.0, 0.0], 30)
    better, worse = np.ones(90), np.zeros(90)
    for candidate, passes in ((better, True), (live, True), (worse, False)):
        test = compared(candidate, live)
        assert test.verdict is Verdict.UNDECIDED
        assert (test.passes(by_estimate=True), test.passes(by_estimate=False)) == (passes, False)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="question"):
        compared(np.empty(0), np.empty(0))
    with pytest.raises(ValueError, match="shape"):
        compared(np.ones(4), np.ones(5))
