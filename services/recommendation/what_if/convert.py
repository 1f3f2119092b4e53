"""Messages about the evaluation of configurations as plain values and back."""

from collections.abc import Sequence
from datetime import datetime

from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.experiment_pb2 import ConfigurationEstimate, EstimateBasis, OffPolicyEstimator, RewardEstimate
from quintet.type.v1.placement_pb2 import PreviewExample, PreviewItem
from quintet.type.v1.placement_pb2 import Reward as RewardMessage

from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.what_if.request import (
    BY_PLACE,
    OF_LISTS,
    ArmName,
    Estimator,
    Evaluation,
    EvaluationRequest,
    ListExample,
)
from shared import periods
from shared.currencies import DECIMALS
from shared.db.sessions import SILENCE
from shared.errors import InvalidArgument
from shared.events.check import check_choice, check_number
from shared.experiments.bandit_plan import Reward
from shared.experiments.convert import to_reward, to_variant
from shared.experiments.variant import Variant
from shared.limits import (
    DEFAULT_EVALUATED_DAYS,
    DEFAULT_EVALUATED_LISTS,
    DEFAULT_EVALUATION_SECONDS,
    MAX_EVALUATED_LISTS,
    MAX_EVALUATION_SECONDS,
)
from shared.merchandising.merchandising import Merchandising
from shared.merchandising.names import check_name
from shared.merchandising.placement import Placement
from shared.page_rules import Page
from shared.timestamps import to_timestamp

CLICKS = Reward(click=1.0, add_to_cart=0.0, purchase=0.0)
_ESTIMATORS: dict[OffPolicyEstimator.ValueType, Estimator] = {
    OffPolicyEstimator.Value(f"OFF_POLICY_ESTIMATOR_{each.name}"): each for each in (*OF_LISTS, *BY_PLACE)
}
_NUMBERS = {each: number for number, each in _ESTIMATORS.items()}


def to_evaluation_request(
    request: pb.EvaluateConfigurationRequest, merchandising: Merchandising, now: datetime
) -> EvaluationRequest:
    """Return what is asked. Raises InvalidArgument, and NotFound for an unknown placement."""
    check_name(request.placement_id, "placement_id")
    known = (OffPolicyEstimator.OFF_POLICY_ESTIMATOR_UNSPECIFIED, *_ESTIMATORS)
    check_choice(request.estimator, "estimator", known, "one of the estimators")
    check_number(request.max_lists, "max_lists", 0, MAX_EVALUATED_LISTS)
    check_number(request.max_seconds, "max_seconds", 0, MAX_EVALUATION_SECONDS)
    _check_currency(request.currency_code)
    start, end = periods.settled(*periods.asked(request), now, DEFAULT_EVALUATED_DAYS)
    reward = to_reward(request.reward, "reward") if request.HasField("reward") else None
    placement = merchandising.placement(request.placement_id, Page.HOME)
    return EvaluationRequest(
        placement,
        _configuration(request, placement),
        request.without_exploration,
        start,
        min(end, now - SILENCE),
        reward or (placement.bandit.reward if placement.bandit else CLICKS),
        request.currency_code,
        _ESTIMATORS.get(request.estimator),
        request.max_lists or DEFAULT_EVALUATED_LISTS,
        request.max_seconds or DEFAULT_EVALUATION_SECONDS,
    )


def to_estimate(evaluation: Evaluation, catalogue: Catalogue) -> pb.EvaluateConfigurationResponse:
    """Return what a configuration would have earned as a message."""
    request, compared = evaluation.request, evaluation.compared
    estimate, overlap = compared.estimate, compared.estimate.overlap
    logged = compared.logged
    message = ConfigurationEstimate(
        placement_id=request.placement.placement_id,
        start_time=to_timestamp(request.start),
        end_time=to_timestamp(request.end),
        basis=EstimateBasis.Value(f"ESTIMATE_BASIS_{evaluation.basis.name}"),
        estimator=_NUMBERS[evaluation.estimator],
        reward=RewardMessage(**vars(request.reward)),
        currency_code=evaluation.currency,
        logged=_reward(compared.logged_value, logged.low, logged.high, logged.standard_error),
        estimated=_reward(estimate.value, estimate.low, estimate.high, estimate.standard_error),
        difference=_reward(
            compared.difference.value,
            compared.difference.low,
            compared.difference.high,
            compared.difference.standard_error,
        ),
        lists=evaluation.lists,
        skipped_lists=evaluation.skipped,
        units=evaluation.units,
        effective_sample_size=overlap.effective_sample_size,
        effective_units=overlap.effective_units,
        rewarded_units=overlap.rewarded_units,
        support=overlap.support,
        largest_weight=overlap.largest_weight,
        changed_share=evaluation.changed_share,
        examples=[_example(each, request.placement, catalogue) for each in evaluation.examples],
        incomplete=evaluation.incomplete,
        summary=evaluation.summary,
    )
    return pb.EvaluateConfigurationResponse(estimate=message)


def _reward(value: float, low: float, high: float, standard_error: float) -> RewardEstimate:
    return RewardEstimate(value=value, low=low, high=high, standard_error=standard_error)


def _configuration(request: pb.EvaluateConfigurationRequest, placement: Placement) -> str | ArmName | Variant | None:
    """Return the configuration; None for the way in which each list was filled. Raises InvalidArgument."""
    kind = request.WhichOneof("configuration")
    if kind == "variant":
        return to_variant(request.variant, placement.page, "variant")
    if kind is None and not request.without_exploration:
        problem = "must be set, unless without_exploration is: one of variant_id, arm, variant"
        raise InvalidArgument.of("configuration", "", problem, ErrorReason.FIELD_REQUIRED)
    if kind is None:
        return None
    if request.without_exploration:
        problem = f"must not be set together with {kind}"
        raise InvalidArgument.of("without_exploration", True, problem, ErrorReason.FIELD_CONFLICT)
    if kind == "variant_id":
        check_name(request.variant_id, "variant_id")
        return request.variant_id
    check_name(request.arm.experiment_id, "arm.experiment_id")
    check_name(request.arm.arm_id, "arm.arm_id")
    return ArmName(request.arm.experiment_id, request.arm.arm_id)


def _check_currency(code: str) -> None:
    if code and code not in DECIMALS:
        problem = "must be a currency of ISO 4217, such as USD"
        raise InvalidArgument.of("currency_code", code, problem, ErrorReason.CURRENCY_UNKNOWN)


def _example(example: ListExample, placement: Placement, catalogue: Catalogue) -> PreviewExample:
    names = _names((*example.before, *example.after), catalogue)
    return PreviewExample(
        placement_id=placement.placement_id,
        show_time=to_timestamp(example.at),
        before=[names[key] for key in example.before if key in names],
        after=[
            PreviewItem(product_id=names[key], applied_rules=example.touched.get(key, ()))
            for key in example.after
            if key in names
        ],
    )


def _names(keys: Sequence[int], catalogue: Catalogue) -> dict[int, str]:
    """Return the platform's ids of products by key; those that are gone from the catalogue are missing."""
    rows = catalogue.rows_of(keys).tolist()
    return {key: catalogue.external_ids[row] for key, row in zip(keys, rows, strict=True) if row >= 0}
