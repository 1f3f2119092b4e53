import numpy as np
import pytest

from services.recommendation.off_policy.evaluate import (
    ActionMethod,
    ActionPolicy,
    SlateMethod,
    SlatePolicy,
    compare_actions,
    evaluate_actions,
    evaluate_slates,
)
from services.recommendation.off_policy.log import ActionLog, SlateLog
from services.recommendation.off_policy.overlap import InsufficientOverlap, Requirements
from services.recommendation.off_policy.reward_models import predict_below
from services.recommendation.off_policy.slates import cascade_weights

N = 4000
MEANS = np.array([1.0, 2.0, 4.0])
LOGGING = np.array([0.6, 0.3, 0.1])
EVALUATION = np.array([0.2, 0.2, 0.6])
TRUTH = float(EVALUATION @ MEANS)


@pytest.fixture
def log():
    rng = np.random.default_rng(1)
    actions = rng.choice(3, N, p=LOGGING)
    return ActionLog(actions, LOGGING[actions], MEANS[actions] + rng.normal(size=N), np.arange(N) // 2)


@pytest.fixture
def policy():
    return ActionPolicy(np.tile(EVALUATION, (N, 1)), np.tile(MEANS, (N, 1)))


@pytest.mark.parametrize("method", list(ActionMethod))
def test_every_method_finds_what_the_policy_earns(log, policy, method):
    found = evaluate_actions(log, policy, method=method)

    assert found.value == pytest.approx(TRUTH, abs=0.2)
    assert found.low <= found.value <= found.high
    assert found.clipping_bias == 0.0
    assert found.overlap.support == 1.0
    assert found.overlap.largest_weight == pytest.approx(6.0)


def test_a_good_model_narrows_the_interval(log, policy):
    with_model, without = (
        evaluate_actions(log, policy, method=method)
        for method in (ActionMethod.DOUBLY_ROBUST, ActionMethod.INVERSE_PROPENSITY)
    )

    assert with_model.standard_error < 0.6 * without.standard_error


def test_clipping_states_its_bias(log, policy):
    whole = evaluate_actions(log, policy, method=ActionMethod.INVERSE_PROPENSITY)
    clipped = evaluate_actions(log, policy, method=ActionMethod.INVERSE_PROPENSITY, clip=2.0)

    assert clipped.clipping_bias == pytest.approx(clipped.value - whole.value)
    assert clipped.clipping_bias < -1.0
    assert clipped.standard_error < whole.standard_error
    assert clipped.overlap == whole.overlap


def test_a_comparison_is_narrower_than_two_intervals(log):
    """The policy is the logging policy but for one decision in twenty."""
    near = 0.95 * LOGGING + 0.05 * EVALUATION
    policy = ActionPolicy(np.tile(near, (N, 1)))

    more = compare_actions(log, policy, method=ActionMethod.SELF_NORMALISED)
    alone = evaluate_actions(log, policy, method=ActionMethod.SELF_NORMALISED)

    assert more.value == pytest.approx(alone.value - log.rewards.mean())
    assert more.value == pytest.approx(0.05 * (TRUTH - LOGGING @ MEANS), abs=0.02)
    assert more.standard_error < 0.5 * alone.standard_error


def test_a_policy_that_does_what_was_never_tried_is_refused(log):
    policy = ActionPolicy(np.tile([0.3, 0.3, 0.3, 0.1], (N, 1)))

    with pytest.raises(InsufficientOverlap) as caught:
        evaluate_actions(log, policy, method=ActionMethod.SELF_NORMALISED)

    assert caught.value.cause == "support"


@pytest.mark.parametrize("call", [evaluate_actions, compare_actions])
def test_missing_propensities_are_refused(log, policy, call):
    unknown = ActionLog(log.actions, np.full(N, np.nan), log.rewards, log.units)

    with pytest.raises(InsufficientOverlap) as caught:
        call(unknown, policy)

    assert caught.value.cause == "propensities"


@pytest.mark.parametrize("call", [evaluate_actions, compare_actions])
def test_too_few_units_are_refused(log, policy, call):
    with pytest.raises(InsufficientOverlap) as caught:
        call(log, policy, needed=Requirements(effective_units=N))

    assert caught.value.cause == "effective_sample_size"


def test_a_model_is_needed_by_methods_with_one(log, policy):
    with pytest.raises(ValueError, match="predictions: must be given for dr"):
        evaluate_actions(log, ActionPolicy(policy.probabilities))


@pytest.mark.parametrize("rows", [[[0.5, 0.4]], [[1.5, -0.5]], [[np.nan, 1.0]]])
def test_probabilities_must_be_some(rows):
    with pytest.raises(ValueError, match="probabilities: rows must be at least 0 and sum to 1"):
        ActionPolicy(np.array(rows))


def test_shapes_must_fit(log, policy):
    with pytest.raises(ValueError, match=r"predictions: must have shape \(1, 2\)"):
        ActionPolicy(np.array([[0.5, 0.5]]), np.zeros((1, 3)))
    with pytest.raises(ValueError, match=rf"probabilities: must have at least shape \({N}, 3\), got \({N}, 2\)"):
        evaluate_actions(log, ActionPolicy(np.full((N, 2), 0.5)))


K = 3
CHANCES = np.array([0.7, 0.3])
ASKED = np.array([0.4, 0.6])
EARNED = np.array([1.0, 2.0])


@pytest.fixture
def lists():
    """Three places show kind 0 or 1, which earn 1 and 2 on average; a third of the lists has two places only."""
    rng = np.random.default_rng(2)
    kinds = (rng.random((N, K)) < CHANCES[1]).astype(int)
    filled = np.ones((N, K), bool)
    filled[::3, -1] = False
    rewards = np.where(filled, EARNED[kinds] + rng.normal(size=(N, K)), 0.0)
    log = SlateLog(np.where(filled, CHANCES[kinds], np.nan), rewards, np.arange(N), filled)
    asked = ASKED[kinds]
    shares = np.tile(ASKED, (N, K, 1))
    weights = np.where(filled, asked / CHANCES[kinds], 1.0)
    return log, SlatePolicy(asked, *predict_below(log, kinds, shares, cascade_weights(weights)))


@pytest.mark.parametrize("method", list(SlateMethod))
def test_every_method_finds_what_lists_earn(lists, method):
    found = evaluate_slates(*lists, method=method)

    assert found.value == pytest.approx((K - 1 / 3) * ASKED @ EARNED, abs=0.3)
    assert found.low <= (K - 1 / 3) * ASKED @ EARNED <= found.high
    assert found.overlap.support == 1.0


def test_the_overlap_is_that_of_the_weights_in_use(lists):
    sizes = {method: evaluate_slates(*lists, method=method).overlap.effective_sample_size for method in SlateMethod}

    assert sizes[SlateMethod.INDEPENDENT] > sizes[SlateMethod.REWARD_INTERACTION]
    assert sizes[SlateMethod.REWARD_INTERACTION] == pytest.approx(sizes[SlateMethod.WHOLE_SLATE])


def test_lists_without_support_are_refused(lists):
    log, policy = lists

    with pytest.raises(InsufficientOverlap) as caught:
        evaluate_slates(log, SlatePolicy(policy.probabilities, support=0.5), method=SlateMethod.INDEPENDENT)

    assert caught.value.cause == "support"


def test_lists_without_propensities_are_refused(lists):
    log, policy = lists
    unknown = SlateLog(np.full((N, K), np.nan), log.rewards, log.units, log.filled)

    with pytest.raises(InsufficientOverlap) as caught:
        evaluate_slates(unknown, policy)

    assert caught.value.cause == "propensities"


def test_lists_need_a_model_for_the_cascade_and_probabilities_of_their_shape(lists):
    log, policy = lists

    with pytest.raises(ValueError, match="expected, predicted: must be given for cascade_doubly_robust"):
        evaluate_slates(log, SlatePolicy(policy.probabilities))
    with pytest.raises(ValueError, match="probabilities: must have shape"):
        evaluate_slates(log, SlatePolicy(policy.probabilities[:, :2]))
