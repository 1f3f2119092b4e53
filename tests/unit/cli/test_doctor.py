"""`quintet doctor` shows each finding whole, and says by its exit code whether something is wrong."""

import json
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1 import operations_pb2 as pb

from tests.unit.cli.door import invoke, opened

FINDING = pb.Finding(
    code="disk_low",
    severity=pb.FINDING_SEVERITY_ERROR,
    subject="disk [1]",
    problem="It is full.",
    next_step="Make room.",
    since_time=Timestamp(seconds=1_767_225_600),
    runbook="docs/operations.md#disk-low",
)


class Door(pb_grpc.CoordinatorServiceServicer):
    """Stands for a coordinator that has found so much."""

    def __init__(self, *findings: pb.Finding) -> None:
        self.findings = findings

    def GetDiagnosis(self, request: pb.GetDiagnosisRequest, context: Any) -> pb.GetDiagnosisResponse:
        return pb.GetDiagnosisResponse(findings=self.findings)


def test_findings_are_shown_and_end_with_1() -> None:
    with opened(Door(FINDING)) as address:
        result, text = invoke("doctor", "--address", address)
    assert result.exit_code == 1
    for part in ("error disk_low", "disk [1]", "2026-01-01 00:00 UTC", "It is full.", "Make room.", "#disk-low"):
        assert part in text


def test_nothing_wrong_ends_with_0() -> None:
    with opened(Door()) as address:
        result, text = invoke("doctor", "--address", address)
    assert (result.exit_code, text) == (0, "nothing is wrong\n")


def test_findings_as_json() -> None:
    with opened(Door(FINDING)) as address:
        result, text = invoke("doctor", "--json", "--address", address)
    assert result.exit_code == 1
    assert json.loads(text)["findings"][0]["code"] == "disk_low"
