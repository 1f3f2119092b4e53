"""Posteriors against a regression by hand, and choices against what is known of them."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from shared.bandit.choice import LEAST, best_probabilities, choice_probabilities, drawn, unknown_probabilities
from shared.bandit.context import NAMES, features
from shared.bandit.posterior import PRIOR_DECISIONS, RewardStatistics, posteriors

ONE = np.ones((4, 1))


def test_nothing_is_believed_before_the_first_decision() -> None:
    assert posteriors({"a": RewardStatistics.nothing(2)}) == {}


def test_with_the_constant_alone_beliefs_are_shrunken_means() -> None:
    few, many = RewardStatistics.of(ONE[:2], np.array([1.0, 0.0])), RewardStatistics.of(np.ones((98, 1)), np.zeros(98))
    found = posteriors({"few": few, "many": many})
    pooled = 1 / (100 + 1)  # 1 of 100 decisions, and the ridge of one
    prior = PRIOR_DECISIONS * (100 + 1) / (100 + 1)
    assert found["few"].mean[0] == pytest.approx((1 + prior * pooled) / (2 + prior))
    assert found["many"].mean[0] == pytest.approx(prior * pooled / (98 + prior))
    noise = (1 - 2 * pooled + pooled**2 * 100) / 99
    assert found["few"].covariance[0, 0] == pytest.approx(noise / (2 + prior))
    assert found["few"].reward(np.array([1.0])) == pytest.approx((found["few"].mean[0], noise / (2 + prior)))


def test_a_variant_without_decisions_is_expected_to_earn_what_all_earn() -> None:
    found = posteriors({"new": RewardStatistics.nothing(1), "old": RewardStatistics.of(ONE, np.full(4, 2.0))})
    assert found["new"].mean[0] == pytest.approx(8 / 5)
    assert found["new"].covariance[0, 0] > found["old"].covariance[0, 0]


def test_with_many_decisions_the_coefficients_are_found() -> None:
    random = np.random.default_rng(7)
    x = np.column_stack([np.ones(20_000), random.random((20_000, 2))])
    truth = {"a": np.array([0.1, 0.5, 0.0]), "b": np.array([0.3, -0.2, 0.4])}
    statistics = {name: RewardStatistics.of(x, x @ each + random.normal(size=len(x))) for name, each in truth.items()}
    for name, found in posteriors(statistics).items():
        deviation = np.sqrt(np.diag(found.covariance))
        assert (np.abs(found.mean - truth[name]) < 4 * deviation).all()


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=30), st.integers(1, 29))
def test_statistics_of_parts_add_up_to_those_of_the_whole(rewards: list[float], cut: int) -> None:
    x = np.column_stack([np.ones(len(rewards)), np.arange(len(rewards))])
    r = np.array(rewards)
    whole, parts = (
        RewardStatistics.of(x, r),
        RewardStatistics.of(x[:cut], r[:cut]) + RewardStatistics.of(x[cut:], r[cut:]),
    )
    np.testing.assert_allclose(parts.gram, whole.gram)
    np.testing.assert_allclose(parts.moment, whole.moment, atol=1e-9)
    assert (parts.squares, parts.weight, parts.decisions) == (pytest.approx(whole.squares), whole.weight, len(r))
    half = whole.scaled(0.5)
    assert (half.weight, half.decisions) == (len(r) / 2, len(r))


def test_of_two_the_probability_is_that_of_a_normal_difference() -> None:
    means, variances = np.array([0.3, 0.1]), np.array([0.04, 0.09])
    expected = norm.cdf(0.2 / np.sqrt(0.13))
    assert best_probabilities(means, variances)[0] == pytest.approx(expected, abs=1e-6)


def test_probabilities_are_those_of_draws() -> None:
    random = np.random.default_rng(3)
    means, variances = np.array([0.2, 0.25, 0.0, 0.1]), np.array([0.01, 0.002, 0.05, 0.03])
    best = (means + np.sqrt(variances) * random.normal(size=(200_000, 4))).argmax(axis=1)
    np.testing.assert_allclose(best_probabilities(means, variances), np.bincount(best) / 200_000, atol=0.006)


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(0, 4)), min_size=2, max_size=20),
    st.floats(0.01, 1),
)
def test_every_variant_keeps_a_chance_and_the_budget_holds(beliefs: list[tuple[float, float]], most: float) -> None:
    means, variances = np.array(beliefs).T
    chances = choice_probabilities(means, variances, most)
    best = int(np.argmax(means))
    assert chances.sum() == pytest.approx(1)
    assert 1 - chances[best] <= most + 1e-9
    assert chances.min() >= min(1.0, most) * LEAST / len(means) * 0.5


def test_before_anything_is_known_the_first_is_shown_within_the_budget() -> None:
    assert unknown_probabilities(4, 0.3) == pytest.approx([0.7, 0.1, 0.1, 0.1])
    assert unknown_probabilities(2, 1.0) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize(("point", "index"), [(0.0, 0), (0.49, 0), (0.5, 1), (0.99, 2), (1.0, 2)])
def test_a_point_falls_on_a_variant(point: float, index: int) -> None:
    assert drawn([0.5, 0.3, 0.2], point) == index


def test_features_are_within_one_and_in_the_order_of_their_names() -> None:
    saturday_evening = datetime(2026, 5, 2, 18, tzinfo=UTC)
    found = dict(zip(NAMES, features(20.0, 1_000, 3, 20, saturday_evening), strict=True))
    assert found == pytest.approx(
        {
            "one": 1,
            "familiar": 0.5,
            "bought": 1,
            "in_session": 0.3,
            "cart": 1,
            "weekend": 1,
            "hour_sine": -1,
            "hour_cosine": 0,
        },
        abs=1e-9,
    )
