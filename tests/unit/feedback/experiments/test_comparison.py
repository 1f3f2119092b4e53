"""Arms are told apart when they differ, and not when they do not."""

from dataclasses import replace

import numpy as np
import pytest

from services.feedback.experiments.comparison import (
    Comparison,
    Plan,
    Verdict,
    compare,
    compare_segments,
    planned_units,
)
from services.feedback.experiments.metrics import Metric
from services.feedback.experiments.unit_sums import UnitSums
from shared.experiments.measures import MEASURES

PLAN = Plan(Metric.CONVERSION_RATE, 0.2, 0.05, 0.8, (1.0, 1.0))


def units(
    *rates: float, n: int = 4_000, seed: int = 1, segments: int = 1, refunds: tuple[float, ...] = (), known: float = 0.0
) -> UnitSums:
    """Return arms of `n` units with one session each, that buys for 20 at the arm's rate and refunds at another."""
    random = np.random.default_rng(seed)
    arm = np.repeat(np.arange(len(rates)), n)
    after = np.zeros((len(arm), len(MEASURES)))
    chance = np.array(rates)[arm]
    taste = random.random(len(arm))
    bought = (known * taste + (1 - known) * random.random(len(arm))) < chance
    back = random.random(len(arm)) < (np.array(refunds)[arm] if refunds else 0)
    for name, value in {
        "sessions": 1.0,
        "buying_sessions": bought,
        "orders": bought,
        "revenue": 20.0 * bought,
        "kept_revenue": 20.0 * (bought & ~back),
        "refunded": 20.0 * (bought & back),
    }.items():
        after[:, MEASURES.index(name)] = value
    before = np.zeros_like(after)
    before[:, MEASURES.index("sessions")] = known > 0
    before[:, MEASURES.index("buying_sessions")] = (taste < float(np.mean(rates))) * (known > 0)
    return UnitSums(arm, after, before, np.arange(len(arm)) % segments)


def only(found: list[Comparison]) -> Comparison:
    [one] = found
    return one


def test_a_better_arm_is_better_and_its_mirror_worse() -> None:
    better, worse = only(compare(PLAN, units(0.1, 0.15))), only(compare(PLAN, units(0.15, 0.1)))
    assert (better.verdict, worse.verdict) == (Verdict.BETTER, Verdict.WORSE)
    assert better.low < 0.5 < better.high
    assert better.p_value == better.adjusted_p_value < 0.05


def test_arms_that_are_alike_are_undecided_with_few_units_and_alike_with_many() -> None:
    assert only(compare(PLAN, units(0.1, 0.1, n=1_000))).verdict is Verdict.UNDECIDED
    assert only(compare(PLAN, units(0.3, 0.3, n=60_000))).verdict is Verdict.NO_DIFFERENCE


@pytest.mark.parametrize("n", [0, 99])
def test_too_few_units_say_nothing(n: int) -> None:
    found = only(compare(PLAN, units(0.1, 0.9, n=n)))
    assert (found.verdict, found.p_value, np.isnan(found.difference)) == (Verdict.UNDECIDED, 1.0, True)
    assert planned_units(PLAN, units(0.1, 0.9, n=n)) == 0


def test_a_metric_that_is_nothing_yet_says_nothing() -> None:
    assert only(compare(PLAN, units(0.0, 0.0))).verdict is Verdict.UNDECIDED


def test_of_a_metric_whose_less_is_better_more_is_worse() -> None:
    plan = replace(PLAN, metric=Metric.REFUND_RATE)
    found = only(compare(plan, units(0.5, 0.5, refunds=(0.1, 0.3))))
    assert (found.verdict, found.difference > 0) == (Verdict.WORSE, True)


def test_a_guardrail_breaks_beyond_its_tolerance_only() -> None:
    guards = [(Metric.REFUND_RATE, 0.5), (Metric.REVENUE_PER_SESSION, 0.5)]
    sums = units(0.5, 0.5, n=20_000, refunds=(0.1, 0.3))
    _, refunds, revenue = compare(PLAN, sums, guards)
    assert (refunds.verdict, refunds.tolerance) == (Verdict.WORSE, 0.5)
    assert revenue.verdict is Verdict.NO_DIFFERENCE
    lenient = compare(PLAN, sums, [(Metric.REFUND_RATE, 5.0)])[1]
    assert lenient.verdict is Verdict.NO_DIFFERENCE


def test_what_was_known_before_takes_variance_off() -> None:
    plain, foreseen = (only(compare(PLAN, units(0.3, 0.3, n=20_000, known=known))) for known in (0.0, 0.9))
    assert plain.variance_reduction == 0
    assert foreseen.variance_reduction > 0.2
    assert foreseen.high - foreseen.low < plain.high - plain.low


def test_several_arms_share_the_level_and_their_p_values_are_adjusted() -> None:
    plan = replace(PLAN, shares=(1.0, 1.0, 1.0))
    better, same = compare(plan, units(0.1, 0.15, 0.1))
    assert better.verdict is Verdict.BETTER
    assert better.adjusted_p_value == pytest.approx(2 * better.p_value)
    assert same.verdict is not Verdict.BETTER


def test_segments_with_enough_units_are_compared_and_corrected() -> None:
    sums = units(0.1, 0.16, n=8_000, segments=4)
    found = compare_segments(PLAN, sums)
    assert [each.segment for each in found] == [0, 1, 2, 3]
    assert all(each.adjusted_p_value >= each.p_value for each in found)
    assert compare_segments(PLAN, units(0.1, 0.2, n=300, segments=4)) == []


def test_false_positives_at_many_looks_are_as_rare_as_promised() -> None:
    wrong = 0
    for seed in range(100):
        sums = units(0.2, 0.2, n=2_000, seed=seed)
        looks = (compare(PLAN, _first(sums, share)) for share in (0.1, 0.25, 0.5, 0.75, 1.0))
        wrong += any(only(found).verdict in (Verdict.BETTER, Verdict.WORSE) for found in looks)
    assert wrong <= 10


def _first(sums: UnitSums, share: float) -> UnitSums:
    n = len(sums.arm) // 2
    kept = np.arange(len(sums.arm)) % n < share * n
    return UnitSums(sums.arm[kept], sums.after[kept], sums.before[kept], sums.segment[kept])
