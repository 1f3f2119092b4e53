"""`quintet improvement` asks what it is told to and shows runs with their evidence."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import coordinator_service_pb2 as job_pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1 import improvement_pb2 as pb
from quintet.type.v1.experiment_pb2 import ArmComparison, ExperimentMetric, Verdict
from quintet.type.v1.improvement_pb2 import (
    DriftCheck,
    DriftTest,
    ImprovementRun,
    ImprovementState,
    ImprovementTrigger,
    PageTest,
    PairedTest,
    ShadowModel,
)
from quintet.type.v1.job_pb2 import Job
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight

from tests.unit.cli.door import invoke, opened

MOMENT = Timestamp(seconds=1_767_225_600)
RUN = ImprovementRun(
    run_id="r1",
    state=ImprovementState.IMPROVEMENT_STATE_CANARY,
    trigger=ImprovementTrigger.IMPROVEMENT_TRIGGER_DRIFT,
    drift_date="2025-12-31",
    former_version="v1",
    candidate_version="v2",
    reason="Not worse.",
    start_time=MOMENT,
    state_time=MOMENT,
    paired_test=PairedTest(
        questions=400, candidate=0.21, live=0.2, difference=0.01, low=-0.001, high=0.02, margin=0.01
    ),
    canary=[
        ArmComparison(
            metric=ExperimentMetric.EXPERIMENT_METRIC_CLICK_THROUGH_RATE,
            guardrail=True,
            difference=-0.01,
            verdict=Verdict.VERDICT_UNDECIDED,
        ),
        ArmComparison(metric=ExperimentMetric.EXPERIMENT_METRIC_REFUND_RATE),
    ],
)
RUN.paired_test.pages.append(PageTest(page_type="HOME", questions=400, candidate=0.21, live=0.2))
WEIGHTS = ImprovementRun(
    run_id="r2",
    state=ImprovementState.IMPROVEMENT_STATE_ROLLED_BACK,
    state_time=MOMENT,
    former_weights=[AlgorithmWeight(algorithm="ease", weight=1)],
    candidate_weights=[AlgorithmWeight(algorithm="content", weight=0.6), AlgorithmWeight(algorithm="ease", weight=0.4)],
)
FALLEN = DriftTest(subject="click-through rate of page HOME", before=0.05, value=0.02, size=-0.6, found=True)
CHECK = DriftCheck(date="2025-12-31", found=True, tests=[FALLEN, DriftTest(subject="quiet")])


class Door(pb_grpc.CoordinatorServiceServicer):
    """Stands for a coordinator with two runs."""

    def __init__(self) -> None:
        self.control = pb.ImprovementControl()
        self.started: list[str] = []
        self.check = CHECK
        self.shadow = ShadowModel()

    def ListImprovementRuns(self, request: Any, context: Any) -> Any:
        return pb.ListImprovementRunsResponse(runs=[WEIGHTS, RUN], control=self.control, latest_check=self.check)

    def GetImprovementRun(self, request: Any, context: Any) -> Any:
        found = {each.run_id: each for each in (RUN, WEIGHTS)}[request.run_id]
        return pb.GetImprovementRunResponse(run=found, check=CHECK if found.drift_date else None)

    def PauseImprovement(self, request: Any, context: Any) -> Any:
        self.control = pb.ImprovementControl(paused=True, change_time=MOMENT, reason=request.reason)
        return pb.PauseImprovementResponse(control=self.control)

    def ResumeImprovement(self, request: Any, context: Any) -> Any:
        self.control = pb.ImprovementControl()
        return pb.ResumeImprovementResponse(control=self.control)

    def SetShadowModel(self, request: Any, context: Any) -> Any:
        self.shadow = ShadowModel(version=request.version, share=request.share, lists=1_200, overlap=0.7, clicked=9)
        return pb.SetShadowModelResponse(shadow=self.shadow)

    def DeleteShadowModel(self, request: Any, context: Any) -> Any:
        self.shadow = ShadowModel(version=request.version, rank_correlation=0.5)
        return pb.DeleteShadowModelResponse(deleted=True)

    def ListShadowModels(self, request: Any, context: Any) -> Any:
        return pb.ListShadowModelsResponse(shadows=[self.shadow])

    def TrainModels(self, request: Any, context: Any) -> Any:
        self.started.append("train_models")
        return job_pb.TrainModelsResponse(job=Job(job_id="j1"))

    def RunSchedule(self, request: Any, context: Any) -> Any:
        self.started.append(request.kind)
        return job_pb.RunScheduleResponse(job=Job(job_id="j2"))


@pytest.fixture
def door() -> Iterator[tuple[Door, str]]:
    servicer = Door()
    with opened(servicer) as address:
        yield servicer, address


def run(*arguments: str) -> str:
    result, text = invoke("improvement", *arguments)
    assert result.exit_code == 0, text
    return text


def test_runs_are_listed_with_the_latest_look(door: tuple[Door, str]) -> None:
    servicer, address = door
    text = run("list", "--address", address)
    assert [line.split()[1] for line in text.splitlines() if line.startswith("│ r")] == ["r2", "r1"]
    assert "2025-12-31: drift\n  click-through rate of page HOME: 0.0500 before, 0.0200 (-0.60)" in text
    assert "paused" not in text
    servicer.check = DriftCheck(date="2025-12-31", tests=[DriftTest()])
    assert "2025-12-31: no drift in 1 tests" in run("list", "--address", address)
    assert len(json.loads(run("list", "--address", address, "--json"))["runs"]) == 2


def test_a_run_is_shown_with_its_evidence(door: tuple[Door, str]) -> None:
    _, address = door
    text = run("show", "r1", "--address", address)
    assert "model v1 → v2: CANARY since 2026-01-01 00:00 UTC" in text
    assert "triggered by drift 2025-12-31" in text
    assert "difference +0.0100, from -0.0010 to +0.0200, margin -0.0100" in text
    assert "click_through_rate" in text
    assert "refund_rate" not in text, "the primary metric alone is no guardrail"
    weights = run("show", "r2", "--address", address)
    assert ["content", "0.000", "0.600"] in [line.strip("│ ").split(" │ ") for line in _tight(weights)]
    assert json.loads(run("show", "r1", "--address", address, "--json"))["run"]["former_version"] == "v1"


def _tight(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_improvement_is_paused_and_goes_on(door: tuple[Door, str]) -> None:
    _, address = door
    paused = "improvement is paused since 2026-01-01 00:00 UTC: sale"
    assert paused in run("pause", "--reason", "sale", "--address", address)
    assert paused in run("list", "--address", address)
    assert json.loads(run("resume", "--address", address, "--json")) == {}
    assert "improvement goes on" in run("resume", "--address", address)


def test_a_shadow_is_marked_and_let_go(door: tuple[Door, str]) -> None:
    _, address = door
    marked = run("shadow", "v2", "--share", "0.2", "--address", address)
    assert "│ v2 │ 20% │ 1,200 │ 0 │ 0.70 │ – │ 0 of 9 │" in _tight(marked)[3]
    assert json.loads(run("shadow", "--address", address, "--json"))["shadows"][0]["version"] == "v2"
    assert "│ off │" in _tight(run("shadow", "v2", "--off", "--address", address))[3]
    result, text = invoke("improvement", "shadow", "--off", "--address", address)
    assert result.exit_code != 0
    assert "--off needs the version" in text


def test_a_training_or_a_look_is_started(door: tuple[Door, str]) -> None:
    servicer, address = door
    assert "quintet jobs watch j1" in run("run", "--address", address)
    assert json.loads(run("run", "--look", "--address", address, "--json")) == {"job_id": "j2"}
    assert servicer.started == ["train_models", "improve_models"]
