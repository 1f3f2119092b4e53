"""`quintet experiment` creates what a file says, prints what came of it, and ends it."""

import json
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.experiment_pb2 import (
    ArmComparison,
    ArmMetric,
    ArmResult,
    Experiment,
    ExperimentMetric,
    ExperimentResults,
    ExperimentState,
    Verdict,
)
from typer.testing import CliRunner

from cli.main import app

FILE = """
experiments:
  - experiment_id: bolder
    placement_ids: [home]
    arms:
      - variant: {variant_id: as_now}
      - variant: {variant_id: bold, diversity: 0.3}
"""
CTR = ExperimentMetric.EXPERIMENT_METRIC_CLICK_THROUGH_RATE


class Door(pb_grpc.CoordinatorServiceServicer):
    """Stands for a coordinator with the experiments of one dictionary."""

    def __init__(self) -> None:
        self.experiments: dict[str, Experiment] = {}
        self.asked: list[Any] = []

    def CreateExperiment(self, request: pb.CreateExperimentRequest, context: Any) -> pb.CreateExperimentResponse:
        request.experiment.state = ExperimentState.EXPERIMENT_STATE_RUNNING
        self.experiments[request.experiment.experiment_id] = request.experiment
        return pb.CreateExperimentResponse(experiment=request.experiment)

    def ListExperiments(self, request: pb.ListExperimentsRequest, context: Any) -> pb.ListExperimentsResponse:
        return pb.ListExperimentsResponse(experiments=self.experiments.values())

    def StopExperiment(self, request: pb.StopExperimentRequest, context: Any) -> pb.StopExperimentResponse:
        self.asked.append(request)
        return pb.StopExperimentResponse(experiment=self.experiments[request.experiment_id])

    def ConcludeExperiment(self, request: pb.ConcludeExperimentRequest, context: Any) -> pb.ConcludeExperimentResponse:
        self.asked.append(request)
        return pb.ConcludeExperimentResponse(experiment=self.experiments[request.experiment_id])

    def DeleteExperiment(self, request: pb.DeleteExperimentRequest, context: Any) -> pb.DeleteExperimentResponse:
        return pb.DeleteExperimentResponse(deleted=bool(self.experiments.pop(request.experiment_id)))

    def GetExperimentResults(self, request: Any, context: Any) -> pb.GetExperimentResultsResponse:
        metric = ArmMetric(metric=CTR, value=0.1, low=0.05, high=0.15)
        known = ArmComparison(
            arm_id="bold", metric=CTR, difference=0.5, low=0.1, high=0.9, p_value=0.01, verdict=Verdict.VERDICT_BETTER
        )
        unknown = ArmComparison(arm_id="bold", metric=CTR, verdict=1, guardrail=True)
        return pb.GetExperimentResultsResponse(
            results=ExperimentResults(
                experiment=self.experiments[request.experiment_id],
                arms=[ArmResult(arm_id="as_now", units=1_234, metrics=[metric])],
                comparisons=[known, unknown],
                planned_units=2_000,
                days_left=3.2,
                summary="Arm bold is better.",
            )
        )

    def EstimateSampleSize(self, request: Any, context: Any) -> pb.EstimateSampleSizeResponse:
        self.asked.append(request)
        return pb.EstimateSampleSizeResponse(units_per_arm=5_000, units_per_arm_fixed=4_000, days=20, baseline=0.02)


@pytest.fixture
def door() -> Iterator[tuple[Door, str]]:
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    stands = Door()
    pb_grpc.add_CoordinatorServiceServicer_to_server(stands, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield stands, f"127.0.0.1:{port}"
    server.stop(None).wait()


def run(address: str, *arguments: str) -> str:
    found = CliRunner().invoke(app, ["experiment", *arguments, "--address", address])
    assert found.exit_code == 0, found.output
    return " ".join(found.output.split())


def test_a_file_is_started_listed_shown_ended_and_deleted(door: tuple[Door, str], tmp_path: Path) -> None:
    stands, address = door
    file = tmp_path / "experiment.yaml"
    file.write_text(FILE)
    assert "as_now, bold" in run(address, "create", str(file))
    assert "bolder" in run(address, "list")
    shown = run(address, "show", "bolder")
    for part in ("1,234", "0.1 (0.05 to 0.15)", "+50.0%", "+10.0% to +90.0%", "better", "(guardrail)", "some 3 days"):
        assert part in shown, part
    assert "stopped" in run(address, "stop", "bolder", "--reason", "sale")
    assert "done from now on" in run(address, "conclude", "bolder", "bold", "--apply")
    assert [(each.experiment_id, each.reason) for each in stands.asked] == [("bolder", "sale"), ("bolder", "")]
    assert stands.asked[1].apply
    assert "deleted" in run(address, "delete", "bolder")


def test_every_command_prints_json(door: tuple[Door, str], tmp_path: Path) -> None:
    _, address = door
    file = tmp_path / "experiment.yaml"
    file.write_text(FILE)
    created = json.loads(run(address, "create", str(file), "--json"))
    assert [each["experiment_id"] for each in created["experiments"]] == ["bolder"]
    assert json.loads(run(address, "list", "--json")) == created
    assert json.loads(run(address, "show", "bolder", "--json"))["summary"] == "Arm bold is better."
    for command in (("stop", "bolder"), ("conclude", "bolder", "bold")):
        assert json.loads(run(address, *command, "--json"))["experiment_id"] == "bolder"
    assert json.loads(run(address, "size", "--json"))["units_per_arm"] == "5000"
    assert json.loads(run(address, "delete", "bolder", "--json")) == {"deleted": "bolder"}


def test_a_size_is_asked_for_and_said(door: tuple[Door, str]) -> None:
    stands, address = door
    said = run(address, "size", "--metric", "click_through_rate", "--effect", "0.1", "--arms", "3")
    assert "5,000 customers an arm find +10% of click_through_rate (0.02 now)" in said
    assert (stands.asked[0].metric, stands.asked[0].arms) == (CTR, 3)


def test_an_unknown_metric_is_refused() -> None:
    found = CliRunner().invoke(app, ["experiment", "size", "--metric", "fame"])
    assert found.exit_code == 2
    assert "fame" in found.output


def test_a_bad_file_is_refused_before_anything_is_stored(door: tuple[Door, str], tmp_path: Path) -> None:
    stands, address = door
    file = tmp_path / "experiment.yaml"
    file.write_text(FILE + "  - experiment_id: BAD\n")
    found = CliRunner().invoke(app, ["experiment", "create", str(file), "--address", address])
    assert (found.exit_code, stands.experiments) == (1, {})
