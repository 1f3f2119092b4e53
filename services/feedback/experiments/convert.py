"""Messages about what came of experiments as plain values and back."""

from collections.abc import Mapping
from math import isfinite

from quintet.feedback.v1 import feedback_service_pb2 as pb
from quintet.type.v1.experiment_pb2 import ArmComparison, ArmMetric, ArmResult, ExperimentMetric, ExperimentResults
from quintet.type.v1.experiment_pb2 import Verdict as VerdictMessage

from services.feedback.experiments.comparison import Comparison, Plan, Verdict
from services.feedback.experiments.results import METRICS, NUMBERS, ArmFigures, Results, SampleSize
from shared import limits
from shared.events.check import check_choice, check_number
from shared.experiments.experiment import DEFAULT_ALPHA, DEFAULT_EFFECT, DEFAULT_POWER

DEFAULT_ARMS, DEFAULT_SAMPLE_DAYS = 2, 28
_VERDICTS: Mapping[Verdict, VerdictMessage.ValueType] = {
    each: VerdictMessage.Value(f"VERDICT_{each.upper()}") for each in Verdict
}


def to_sample_plan(request: pb.EstimateSampleSizeRequest) -> tuple[Plan, float, int]:
    """Return what is asked of an experiment, its traffic, and the days to learn from. Raises InvalidArgument."""
    check_choice(request.metric, "metric", ExperimentMetric.values(), "one of the metrics")
    check_number(request.minimum_effect, "minimum_effect", 0, limits.MAX_EFFECT)
    check_number(request.arms, "arms", 0, limits.MAX_ARMS)
    check_number(request.alpha, "alpha", 0, limits.MAX_ALPHA)
    check_number(request.power, "power", 0, limits.MAX_POWER)
    check_number(request.traffic, "traffic", 0, 1)
    check_number(request.days, "days", 0, limits.MAX_SAMPLE_DAYS)
    plan = Plan(
        METRICS[request.metric],
        request.minimum_effect or DEFAULT_EFFECT,
        request.alpha or DEFAULT_ALPHA,
        request.power or DEFAULT_POWER,
        (1.0,) * max(request.arms, DEFAULT_ARMS),
    )
    return plan, request.traffic or 1.0, request.days or DEFAULT_SAMPLE_DAYS


def from_sample_size(size: SampleSize) -> pb.EstimateSampleSizeResponse:
    """Return how large an experiment must be as a message."""
    return pb.EstimateSampleSizeResponse(
        units_per_arm=size.units,
        units_per_arm_fixed=size.units_fixed,
        days=size.days,
        baseline=size.baseline,
        units_per_day=size.units_per_day,
    )


def from_results(results: Results) -> ExperimentResults:
    """Return what came of an experiment as a message."""
    names = [arm.arm_id for arm in results.arms]
    return ExperimentResults(
        experiment=results.experiment,
        arms=[_arm(each) for each in results.arms],
        comparisons=[_comparison(each, names, "") for each in results.comparisons],
        segments=[_comparison(each, names, results.segments[each.segment]) for each in results.by_segment],
        sample_ratio_p_value=results.sample_ratio_p,
        sample_ratio_mismatch=results.mismatch,
        crossed_units=results.crossed,
        planned_units=results.planned,
        days_left=results.days_left,
        summary=results.summary,
        currency_code=results.currency,
    )


def _arm(arm: ArmFigures) -> ArmResult:
    metrics = [
        ArmMetric(metric=NUMBERS[metric], value=_known(value), low=_known(low), high=_known(high))
        for metric, (value, low, high) in arm.metrics.items()
    ]
    return ArmResult(arm_id=arm.arm_id, units=arm.units, metrics=metrics, **arm.counts)


def _known(value: float) -> float | None:
    return value if isfinite(value) else None


def _comparison(each: Comparison, names: list[str], segment: str) -> ArmComparison:
    return ArmComparison(
        arm_id=names[each.arm],
        metric=NUMBERS[each.metric],
        segment=segment,
        difference=_known(each.difference),
        low=_known(each.low),
        high=_known(each.high),
        p_value=each.p_value,
        adjusted_p_value=each.adjusted_p_value,
        verdict=_VERDICTS[each.verdict],
        variance_reduction=each.variance_reduction,
        guardrail=each.tolerance is not None,
    )
