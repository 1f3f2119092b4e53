import numpy as np
import pytest
from sklearn import linear_model

from services.recommendation.off_policy.log import ActionLog, SlateLog
from services.recommendation.off_policy.reward_models import (
    RIDGE,
    Logistic,
    Ridge,
    folds_of,
    predict_below,
    predict_by_context,
    predict_rewards,
)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def log_of(rng, rewards, n_actions=2):
    n = len(rewards)
    return ActionLog(rng.integers(0, n_actions, n), np.full(n, 0.5), rewards, np.arange(n) // 3)


def with_rewards(log, rewards):
    return ActionLog(log.actions, log.propensities, rewards, log.units)


def test_a_unit_is_in_one_fold():
    fold = folds_of(np.array([5, 5, 8, 9, 5, 8]), folds=2)

    assert fold[0] == fold[1] == fold[4]
    assert fold[2] == fold[5]
    assert set(fold) == {0, 1}


@pytest.mark.parametrize("kind", ["features", "context"])
def test_a_unit_is_never_scored_by_what_it_earned(rng, kind):
    """Its own rewards change, its predictions do not; those of others do."""
    log = log_of(rng, rng.random(300))
    features, contexts = rng.normal(size=(300, 2)), rng.integers(0, 3, 300)

    def predict(of):
        return predict_rewards(of, features, 2) if kind == "features" else predict_by_context(of, contexts, 2)

    own = log.units == 17
    before, after = predict(log), predict(with_rewards(log, np.where(own, 1000.0, log.rewards)))

    assert (before[own] == after[own]).all()
    assert (before != after).any()


def test_a_list_is_never_scored_by_what_its_unit_earned(rng):
    n, k = 120, 3
    buckets, shares = rng.integers(0, 2, (n, k)), np.full((n, k, 2), 0.5)
    rewards, units = rng.random((n, k)), np.arange(n) // 2
    own = units == 11

    def predict(earned):
        log = SlateLog.full(np.full((n, k), 0.5), earned, units)
        return np.stack(predict_below(log, buckets, shares, np.ones((n, k))))

    before, after = predict(rewards), predict(np.where(own[:, None], 1000.0, rewards))

    assert (before[:, own] == after[:, own]).all()
    assert (before != after).any()


def test_linear_rewards_are_found(rng):
    features = rng.normal(size=(2000, 2))
    log = log_of(rng, np.zeros(2000))
    slopes = np.array([[1.0, 2.0], [-3.0, 0.5]])
    means = features @ slopes.T + 4.0

    found = predict_rewards(with_rewards(log, means[np.arange(2000), log.actions]), features, 2)

    assert np.allclose(found, means, atol=0.2)


def test_an_action_that_was_never_tried_is_predicted_by_the_mean(rng):
    log = log_of(rng, np.full(60, 2.5))

    assert predict_rewards(log, rng.normal(size=(60, 2)), 3)[:, 2] == pytest.approx(np.full(60, 2.5))


def test_one_fold_without_others_predicts_nothing(rng):
    log = ActionLog(np.array([0, 1]), np.full(2, 0.5), np.ones(2), np.array([4, 4]))

    assert (predict_rewards(log, np.zeros((2, 1)), 2) == 0.0).all()


def test_chances_of_ones_and_zeros_are_probabilities(rng):
    features = rng.normal(size=(3000, 1))
    chance = 1.0 / (1.0 + np.exp(-2.0 * features[:, 0]))
    log = ActionLog(np.zeros(3000, int), np.ones(3000), (rng.random(3000) < chance).astype(float), np.arange(3000))

    found = predict_rewards(log, features, 1, make=Logistic)[:, 0]

    assert np.allclose(found, chance, atol=0.08)
    assert 0.0 <= found.min() <= found.max() <= 1.0


def test_chances_where_only_one_reward_was_seen():
    model = Logistic()
    model.fit(np.zeros((3, 1)), np.ones(3))

    assert model.predict(np.zeros((2, 1))).tolist() == [1.0, 1.0]


def test_means_by_context_are_shrunk_to_those_of_the_action():
    """Context 1 has 10 decisions a fold, which earn 7; the 40 of the other folds weigh as much as 20 of the mean."""
    units = np.arange(500)
    fold = folds_of(units)
    contexts = np.zeros(500, int)
    for number in range(5):
        contexts[np.flatnonzero(fold == number)[:10]] = 1
    log = ActionLog(np.zeros(500, int), np.ones(500), np.where(contexts, 7.0, 1.0), units)
    overall = (40 * 7.0 + 360 * 1.0) / 400

    found = predict_by_context(log, contexts, 1)[:, 0]

    assert np.allclose(found[contexts == 1], (40 * 7.0 + 20 * overall) / 60)
    assert np.allclose(found[contexts == 0], (360 * 1.0 + 20 * overall) / 380)


def test_what_is_expected_below_adds_up_from_the_last_place(rng):
    """Kind 1 earns 2 at place 0 and 6 at place 1, kind 0 nothing; the policy shows kind 1 in one case of four."""
    n = 6000
    buckets = rng.integers(0, 2, (n, 2))
    log = SlateLog.full(np.full((n, 2), 0.5), buckets * np.array([2.0, 6.0]), np.arange(n))
    shares = np.tile([0.75, 0.25], (n, 2, 1))

    expected, predicted = predict_below(log, buckets, shares, np.ones((n, 2)))

    assert np.allclose(expected, [0.5 + 1.5, 1.5], atol=0.05)
    assert np.allclose(predicted, np.column_stack([2.0 * buckets[:, 0] + 1.5, 6.0 * buckets[:, 1]]), atol=0.05)


def test_places_that_are_not_there_count_nothing(rng):
    n = 50
    filled = np.tile([True, False], (n, 1))
    log = SlateLog(np.full((n, 2), 0.5), np.tile([3.0, 0.0], (n, 1)), np.arange(n), filled)

    expected, predicted = predict_below(log, np.zeros((n, 2), int), np.ones((n, 2, 1)), np.ones((n, 2)))

    assert expected == pytest.approx(np.tile([3.0, 0.0], (n, 1)))
    assert predicted == pytest.approx(np.tile([3.0, 0.0], (n, 1)))


def test_the_default_model_is_linear():
    model = Ridge()
    model.fit(np.arange(10.0)[:, None] * 100.0, np.arange(10.0))

    assert model.predict(np.array([[2000.0]]))[0] == pytest.approx(20.0, rel=0.01)


def test_ridge_is_that_of_scikit_learn(rng):
    features, rewards = rng.normal(3.0, 2.0, size=(200, 4)), rng.random(200)
    features[:, 0] = 1.0
    own, its = Ridge(), linear_model.Ridge(RIDGE)
    for model in (own, its):
        model.fit(features, rewards)

    np.testing.assert_allclose(own.predict(features), its.predict(features))
