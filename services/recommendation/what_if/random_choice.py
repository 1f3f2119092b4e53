"""Lists that a random choice filled: a bandit's variant, or the arm of an experiment that the shopper met."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.recommendation.off_policy.evaluate import (
    ActionMethod,
    ActionPolicy,
    Compared,
    compare_actions,
    evaluate_actions,
)
from services.recommendation.off_policy.intervals import uncertainty
from services.recommendation.off_policy.log import ActionLog
from services.recommendation.off_policy.overlap import InsufficientOverlap
from services.recommendation.off_policy.ratios import Floats, Ratios
from services.recommendation.off_policy.reward_models import predict_by_context, predict_rewards
from services.recommendation.what_if.answered import EarnedList
from shared.bandit.context import NAMES
from shared.experiments.experiment import Experiment


@dataclass(frozen=True)
class Chosen:
    """A list, what was chosen for it, the probability of each choice, and the features of shopper, page and time."""

    earned: EarnedList
    action: str
    probabilities: Mapping[str, float]
    features: tuple[float, ...] = ()


def bandit_choices(lists: Iterable[EarnedList]) -> list[Chosen]:
    """Return the lists that a bandit filled."""
    decisions = ((each, each.answered.decision) for each in lists)
    return [
        Chosen(each, decision.variant_id, decision.probabilities or {}, decision.features)
        for each, decision in decisions
        if decision.variant_id and len(decision.features) == len(NAMES)
    ]


def experiment_choices(lists: Iterable[EarnedList], experiment: Experiment) -> list[Chosen]:
    """Return the lists of an experiment.

    A customer who met several arms, as at login, was assigned to each by its share, whatever they met before. So their
    lists count like all others.
    """
    total = sum(arm.share for arm in experiment.arms)
    shares = {arm.arm_id: arm.share / total for arm in experiment.arms}
    arms = ((each, each.answered.assignments.get(experiment.experiment_id)) for each in lists)
    return [Chosen(each, arm, shares) for each, arm in arms if arm in shares]


def compare_choice(choices: Sequence[Chosen], action: str, method: ActionMethod) -> Compared:
    """Return what lists would have earned if `action` had been chosen for each of them.

    Raises InsufficientOverlap where the log cannot say it.
    """
    if not choices:
        raise InsufficientOverlap("propensities", "no list was filled by a choice with a known probability")
    log, names = _log(choices, action)
    always = np.tile([float(name == action) for name in names], (len(choices), 1))
    predictions = _predictions(log, choices, len(names)) if method is ActionMethod.DOUBLY_ROBUST else None
    policy, earned = ActionPolicy(always, predictions), Ratios.mean(log.rewards)
    estimate, difference = (call(log, policy, method=method) for call in (evaluate_actions, compare_actions))
    return Compared(earned.value, uncertainty(earned, log.units), estimate, difference)


def _log(choices: Sequence[Chosen], action: str) -> tuple[ActionLog, list[str]]:
    """Return choices as a log, and the names of its actions, `action` among them."""
    names = sorted({action, *(name for each in choices for name in (each.action, *each.probabilities))})
    place_of = {name: place for place, name in enumerate(names)}
    logging = np.array([[each.probabilities.get(name, 0.0) for name in names] for each in choices])
    actions = np.array([place_of[each.action] for each in choices], np.int64)
    log = ActionLog(
        actions,
        logging[np.arange(len(choices)), actions],
        np.array([each.earned.reward for each in choices], np.float64),
        np.array([each.earned.unit for each in choices], np.int64),
        logging,
    )
    return log, names


def _predictions(log: ActionLog, choices: Sequence[Chosen], n_actions: int) -> Floats:
    """Return the predicted reward of each action, by the features where there are any, shape (n, n_actions)."""
    if not choices[0].features:
        return predict_by_context(log, np.zeros(len(choices), np.int64), n_actions)
    return predict_rewards(log, np.array([each.features for each in choices]), n_actions)
