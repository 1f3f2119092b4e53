"""`quintet models` and `quintet weights` ask what they are told to and show the answers."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1 import operations_pb2 as pb
from quintet.type.v1.model_pb2 import ModelMeasure, ModelVersion
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight

from tests.unit.cli.door import invoke, opened

OLD, NEW = ModelVersion(version="v1", products=12), ModelVersion(version="v2", active=True)
NEW.training.evaluation["home"].event_feedback = "not used: 7 lists with a response, 300 are needed"


class Door(pb_grpc.CoordinatorServiceServicer):
    """Stands for a coordinator: two versions, and the weights that were asked for last."""

    def __init__(self) -> None:
        self.asked = pb.SetWeightsRequest()

    def ListModels(self, request: pb.ListModelsRequest, context: Any) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(models=[NEW, OLD])

    def GetModelQuality(self, request: pb.GetModelQualityRequest, context: Any) -> pb.GetModelQualityResponse:
        measures = [
            ModelMeasure(context="home", metric="ndcg", value=0.5, compared_value=0.4),
            ModelMeasure(context="cart", metric="ndcg", value=0.3),
        ]
        return pb.GetModelQualityResponse(model=NEW, compared_version="v1", measures=measures)

    def ActivateModel(self, request: pb.ActivateModelRequest, context: Any) -> pb.ActivateModelResponse:
        return pb.ActivateModelResponse(model=ModelVersion(version=request.version, active=True))

    def RollBackModel(self, request: pb.RollBackModelRequest, context: Any) -> pb.RollBackModelResponse:
        return pb.RollBackModelResponse(model=OLD)

    def GetWeights(self, request: pb.GetWeightsRequest, context: Any) -> pb.GetWeightsResponse:
        return pb.GetWeightsResponse(weights=[AlgorithmWeight(algorithm="ease", weight=1)], rationale="so")

    def SetWeights(self, request: pb.SetWeightsRequest, context: Any) -> pb.SetWeightsResponse:
        self.asked = request
        return pb.SetWeightsResponse(weights=request.weights, rationale="now")


@pytest.fixture
def door() -> Iterator[tuple[Door, str]]:
    servicer = Door()
    with opened(servicer) as address:
        yield servicer, address


def run(*arguments: str) -> str:
    result, text = invoke(*arguments)
    assert result.exit_code == 0, text
    return text


def test_versions_are_listed_and_compared(door: tuple[Door, str]) -> None:
    where = ("--address", door[1])
    listed = run("models", "list", *where)
    assert listed.index("v2") < listed.index("v1")
    assert [each["version"] for each in json.loads(run("models", "list", "--json", *where))["models"]] == ["v2", "v1"]
    shown = run("models", "show", *where)
    assert "0.4000 (+0.1000)" in shown
    assert "–" in shown
    assert "responses to shown lists, home: not used: 7 lists with a response, 300 are needed" in shown


def test_versions_are_put_in_use(door: tuple[Door, str]) -> None:
    assert run("models", "activate", "v1", "--address", door[1]) == "in use: v1\n"
    assert json.loads(run("models", "rollback", "--json", "--address", door[1]))["version"] == "v1"


def test_weights_are_shown_set_and_reset(door: tuple[Door, str]) -> None:
    servicer, address = door
    assert "so" in run("weights", "show", "--address", address)
    run("weights", "set", "ease=3", "content=0.5", "--reason", "spring", "--address", address)
    assert {each.algorithm: each.weight for each in servicer.asked.weights} == {"ease": 3, "content": 0.5}
    assert servicer.asked.reason == "spring"
    run("weights", "reset", "--address", address)
    assert servicer.asked.reset


def test_a_weight_that_is_none_is_a_usage_error() -> None:
    result, text = invoke("weights", "set", "ease")
    assert result.exit_code == 2
    assert "ease=3" in text
