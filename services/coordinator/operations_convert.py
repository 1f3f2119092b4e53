"""Messages about models, weights and attribution as the agents take them; a bad field raises InvalidArgument."""

from collections.abc import Sequence
from datetime import datetime

from quintet.coordinator.v1 import operations_pb2 as pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb

from services.coordinator.diagnosis.findings import Finding
from shared.errors import InvalidArgument
from shared.events.check import check_count, check_id, check_text
from shared.events.references import ATTRIBUTION_TOKEN
from shared.limits import MAX_ALGORITHMS, MAX_REASON
from shared.recommendation_tokens import Shopper, TokenKeys, list_number
from shared.request_ids import key_of
from shared.timestamps import to_timestamp

ANYBODY = Shopper("", "")
"""Operators ask about recommendations of all shoppers."""


def to_roll_back(request: pb.RollBackModelRequest) -> recommendation_pb.RollBackModelVersionRequest:
    """Return the request to roll back as the recommendation agent takes it."""
    key = key_of(request)
    return recommendation_pb.RollBackModelVersionRequest(request_key=None if key is None else key.to_message())


def to_weights_update(request: pb.SetWeightsRequest) -> feedback_pb.UpdateWeightsRequest:
    """Return the weights to set as the feedback agent takes them, which checks the weights themselves."""
    check_count(request.weights, "weights", MAX_ALGORITHMS)
    check_text(request.reason, "reason", MAX_REASON)
    if bool(request.weights) == request.reset:
        problem = "must not come with weights" if request.reset else "or weights are required"
        raise InvalidArgument.of("reset", request.reset, problem)
    key = key_of(request)
    return feedback_pb.UpdateWeightsRequest(
        weights=request.weights,
        reset=request.reset,
        reason=request.reason,
        request_key=None if key is None else key.to_message(),
    )


def from_weights(found: feedback_pb.GetWeightsResponse) -> pb.GetWeightsResponse:
    """Return the weights in force as the coordinator answers them."""
    return pb.GetWeightsResponse(
        weights=found.weights,
        update_time=found.update_time if found.HasField("update_time") else None,
        rationale=found.rationale,
    )


def to_attribution(request: pb.GetAttributionRequest, tokens: TokenKeys) -> feedback_pb.GetAttributionRequest:
    """Return the question as the feedback agent takes it. Raises NotFound for an id that no answer gave."""
    if request.WhichOneof("subject") == "purchase_id":
        check_id(request.purchase_id, "purchase_id")
        return feedback_pb.GetAttributionRequest(purchase_id=request.purchase_id)
    if request.WhichOneof("subject") == ATTRIBUTION_TOKEN:
        check_id(request.attribution_token, ATTRIBUTION_TOKEN)
        numbers = tokens.verify_list(request.attribution_token, ANYBODY, ATTRIBUTION_TOKEN)
        return feedback_pb.GetAttributionRequest(list_number=list_number(numbers[0]))
    check_id(request.recommendation_id, "recommendation_id")
    number = tokens.verify(request.recommendation_id, ANYBODY, "recommendation_id")
    return feedback_pb.GetAttributionRequest(recommendation_number=number)


def from_findings(findings: Sequence[Finding], look_time: datetime) -> pb.GetDiagnosisResponse:
    """Return what is wrong as a message."""
    return pb.GetDiagnosisResponse(findings=map(_from_finding, findings), look_time=to_timestamp(look_time))


def _from_finding(finding: Finding) -> pb.Finding:
    return pb.Finding(
        code=finding.code,
        severity=pb.FindingSeverity.Value(f"FINDING_SEVERITY_{finding.severity.name}"),
        subject=finding.subject,
        problem=finding.problem,
        next_step=finding.next_step,
        since_time=None if finding.since is None else to_timestamp(finding.since),
        runbook=finding.runbook,
    )
