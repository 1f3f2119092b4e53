"""What lists would have earned with another ranking, from lists that explored and were ranked again.

The evaluated policy shows the new ranking of each list, and explores around it. Where that is what was logged, the log
says what it earns. Where it is not, only lists that happened to explore the new product at its place do.
"""

from collections.abc import Sequence

import numpy as np

from services.recommendation.algorithms.arrays import Longs
from services.recommendation.off_policy.evaluate import (
    NEEDED,
    Compared,
    SlateMethod,
    SlatePolicy,
    compare_slates,
    evaluate_slates,
    slate_weights,
)
from services.recommendation.off_policy.exploring import (
    ReplayedList,
    conditional_propensities,
    supported_places,
    supported_share,
)
from services.recommendation.off_policy.intervals import uncertainty
from services.recommendation.off_policy.log import SlateLog
from services.recommendation.off_policy.overlap import Requirements
from services.recommendation.off_policy.ratios import Floats, Ratios
from services.recommendation.off_policy.reward_models import predict_below
from services.recommendation.off_policy.slates import cascade_weights


def compare_replayed(
    lists: Sequence[ReplayedList], method: SlateMethod, needed: Requirements = NEEDED, seed: int = 0
) -> Compared:
    """Return what lists would have earned with the evaluation policy.

    Raises InsufficientOverlap where the log cannot say it, ValueError for no lists.
    """
    log, policy = slate_problem(lists, method, seed)
    estimate = evaluate_slates(log, policy, method=method, needed=needed, seed=seed)
    difference = compare_slates(log, policy, method=method, needed=needed, seed=seed)
    earned = Ratios.mean(log.rewards.sum(axis=1))
    return Compared(earned.value, uncertainty(earned, log.units, seed=seed), estimate, difference)


def slate_problem(lists: Sequence[ReplayedList], method: SlateMethod, seed: int = 0) -> tuple[SlateLog, SlatePolicy]:
    """Return lists as `evaluate_slates` takes them, for a method by place."""
    marginal = method == SlateMethod.INDEPENDENT
    propensities = [_propensities(each, marginal=marginal) for each in lists]
    filled = _padded([np.ones(len(each.shown)) for each in lists]) > 0.0
    log = SlateLog(
        np.where(filled, _padded(propensities), 1.0),
        _padded([each.rewards for each in lists]),
        np.array([each.unit for each in lists], np.int64),
        filled,
    )
    pairs = zip(lists, propensities, strict=True)
    probabilities = np.where(filled, _padded([_probabilities(*pair, marginal=marginal) for pair in pairs]), 1.0)
    policy = SlatePolicy(probabilities, support=_support(lists, marginal=marginal))
    return log, _with_predictions(log, policy, lists, seed) if method == SlateMethod.CASCADE_DOUBLY_ROBUST else policy


def _with_predictions(log: SlateLog, policy: SlatePolicy, lists: Sequence[ReplayedList], seed: int) -> SlatePolicy:
    """Return the policy with predictions by place and kind of item: what the logged ranking has there, or another."""
    kinds = _padded([each.shown != each.logging.items for each in lists]).astype(np.int64)
    as_ranked = _padded([each.evaluation.given_above(each.shown, each.logging.items) for each in lists])
    shares = np.stack([as_ranked, 1.0 - as_ranked], axis=2)
    weights = cascade_weights(slate_weights(log, policy))
    expected, predicted = predict_below(log, kinds, shares, weights, seed=seed)
    same = np.array([each.is_same for each in lists])[:, None]  # what is the same earns what it earned, exactly
    return SlatePolicy(policy.probabilities, np.where(same, predicted, expected), predicted, policy.support)


def _propensities(each: ReplayedList, *, marginal: bool) -> Floats:
    return each.propensities if marginal else conditional_propensities(each.propensities, each.explored)


def _probabilities(each: ReplayedList, propensities: Floats, *, marginal: bool) -> Floats:
    """Return the evaluation policy's probability of what was shown; exactly the propensities where both are the same.

    Products and scores may have changed a little since, and with them the pool of what is explored.
    """
    if each.is_same:
        return propensities
    shown = each.shown
    return each.evaluation.marginal(shown) if marginal else each.evaluation.given_above(shown, shown)


def _support(lists: Sequence[ReplayedList], *, marginal: bool) -> float:
    """Return the supported share: of whole lists, or of items at the place where it is smallest."""
    if not marginal:
        return float(np.mean([supported_share(each.logging, each.evaluation) for each in lists]))
    counts = _padded([np.ones(len(each.shown)) for each in lists]).sum(axis=0)
    shares = _padded([supported_places(each.logging, each.evaluation) for each in lists]).sum(axis=0)
    return float((shares / counts).min())


def _padded(rows: Sequence[Floats] | Sequence[Longs]) -> Floats:
    """Return rows of any length as one array of shape (n, k), 0 behind their ends."""
    padded = np.zeros((len(rows), max(len(row) for row in rows)))
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return padded
