"""The slope of purchase rates: what drew the choices is found again, and little data says nothing."""

import numpy as np
import pytest
from numpy.typing import NDArray

from services.recommendation.training.purchase_rates import MOST_SLOPE, conditional_logit_slope


@pytest.mark.parametrize("slope", [0.4, 1.0, 2.5])
def test_the_slope_that_drew_the_choices_is_found(slope: float) -> None:
    rng = np.random.default_rng(7)
    questions, each = 4_000, 30
    values = rng.normal(size=(questions, each))
    right = np.zeros((questions, each), bool)
    right[np.arange(questions), (slope * values + rng.gumbel(size=values.shape)).argmax(axis=1)] = True
    found = conditional_logit_slope(values.ravel() + 40.0, right.ravel(), np.full(questions, each))
    assert found == pytest.approx(slope, rel=0.05)


def test_questions_may_have_several_right_candidates_and_different_sizes() -> None:
    values = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    right = np.array([False, True, True, True, False])
    found = conditional_logit_slope(values, right, np.array([2, 3]))
    by_search = max(np.linspace(0.0, 3.0, 30_001), key=lambda s: log_likelihood(values, right, [(0, 2), (2, 5)], s))
    assert found == pytest.approx(by_search, abs=2e-4)


def test_values_that_say_nothing_or_the_opposite_have_no_slope() -> None:
    values, sizes = np.array([0.0, 1.0] * 50), np.full(50, 2)
    assert conditional_logit_slope(values, values == 0.0, sizes) == 0.0
    assert conditional_logit_slope(np.zeros(100), values == 0.0, sizes) == 0.0


def test_values_that_say_everything_have_a_bounded_slope() -> None:
    values = np.array([0.0, 1.0] * 50)
    assert conditional_logit_slope(values, values == 1.0, np.full(50, 2)) == MOST_SLOPE


def log_likelihood(
    values: NDArray[np.float64], right: NDArray[np.bool_], questions: list[tuple[int, int]], slope: float
) -> float:
    return sum(
        float((slope * values[a:b] - np.log(np.exp(slope * values[a:b]).sum()))[right[a:b]].sum()) for a, b in questions
    )
