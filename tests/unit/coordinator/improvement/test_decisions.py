"""A canary passes when it is known not to be worse, breaks when it is, and is decided when its time is up."""

import pytest
from quintet.type.v1.experiment_pb2 import ArmComparison, ExperimentMetric, ExperimentResults, Verdict

from services.coordinator.improvement.decisions import Outcome, canary_decision, holdback_decision

CLICKS = ExperimentMetric.EXPERIMENT_METRIC_CLICK_THROUGH_RATE
REVENUE = ExperimentMetric.EXPERIMENT_METRIC_REVENUE_PER_SESSION
TOLERANCE = 0.1


def results(**facts: object) -> ExperimentResults:
    """Return results: verdicts by metric, and the estimate of the click-through rate."""
    difference = facts.pop("difference", None)
    mismatch = bool(facts.pop("mismatch", False))
    verdicts = {CLICKS: facts.get("clicks", "UNDECIDED"), REVENUE: facts.get("revenue", "UNDECIDED")}
    comparisons = [
        ArmComparison(metric=metric, guardrail=True, verdict=Verdict.Value(f"VERDICT_{verdict}"), difference=difference)
        for metric, verdict in verdicts.items()
    ]
    comparisons.append(ArmComparison(metric=CLICKS, verdict=Verdict.VERDICT_WORSE))
    return ExperimentResults(comparisons=comparisons, sample_ratio_mismatch=mismatch, summary="So it is.")


@pytest.mark.parametrize(
    ("found", "over", "by_estimate", "outcome"),
    [
        (results(), False, True, Outcome.WAIT),
        (results(clicks="NO_DIFFERENCE"), False, False, Outcome.PASS),
        (results(clicks="BETTER"), False, False, Outcome.PASS),
        (results(clicks="NO_DIFFERENCE", revenue="WORSE"), False, True, Outcome.BREAK),
        (results(clicks="WORSE"), False, True, Outcome.BREAK),
        (results(clicks="NO_DIFFERENCE", mismatch=True), False, True, Outcome.BREAK),
        (results(), True, True, Outcome.PASS),
        (results(), True, False, Outcome.BREAK),
        (results(difference=-0.09), True, True, Outcome.PASS),
        (results(difference=-0.11), True, True, Outcome.BREAK),
        (results(difference=0.2), True, False, Outcome.BREAK),
    ],
)
def test_a_canary_is_decided(found: ExperimentResults, over: bool, by_estimate: bool, outcome: Outcome) -> None:
    decision = canary_decision(found, TOLERANCE, over=over, by_estimate=by_estimate)
    assert decision.outcome is outcome
    assert decision.reason


@pytest.mark.parametrize(
    ("found", "over", "outcome"),
    [
        (results(clicks="BETTER"), False, Outcome.WAIT),
        (results(), True, Outcome.PASS),
        (results(revenue="WORSE"), True, Outcome.BREAK),
        (results(mismatch=True), False, Outcome.BREAK),
    ],
)
def test_a_holdback_ends_with_its_time_or_breaks(found: ExperimentResults, over: bool, outcome: Outcome) -> None:
    assert holdback_decision(found, over=over).outcome is outcome


def test_the_primary_metric_alone_breaks_nothing() -> None:
    """What is worse by less than the tolerance is borne, however sure it is."""
    assert canary_decision(results(), TOLERANCE, over=False, by_estimate=True).outcome is Outcome.WAIT
