"""Compares the arms of an experiment with its control, so that looking at any time does no harm.

Intervals are confidence sequences of the difference after CUPED, in units of the control's value. What is asked of an
experiment (the least relative effect, α, power) plans its size; evidence counts in shares of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf, isfinite

import numpy as np

from services.feedback.experiments.metrics import DEFINITIONS, Metric, baseline_of, cuped_of, ratio_of
from services.feedback.experiments.unit_sums import UnitSums
from services.feedback.statistics.baseline import Baseline
from services.feedback.statistics.cuped import adjust
from services.feedback.statistics.estimate import Estimate, difference
from services.feedback.statistics.sample_size import AlwaysValid, Design, units_needed
from services.feedback.statistics.sequential import LEAST_UNITS, always_valid_interval, always_valid_p
from shared.multiplicity import benjamini_hochberg, holm

CONTROL = 0


class Verdict(StrEnum):
    """What is known of a comparison."""

    UNDECIDED = "undecided"
    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no_difference"


@dataclass(frozen=True)
class Plan:
    """What is asked of an experiment: `effect` is relative, `shares` are those of the arms, the control first."""

    metric: Metric
    effect: float
    alpha: float
    power: float
    shares: tuple[float, ...]

    @property
    def design(self) -> Design:
        """The design that plans its size, looked at all the time."""
        total = sum(self.shares)
        return Design(AlwaysValid(), self.alpha, self.power, tuple(each / total for each in self.shares))


@dataclass(frozen=True)
class Comparison:
    """An arm compared with the control; differences are relative, NaN where nothing is known.

    `tolerance` is that of a guardrail; None of the primary metric.
    """

    arm: int
    metric: Metric
    difference: float
    low: float
    high: float
    p_value: float
    adjusted_p_value: float
    verdict: Verdict
    variance_reduction: float
    tolerance: float | None = None
    segment: int = -1


def planned_units(plan: Plan, sums: UnitSums) -> int:
    """Return how many units the smallest arm needs, by what its control was like; 0 where too little is known."""
    baseline = control_baseline(plan.metric, sums)
    if baseline is None:
        return 0
    try:
        return min(units_needed(baseline, plan.effect, plan.design))
    except ValueError:  # no metric can change so much
        return 0


def control_baseline(metric: Metric, sums: UnitSums) -> Baseline | None:
    """Return what the metric is like in the control; None below `LEAST_UNITS` units."""
    moments = ratio_of(metric, sums, CONTROL)
    return None if moments.n < LEAST_UNITS else baseline_of(metric, moments)


def compare(plan: Plan, sums: UnitSums, guardrails: Sequence[tuple[Metric, float]] = ()) -> list[Comparison]:
    """Return the comparisons of all arms by the primary metric, and by the guardrails with their tolerances."""
    arms = range(1, len(plan.shares))
    primary = [_comparison(plan, plan.metric, sums, arm) for arm in arms]
    watched = [
        _guarded(replace(_comparison(plan, metric, sums, arm), tolerance=tolerance))
        for metric, tolerance in guardrails
        for arm in arms
    ]
    primary = _with(primary, holm([each.p_value for each in primary]))
    return [*primary, *_with(watched, holm([each.p_value for each in watched]))]


def compare_segments(plan: Plan, sums: UnitSums) -> list[Comparison]:
    """Return the comparisons by the primary metric within each segment that has enough units of every arm."""
    found = []
    for segment in np.unique(sums.segment[sums.segment >= 0]).tolist():
        inside = sums.within(segment)
        if np.bincount(inside.arm, minlength=len(plan.shares)).min() >= LEAST_UNITS:
            found += [
                replace(_comparison(plan, plan.metric, inside, arm), segment=segment)
                for arm in range(1, len(plan.shares))
            ]
    return [
        replace(each, verdict=_verdict(each, plan.effect) if each.adjusted_p_value <= plan.alpha else Verdict.UNDECIDED)
        for each in _with(found, benjamini_hochberg([each.p_value for each in found]))
    ]


def _comparison(plan: Plan, metric: Metric, sums: UnitSums, arm: int) -> Comparison:
    unknown = Comparison(arm, metric, float("nan"), -inf, inf, 1.0, 1.0, Verdict.UNDECIDED, 0.0)
    units = np.bincount(sums.arm, minlength=len(plan.shares))
    control, treated = (cuped_of(metric, sums, each) for each in (CONTROL, arm))
    if min(units[CONTROL], units[arm]) < LEAST_UNITS or not (control.sums[0] > 0 and treated.sums[0] > 0):
        return unknown
    adjusted = adjust([control, treated])
    apart = difference(*adjusted.arms)
    base = float(adjusted.arms[0].value)
    if not isfinite(base) or base <= 0:
        return unknown
    evidence = _evidence(plan, metric, sums, int(min(units[CONTROL], units[arm])))
    return _told(unknown, apart, base, evidence, plan, adjusted.explained)


def _told(
    unknown: Comparison, apart: Estimate, base: float, evidence: float, plan: Plan, explained: float
) -> Comparison:
    alpha = plan.design.alpha_of_comparison
    low, high = always_valid_interval(apart, evidence, alpha)
    found = replace(
        unknown,
        difference=float(apart.value) / base,
        low=float(low) / base,
        high=float(high) / base,
        p_value=float(always_valid_p(apart, evidence, alpha)),
        variance_reduction=explained,
    )
    return replace(found, verdict=_verdict(found, plan.effect))


def _evidence(plan: Plan, metric: Metric, sums: UnitSums, units: int) -> float:
    """Return the units as a share of those that are planned for the effect."""
    planned = planned_units(replace(plan, metric=metric), sums)
    return units / planned if planned else 1.0


def _verdict(each: Comparison, effect: float) -> Verdict:
    less = DEFINITIONS[each.metric].less_is_better
    if each.low > 0 or each.high < 0:
        return Verdict.BETTER if (each.low > 0) != less else Verdict.WORSE
    return Verdict.NO_DIFFERENCE if -effect < each.low and each.high < effect else Verdict.UNDECIDED


def _guarded(each: Comparison) -> Comparison:
    """Return a comparison by a guardrail: worse beyond its tolerance, within it, or not known yet."""
    tolerance = each.tolerance or 0.0
    low, high = (-each.high, -each.low) if DEFINITIONS[each.metric].less_is_better else (each.low, each.high)
    if high < -tolerance:
        return replace(each, verdict=Verdict.WORSE)
    return replace(each, verdict=Verdict.NO_DIFFERENCE if low > -tolerance else Verdict.UNDECIDED)


def _with(found: list[Comparison], adjusted: list[float]) -> list[Comparison]:
    return [replace(each, adjusted_p_value=p) for each, p in zip(found, adjusted, strict=True)]
