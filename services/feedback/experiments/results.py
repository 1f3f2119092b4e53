"""What came of an experiment up to now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf, nan

import numpy as np
from quintet.type.v1.experiment_pb2 import Experiment as ExperimentMessage
from quintet.type.v1.experiment_pb2 import ExperimentMetric

from services.feedback.experiments.comparison import (
    Comparison,
    Plan,
    Verdict,
    compare,
    compare_segments,
    control_baseline,
    planned_units,
)
from services.feedback.experiments.metrics import DEFINITIONS, Metric, ratio_of
from services.feedback.experiments.unit_sums import PRE_PERIOD_DAYS, Longs, SessionRows, UnitSums, unit_sums
from services.feedback.statistics.interleaving import preference
from services.feedback.statistics.sample_ratio import ALARM_ALPHA, always_valid_sample_ratio_p
from services.feedback.statistics.sample_size import Design as SizeDesign
from services.feedback.statistics.sample_size import FixedHorizon, days_needed, units_needed
from services.feedback.statistics.sequential import LEAST_UNITS, always_valid_interval, always_valid_p
from shared.db import experiment_facts
from shared.db.engine import Connection
from shared.db.orders import usual_currency
from shared.db.placements import EXPERIMENTS
from shared.db.types import from_micros
from shared.errors import FailedPrecondition, NotFound
from shared.experiments.actions import ENDS
from shared.experiments.convert import to_experiment
from shared.experiments.experiment import (
    DEFAULT_ALPHA,
    DEFAULT_EFFECT,
    DEFAULT_POWER,
    DEFAULT_TOLERANCE,
    Design,
    Experiment,
    Unit,
)
from shared.money import decimals
from shared.timestamps import to_datetime

FIRST_DAYS = timedelta(days=PRE_PERIOD_DAYS)
PLANNED_INTERLEAVED = 1_000
"""Units about which the interval of an interleaved preference is narrowest."""
METRICS: dict[ExperimentMetric.ValueType, Metric] = {
    number: Metric(name.removeprefix("EXPERIMENT_METRIC_").lower()) if number else Metric.REVENUE_PER_SESSION
    for name, number in ExperimentMetric.items()
}
NUMBERS = {metric: number for number, metric in METRICS.items() if number}


@dataclass(frozen=True)
class ArmFigures:
    """Counts of an arm, and its metrics with the ends of the 95 % interval of one look."""

    arm_id: str
    units: int
    counts: Mapping[str, int]
    metrics: Mapping[Metric, tuple[float, float, float]]


@dataclass(frozen=True)
class Results:
    """What came of an experiment; money in units of `currency`.

    `days_left` is None where it is not known, `segments` are the names of codes in comparisons.
    """

    experiment: ExperimentMessage
    arms: Sequence[ArmFigures]
    comparisons: Sequence[Comparison]
    by_segment: Sequence[Comparison]
    segments: Sequence[str]
    sample_ratio_p: float
    crossed: int
    planned: int
    days_left: float | None
    currency: str

    @property
    def mismatch(self) -> bool:
        """Whether something loses units of one arm."""
        return self.sample_ratio_p < ALARM_ALPHA

    @property
    def summary(self) -> str:
        """The whole in a sentence."""
        if self.mismatch:
            return "The arms do not have the shares of units that were planned: something loses units, trust no figure."
        worse = [each for each in self.comparisons if each.tolerance is not None and each.verdict is Verdict.WORSE]
        if worse:
            return f"Arm {self._name(worse[0])} breaks the guardrail {worse[0].metric}."
        primary = [each for each in self.comparisons if each.tolerance is None]
        told = [each for each in primary if each.verdict is not Verdict.UNDECIDED]
        if not told:
            return "The data do not tell yet."
        best = max(told, key=lambda each: (each.verdict is Verdict.BETTER, each.difference))
        said = {
            Verdict.BETTER: "is better than the control",
            Verdict.WORSE: "is worse than the control",
            Verdict.NO_DIFFERENCE: "is as good as the control",
        }[best.verdict]
        change = f"{best.difference:+.1%}, from {best.low:+.1%} to {best.high:+.1%}"
        return f"Arm {self._name(best)} {said} by {best.metric} ({change})."

    def _name(self, each: Comparison) -> str:
        return self.arms[each.arm].arm_id


def read_experiment(connection: Connection, experiment_id: str) -> ExperimentMessage:
    """Return a stored experiment. Raises NotFound."""
    stored = EXPERIMENTS.get(connection, experiment_id)
    if stored is None:
        raise NotFound.of("experiment", experiment_id, "experiment_id")
    return ExperimentMessage.FromString(stored.definition)


def results_of(connection: Connection, experiment_id: str, now: datetime) -> Results:
    """Return what came of an experiment, by the facts of sessions. Raises NotFound."""
    message = read_experiment(connection, experiment_id)
    experiment, currency = to_experiment(message), usual_currency(connection)
    if experiment.design is not Design.SPLIT:
        return _interleaved(connection, message, experiment, now)
    by_session = experiment.unit is Unit.SESSION
    exposed = experiment_facts.exposed_units(connection, experiment_id, by_session=by_session)
    names = [arm.arm_id for arm in experiment.arms]
    arm = np.array([names.index(each) for each in exposed.arms], np.int64)
    since = (experiment.start or now) - FIRST_DAYS
    sessions = experiment_facts.sessions_of_units(
        connection, exposed.owners.tolist(), since, currency, until=ended(message), by_session=by_session
    )
    segments, codes = np.unique(np.array(sessions.segments, dtype=object).astype(str), return_inverse=True)
    rows = SessionRows(sessions.unit, sessions.started, sessions.ended, sessions.values, codes.astype(np.int64))
    sums = unit_sums(arm, exposed.first_at, exposed.met_at, rows)
    shares = tuple(each.share for each in experiment.arms)
    plan = plan_of(message, shares)
    guardrails = [(METRICS[each.metric], each.tolerance or DEFAULT_TOLERANCE) for each in message.guardrails]
    units = np.bincount(arm, minlength=len(names))
    planned = planned_units(plan, sums)
    looked_at = (plan.metric, *(metric for metric, _ in guardrails))
    digits = decimals(currency)
    return Results(
        message,
        [_figures(name, place, sums, looked_at, digits) for place, name in enumerate(names)],
        compare(plan, sums, guardrails),
        compare_segments(plan, sums),
        segments.tolist(),
        always_valid_sample_ratio_p(units.tolist(), shares),
        exposed.crossed,
        planned,
        _days_left(planned, int(units.min()), exposed.met_at, now),
        currency,
    )


def _interleaved(connection: Connection, message: ExperimentMessage, experiment: Experiment, now: datetime) -> Results:
    """Return which arm the clicks on lists that were drawn from both prefer.

    The difference is the share of the clicks that the second arm has more than the first, weighted by their credits.
    """
    since = experiment.start or now
    clicks = experiment_facts.interleaved_clicks(connection, experiment.experiment_id, since, ended(message))
    units, names = len(clicks.clicks), [arm.arm_id for arm in experiment.arms]
    alpha = message.alpha or DEFAULT_ALPHA
    told = Comparison(1, Metric.CLICK_THROUGH_RATE, nan, -inf, inf, 1.0, 1.0, Verdict.UNDECIDED, 0.0)
    if np.count_nonzero(clicks.clicks) >= LEAST_UNITS:
        estimate = preference(-clicks.credit, clicks.clicks)
        low, high = always_valid_interval(estimate, units / PLANNED_INTERLEAVED, alpha)
        p = float(always_valid_p(estimate, units / PLANNED_INTERLEAVED, alpha))
        verdict = Verdict.BETTER if low > 0 else Verdict.WORSE if high < 0 else Verdict.UNDECIDED
        told = replace(
            told,
            difference=float(estimate.value),
            low=float(low),
            high=float(high),
            p_value=p,
            adjusted_p_value=p,
            verdict=verdict,
        )
    by_arm = (clicks.for_first, clicks.for_second)
    arms = [ArmFigures(name, units, {"clicked": int(each.sum())}, {}) for name, each in zip(names, by_arm, strict=True)]
    return Results(message, arms, [told], [], [], 1.0, 0, PLANNED_INTERLEAVED, None, "")


def ended(message: ExperimentMessage) -> datetime | None:
    """Return when an experiment ended; None while it runs.

    It ends when it is stopped. What is decided later, as that it is concluded, changes nothing of that.
    """
    ends = [to_datetime(message.end_time)] if message.HasField("end_time") else []
    ends += [to_datetime(each.time) for each in message.decisions if each.action in ENDS]
    return min(ends, default=None)


def plan_of(message: ExperimentMessage, shares: tuple[float, ...]) -> Plan:
    """Return what is asked of an experiment."""
    return Plan(
        METRICS[message.primary_metric],
        message.minimum_effect or DEFAULT_EFFECT,
        message.alpha or DEFAULT_ALPHA,
        message.power or DEFAULT_POWER,
        shares,
    )


@dataclass(frozen=True)
class SampleSize:
    """How many units each arm needs, looked at all the time or once; days; the metric; units a day."""

    units: int
    units_fixed: int
    days: float
    baseline: float
    units_per_day: float


def sample_size(connection: Connection, plan: Plan, traffic: float, days: int, now: datetime) -> SampleSize:
    """Return how large an experiment must be, from the customers of the latest days.

    Raises FailedPrecondition where there are too few.
    """
    currency = usual_currency(connection)
    since = now - timedelta(days=days)
    customers = experiment_facts.customers_since(connection, since)
    sessions = experiment_facts.sessions_of_units(connection, customers, since, currency)
    everybody = np.zeros(len(customers), np.int64)
    one = np.zeros(len(sessions.unit), np.int64)
    rows = SessionRows(sessions.unit, sessions.started, sessions.ended, sessions.values, one)
    sums = unit_sums(everybody, everybody, everybody, rows)
    baseline = control_baseline(plan.metric, sums)
    if baseline is None:
        raise FailedPrecondition(
            f"the last {days} days have {len(customers)} customers with sessions, and {plan.metric} of fewer than"
            f" {LEAST_UNITS}, or of none above 0, says nothing"
        )
    per_day = len(customers) / days
    design = plan.design
    units = max(units_needed(baseline, plan.effect, design))
    fixed = max(
        units_needed(baseline, plan.effect, SizeDesign(FixedHorizon(), design.alpha, design.power, design.shares))
    )
    needed = days_needed(units * len(plan.shares), per_day * traffic)
    scale = 10 ** decimals(currency) if DEFINITIONS[plan.metric].money else 1
    return SampleSize(units, fixed, needed, baseline.mean / scale, per_day)


def _figures(name: str, arm: int, sums: UnitSums, metrics: Sequence[Metric], digits: int) -> ArmFigures:
    counts = {each: int(sums.column(each, arm).sum()) for each in ("sessions", "orders", "shown", "clicked")}
    found = {}
    for metric in metrics:
        estimate = ratio_of(metric, sums, arm).estimate
        scale = 10**digits if DEFINITIONS[metric].money else 1
        low, high = estimate.interval()
        found[metric] = (float(estimate.value) / scale, float(low) / scale, float(high) / scale)
    return ArmFigures(name, int((sums.arm == arm).sum()), counts, found)


def _days_left(planned: int, units: int, first_at: Longs, now: datetime) -> float | None:
    """Return the days until the smallest arm has its planned units, at the rate up to now."""
    if not planned or not units:
        return None
    days = (now - from_micros(int(first_at.min()))) / timedelta(days=1)
    return max(0.0, (planned - units) * days / units)
