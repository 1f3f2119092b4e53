"""Messages of improvement runs and the pause from plain values, and what is asked of them."""

from dataclasses import asdict
from typing import Any

from google.protobuf.json_format import ParseDict
from quintet.coordinator.v1 import improvement_pb2 as pb
from quintet.type.v1.experiment_pb2 import ArmComparison
from quintet.type.v1.improvement_pb2 import (
    ImprovementKind,
    ImprovementRun,
    ImprovementState,
    ImprovementTrigger,
    PageTest,
    PairedTest,
    QualityLook,
    ShadowModel,
)
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight

from services.coordinator.improvement.shadows import Shadowed
from services.coordinator.newest_first import NewestFirstPage
from shared.db import improvement_runs
from shared.drift_messages import date_of
from shared.events.check import check_choice, check_id, check_number, check_text
from shared.limits import DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE, MAX_REASON
from shared.timestamps import to_timestamp

DEFAULT_SHADOW_SHARE = 0.05
_NUMBERS = ("verdict", "questions", "candidate", "live", "difference", "low", "high", "margin")


def to_page(request: pb.ListImprovementRunsRequest) -> NewestFirstPage:
    """Return the page of runs that is asked for. Raises InvalidArgument."""
    check_choice(request.kind, "kind", ImprovementKind.values(), "one of the kinds")
    kind = ImprovementKind.Name(request.kind).removeprefix("IMPROVEMENT_KIND_").lower()
    return NewestFirstPage.of([kind] if request.kind else [], (), request, usual=DEFAULT_PAGE_SIZE, most=MAX_PAGE_SIZE)


def to_run_id(request: pb.GetImprovementRunRequest) -> str:
    """Return the id of a run. Raises InvalidArgument."""
    check_id(request.run_id, "run_id")
    return request.run_id


def to_reason(request: pb.PauseImprovementRequest | pb.ResumeImprovementRequest) -> str:
    """Return why somebody pauses or resumes. Raises InvalidArgument."""
    check_text(request.reason, "reason", MAX_REASON)
    return request.reason


def to_share(request: pb.SetShadowModelRequest) -> float:
    """Return the share of the answers that a shadow makes again. Raises InvalidArgument."""
    check_number(request.share, "share", 0, 1)
    return request.share or DEFAULT_SHADOW_SHARE


def to_version(request: pb.SetShadowModelRequest | pb.DeleteShadowModelRequest) -> str:
    """Return the version of a shadow. Raises InvalidArgument."""
    check_id(request.version, "version")
    return request.version


def from_shadow(shadow: Shadowed) -> ShadowModel:
    """Return a shadow as a message."""
    message = ShadowModel()
    if shadow.marked is not None:
        marked = shadow.marked
        message = ShadowModel(
            version=marked.version, share=marked.share, since_time=to_timestamp(marked.since), dropped=marked.dropped
        )
    if shadow.report is not None:
        facts = asdict(shadow.report)
        correlation = facts.pop("correlation")
        message.MergeFrom(ShadowModel(**facts, rank_correlation=correlation))
    return message


def from_run(run: improvement_runs.ImprovementRun) -> ImprovementRun:
    """Return a run as a message."""
    message = ImprovementRun(
        run_id=run.run_id,
        kind=ImprovementKind.Value(f"IMPROVEMENT_KIND_{run.kind.upper()}"),
        state=ImprovementState.Value(f"IMPROVEMENT_STATE_{run.state}"),
        trigger=ImprovementTrigger.Value(f"IMPROVEMENT_TRIGGER_{run.trigger.upper()}"),
        drift_date="" if run.drift_day is None else date_of(run.drift_day),
        former_version=run.former,
        candidate_version=run.candidate,
        experiment_id=run.experiment_id or "",
        reason=run.reason,
        start_time=to_timestamp(run.started_at),
        state_time=to_timestamp(run.state_since),
        cutoff_time=None if run.cutoff is None else to_timestamp(run.cutoff),
        end_time=None if run.ended_at is None else to_timestamp(run.ended_at),
    )
    return _with_evidence(message, run.kind, run.evidence)


def from_control(control: improvement_runs.Control) -> pb.ImprovementControl:
    """Return the pause as a message."""
    changed = None if control.changed_at is None else to_timestamp(control.changed_at)
    return pb.ImprovementControl(paused=control.paused, change_time=changed, reason=control.reason)


def _with_evidence(message: ImprovementRun, kind: str, evidence: dict[str, Any]) -> ImprovementRun:
    if kind == improvement_runs.WEIGHTS:
        message.former_weights.extend(_weights(evidence["former"]))
        message.candidate_weights.extend(_weights(evidence["candidate"]))
        return message
    if "offline" in evidence:
        message.paired_test.CopyFrom(_paired_test(evidence["offline"]))
    message.canary.extend(_comparison(each) for each in evidence.get("canary", ()))
    message.holdback.extend(_comparison(each) for each in evidence.get("holdback", ()))
    return message


def _paired_test(stored: dict[str, Any]) -> PairedTest:
    pages = [PageTest(page_type=page, **numbers) for page, numbers in sorted(stored["pages"].items())]
    numbers = {name: stored[name] for name in _NUMBERS}
    return PairedTest(**numbers, pages=pages, look=QualityLook(**stored["look"]))


def _comparison(stored: dict[str, Any]) -> ArmComparison:
    return ParseDict(stored, ArmComparison(), ignore_unknown_fields=True)


def _weights(weights: dict[str, float]) -> list[AlgorithmWeight]:
    largest_first = sorted(weights.items(), key=lambda each: (-each[1], each[0]))
    return [AlgorithmWeight(algorithm=name, weight=weight) for name, weight in largest_first]
