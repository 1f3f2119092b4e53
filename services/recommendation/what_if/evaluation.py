"""Evaluates configurations of placements, one at a time, beside the answers."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.experiment_pb2 import Experiment as ExperimentMessage

from services.recommendation.bounded_work import BoundedWork
from services.recommendation.off_policy.evaluate import ActionMethod, SlateMethod
from services.recommendation.off_policy.overlap import InsufficientOverlap
from services.recommendation.off_policy.replay import compare_replayed
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.user_history import UserHistories
from services.recommendation.what_if.answered import AnsweredLists
from services.recommendation.what_if.random_choice import Chosen, bandit_choices, compare_choice, experiment_choices
from services.recommendation.what_if.ranking_again import REPLAYABLE, RankedAgain, RankingAgain
from services.recommendation.what_if.request import (
    BY_PLACE,
    OF_LISTS,
    ArmName,
    Basis,
    Evaluation,
    EvaluationRequest,
)
from shared.consent import Permissions
from shared.db.engine import Database
from shared.db.orders import usual_currency
from shared.db.placements import EXPERIMENTS
from shared.errors import Conflict, FailedPrecondition, InvalidArgument, NotFound
from shared.experiments.convert import to_experiment
from shared.experiments.experiment import Design, Experiment
from shared.experiments.variant import Variant
from shared.merchandising.placement import Placement

M = TypeVar("M", ActionMethod, SlateMethod)
LEAST_REPLAYED = 0.5
"""Share of the lists that must come out as they were logged, so that they speak for the others."""
MOST_EXAMPLES = 10
MOST_SHOPPERS, MOST_EVENTS = 100, 100_000
"""Histories in memory: the answers keep theirs."""


class ConfigurationEvaluations:
    """Evaluates configurations, one at a time, in the thread that calls.

    Parameters
    ----------
    database : Database
    default : Permissions
        What is permitted where a shopper has said nothing.
    """

    def __init__(self, database: Database, default: Permissions) -> None:
        self._database = database
        self._default = default
        self._one = threading.Lock()

    def make(
        self, request: EvaluationRequest, serving: ServingState, state_of: Callable[[str], ServingState | None]
    ) -> Evaluation:
        """Return what a configuration would have earned; `state_of` gives the state of a version of the model.

        Raises
        ------
        InsufficientOverlap
            If the log cannot say it.
        FailedPrecondition
            If there is no list in the period.
        NotFound
            For an unknown variant, experiment, arm or version of the model.
        InvalidArgument
            For an estimator of the other kind, or a reward that items do not have.
        Conflict
            While another configuration is evaluated.
        """
        if not self._one.acquire(blocking=False):
            raise Conflict("another configuration is being evaluated")
        try:
            return _Evaluating(self._database, self._default, request, serving, state_of).make()
        finally:
            self._one.release()


class _Evaluating:
    """One evaluation."""

    def __init__(
        self,
        database: Database,
        default: Permissions,
        request: EvaluationRequest,
        serving: ServingState,
        state_of: Callable[[str], ServingState | None],
    ) -> None:
        self._database = database
        self._default = default
        self._request = request
        self._serving = serving
        self._state_of = state_of
        self._work = BoundedWork(request.seconds)
        with database.read() as connection:
            self._currency = request.currency or usual_currency(connection)
        self._lists = AnsweredLists(database, request, self._currency)

    def make(self) -> Evaluation:
        configuration = self._request.configuration
        if isinstance(configuration, ArmName):
            return self._of_arm(configuration)
        if isinstance(configuration, str):
            return self._of_variant(configuration)
        if configuration is None or self._request.without_exploration:
            return self._replayed(configuration)
        same = same_variant(self._request.placement, configuration)
        return self._replayed(configuration) if same is None else self._of_variant(same)

    def _of_variant(self, variant_id: str) -> Evaluation:
        estimator = self._estimator(OF_LISTS)
        lists = list(self._lists.read(self._work, by_product=False))
        self._require_lists(len(lists))
        plan = self._request.placement.bandit
        choices = bandit_choices(lists)
        known = {name for each in choices for name in each.probabilities}
        if variant_id not in known | {each.variant_id for each in (plan.variants if plan else ())}:
            raise NotFound.of("variant", variant_id, "variant_id")
        return self._of_choice(Basis.BANDIT, choices, variant_id, estimator, len(lists))

    def _of_arm(self, name: ArmName) -> Evaluation:
        estimator, experiment = self._estimator(OF_LISTS), self._experiment(name)
        lists = list(self._lists.read(self._work, by_product=False))
        self._require_lists(len(lists))
        choices = experiment_choices(lists, experiment)
        return self._of_choice(Basis.EXPERIMENT, choices, name.arm_id, estimator, len(lists))

    def _of_choice(
        self, basis: Basis, choices: list[Chosen], action: str, estimator: ActionMethod, looked_at: int
    ) -> Evaluation:
        try:
            compared = compare_choice(choices, action, estimator)
        except InsufficientOverlap as refusal:
            refusal.metadata["lists"] = str(len(choices))
            raise
        return Evaluation(
            self._request,
            basis,
            estimator,
            self._currency,
            compared,
            len(choices),
            looked_at - len(choices),
            len({each.earned.unit for each in choices}),
            sum(each.action != action for each in choices) / len(choices),
            incomplete=self._work.incomplete,
        )

    def _replayed(self, variant: Variant | None) -> Evaluation:
        estimator = self._estimator(BY_PLACE)
        self._require_replayable(variant)
        looked_at, ranked = self._rank_again(variant)
        self._require_lists(looked_at)
        changed = [each for each in ranked if each.replayed.is_changed]
        share = len(changed) / max(len(ranked), 1)
        try:
            _require_replayed(len(ranked), looked_at)
            compared = compare_replayed([each.replayed for each in ranked], estimator)
        except InsufficientOverlap as refusal:
            raise _with_changes(refusal, len(ranked), share) from refusal
        return Evaluation(
            self._request,
            Basis.REPLAY,
            estimator,
            self._currency,
            compared,
            len(ranked),
            looked_at - len(ranked),
            len({each.replayed.unit for each in ranked}),
            share,
            [each.example for each in changed[:MOST_EXAMPLES]],
            self._work.incomplete,
        )

    def _rank_again(self, variant: Variant | None) -> tuple[int, list[RankedAgain]]:
        """Return how many lists were looked at, and those that came out as they were logged."""
        request = self._request
        histories = UserHistories(self._database, MOST_SHOPPERS, MOST_EVENTS, self._default)
        again = RankingAgain(
            self._state_of, self._serving, histories, request.placement, variant, request.without_exploration
        )
        looked_at, found = 0, []
        for each in self._lists.read(self._work, by_product=True):
            looked_at += 1
            ranked = again.ranked(each)
            if ranked is not None:
                found.append(ranked)
        return looked_at, found

    def _experiment(self, name: ArmName) -> Experiment:
        with self._database.read() as connection:
            stored = EXPERIMENTS.get(connection, name.experiment_id)
        if stored is None:
            raise NotFound.of("experiment", name.experiment_id, "arm.experiment_id")
        experiment = to_experiment(ExperimentMessage.FromString(stored.definition))
        if name.arm_id not in [arm.arm_id for arm in experiment.arms]:
            raise NotFound.of("arm", name.arm_id, "arm.arm_id")
        if experiment.design is not Design.SPLIT:
            problem = "must not draw its lists from both arms: no list is one arm's alone"
            raise InvalidArgument.of("arm.experiment_id", name.experiment_id, problem, ErrorReason.FIELD_CONFLICT)
        return experiment

    def _estimator(self, known: tuple[M, ...]) -> M:
        """Return the estimator that is asked for, by default the first of the known ones. Raises InvalidArgument."""
        asked = self._request.estimator
        if asked is None:
            return known[0]
        for each in known:
            if each is asked:
                return each
        problem = f"must be one of {', '.join(each.name for each in known)} for this configuration"
        raise InvalidArgument.of("estimator", asked.name, problem, ErrorReason.FIELD_CONFLICT)

    def _require_lists(self, looked_at: int) -> None:
        request = self._request
        if not looked_at:
            raise FailedPrecondition(
                f"no list of placement {request.placement.placement_id} was answered from"
                f" {request.start:%Y-%m-%d %H:%M} to {request.end:%Y-%m-%d %H:%M}: ask for a longer period",
                reason=ErrorReason.DATA_MISSING,
            )

    def _require_replayable(self, variant: Variant | None) -> None:
        request = self._request
        if request.reward.return_visit:
            problem = "must be 0 where lists are replayed: no item of a list earns it"
            value = request.reward.return_visit
            raise InvalidArgument.of("reward.return_visit", value, problem, ErrorReason.FIELD_CONFLICT)
        if variant and variant.model_version and self._state_of(variant.model_version) is None:
            raise NotFound.of("recommender model version", variant.model_version, "variant.model_version")
        if request.placement.page not in REPLAYABLE:
            raise InsufficientOverlap(
                "replay",
                f"lists of {request.placement.page.value} pages cannot be ranked again, as the log does not keep what"
                " they were about: run an experiment, or let a bandit choose",
            )


def same_variant(placement: Placement, variant: Variant) -> str | None:
    """Return the id of the variant of a placement's bandit that fills it as `variant` does; None for none."""
    plan = placement.bandit
    for each in plan.variants if plan else ():
        if replace(variant, variant_id=each.variant_id) == each:
            return each.variant_id
    return None


def _with_changes(refusal: InsufficientOverlap, lists: int, share: float) -> InsufficientOverlap:
    """Return a refusal that also says how many of the lists that were ranked again would have been different."""
    said = refusal.message.removeprefix("overlap: ")
    told = InsufficientOverlap(refusal.cause, f"{said} ({share:.0%} of {lists} lists would have been different)")
    told.metadata |= {"lists": str(lists), "changed_share": f"{share:.4f}"}
    return told


def _require_replayed(replayed: int, looked_at: int) -> None:
    if replayed < LEAST_REPLAYED * looked_at:
        raise InsufficientOverlap(
            "replay",
            f"{replayed} of {looked_at} lists come out as they were logged, {LEAST_REPLAYED:.0%} are needed: ask for"
            " the time since the model was trained and placement, rules and weights changed, or run an experiment",
        )
