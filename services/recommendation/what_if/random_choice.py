"""Lists that a random choice filled: a bandit's variant, or the arm of an experiment that the shopper met."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from services.recommendation.off_policy.overlap import InsufficientOverlap
from services.recommendation.what_if.answered import EarnedList
from services.recommendation.what_if.request import Estimator
from shared.bandit.context import NAMES
from shared.experiments.experiment import Experiment

if TYPE_CHECKING:  # loads scipy and scikit-learn, which the agent does not need to serve
    from services.recommendation.off_policy.evaluate import Compared


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
    """Return the lists of an experiment, without those of customers who met several of its arms."""
    total = sum(arm.share for arm in experiment.arms)
    shares = {arm.arm_id: arm.share / total for arm in experiment.arms}
    met: dict[int, set[str]] = {}
    found = []
    for each in lists:
        arm = each.answered.assignments.get(experiment.experiment_id)
        if arm in shares:
            met.setdefault(each.unit, set()).add(arm)
            found.append(Chosen(each, arm, shares))
    return [each for each in found if len(met[each.earned.unit]) == 1]


def compare_choice(choices: Sequence[Chosen], action: str, estimator: Estimator) -> "Compared":
    """Return what lists would have earned if `action` had been chosen for each of them.

    Raises InsufficientOverlap where the log cannot say it.
    """
    from services.recommendation.off_policy.evaluate import (
        ActionMethod,
        ActionPolicy,
        Compared,
        compare_actions,
        evaluate_actions,
    )
    from services.recommendation.off_policy.intervals import uncertainty
    from services.recommendation.off_policy.log import ActionLog
    from services.recommendation.off_policy.ratios import Ratios
    from services.recommendation.off_policy.reward_models import predict_by_context, predict_rewards

    if not choices:
        raise InsufficientOverlap("propensities", "no list was filled by a choice with a known probability")
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
    always = np.zeros(logging.shape)
    always[:, place_of[action]] = 1.0
    predictions = None
    if estimator is Estimator.DOUBLY_ROBUST:
        features = np.array([each.features for each in choices])
        nowhere = np.zeros(len(choices), np.int64)
        known = features.shape[1] > 0
        predictions = (
            predict_rewards(log, features, len(names)) if known else predict_by_context(log, nowhere, len(names))
        )
    policy, method = ActionPolicy(always, predictions), ActionMethod(estimator)
    estimate, difference = (call(log, policy, method=method) for call in (evaluate_actions, compare_actions))
    earned = Ratios.mean(log.rewards)
    return Compared(earned.value, uncertainty(earned, log.units), estimate, difference)
