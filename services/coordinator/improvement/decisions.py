"""What the results of a canary or a holdback say is to be done."""

from dataclasses import dataclass
from enum import StrEnum

from quintet.type.v1.experiment_pb2 import ArmComparison, ExperimentMetric, ExperimentResults, Verdict

PRIMARY = ExperimentMetric.EXPERIMENT_METRIC_CLICK_THROUGH_RATE
GUARDED = (
    PRIMARY,
    ExperimentMetric.EXPERIMENT_METRIC_CONVERSION_RATE,
    ExperimentMetric.EXPERIMENT_METRIC_REVENUE_PER_SESSION,
)
"""What must not fall while a share of the shoppers meets another model."""
_WITHIN = (Verdict.VERDICT_NO_DIFFERENCE, Verdict.VERDICT_BETTER)


class Outcome(StrEnum):
    """What is to be done."""

    WAIT = "wait"
    PASS = "pass"  # noqa: S105 - no password
    BREAK = "break"


@dataclass(frozen=True)
class Decision:
    """What is to be done, and why."""

    outcome: Outcome
    reason: str


def canary_decision(results: ExperimentResults, tolerance: float, *, over: bool, by_estimate: bool) -> Decision:
    """Return what becomes of a candidate that a share of the shoppers meets.

    Parameters
    ----------
    results : ExperimentResults
        The candidate beside the live model, the control.
    tolerance : float
        Relative loss that is borne.
    over : bool
        Whether its time is up: then it is decided, whatever is known.
    by_estimate : bool
        Whether what is not known then is decided by the estimate; else the live model stays.
    """
    stopped = _stopped(results)
    if stopped is not None:
        return stopped
    primary = next((each for each in results.comparisons if each.guardrail and each.metric == PRIMARY), None)
    if primary is not None and primary.verdict in _WITHIN:
        return Decision(Outcome.PASS, f"The click-through rate is within the tolerance{_interval(primary)}.")
    if not over:
        return Decision(Outcome.WAIT, results.summary)
    if not by_estimate:
        return Decision(Outcome.BREAK, "The time is up and the data do not tell: the live model is kept.")
    if primary is None or not primary.HasField("difference"):
        return Decision(
            Outcome.PASS, "The time is up and there were too few shoppers to tell; nothing speaks against it."
        )
    if primary.difference >= -tolerance:
        return Decision(Outcome.PASS, f"The time is up, and by the estimate it is not worse{_interval(primary)}.")
    return Decision(Outcome.BREAK, f"The time is up, and by the estimate it is worse{_interval(primary)}.")


def holdback_decision(results: ExperimentResults, *, over: bool) -> Decision:
    """Return what becomes of a model in use beside the former one, the control, on which a share of shoppers stays."""
    stopped = _stopped(results)
    if stopped is not None:
        return stopped
    if over:
        return Decision(Outcome.PASS, "No guardrail broke while a share of the shoppers stayed on the former model.")
    return Decision(Outcome.WAIT, results.summary)


def _stopped(results: ExperimentResults) -> Decision | None:
    """Return why the candidate must go; None where nothing says so."""
    if results.sample_ratio_mismatch:
        return Decision(Outcome.BREAK, results.summary)
    broken = [each for each in results.comparisons if each.guardrail and each.verdict == Verdict.VERDICT_WORSE]
    if not broken:
        return None
    metric = ExperimentMetric.Name(broken[0].metric).removeprefix("EXPERIMENT_METRIC_").lower().replace("_", " ")
    return Decision(Outcome.BREAK, f"The guardrail {metric} is broken{_interval(broken[0])}.")


def _interval(each: ArmComparison) -> str:
    if not (each.HasField("difference") and each.HasField("low") and each.HasField("high")):
        return ""
    return f" ({each.difference:+.1%}, from {each.low:+.1%} to {each.high:+.1%})"
