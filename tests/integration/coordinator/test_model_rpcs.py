"""Models, weights and attribution over the coordinator, in front of agents that note what they are asked."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1 import operations_pb2 as pb
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.feedback.v1 import feedback_service_pb2_grpc as feedback_grpc
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as recommendation_grpc
from quintet.type.v1.model_pb2 import ModelMeasure, ModelVersion
from quintet.type.v1.recommendation_pb2 import AlgorithmWeight, LoggedList, RecommendationOutcome

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.server import build
from shared.config import Settings
from shared.db.engine import Database
from shared.errors import InvalidArgument, NotFound
from shared.recommendation_tokens import Shopper
from shared.rpc.client import call, open_channel
from tests.support.fake_agents import serving

NOWHERE = "127.0.0.1:1"
WEIGHTS = [AlgorithmWeight(algorithm="ease", weight=1.0)]


class Recommender(recommendation_grpc.RecommendationServiceServicer):
    """Has two versions."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def ListModelVersions(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        models = [ModelVersion(version="v2", active=True), ModelVersion(version="v1")]
        return recommendation_pb.ListModelVersionsResponse(models=models, next_page_token="t")  # noqa: S106

    async def ActivateModelVersion(self, request: Any, context: Any) -> Any:
        return recommendation_pb.ActivateModelVersionResponse(model=ModelVersion(version=request.version, active=True))

    async def RollBackModelVersion(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        return recommendation_pb.RollBackModelVersionResponse(model=ModelVersion(version="v1", active=True))

    async def GetModelQuality(self, request: Any, context: Any) -> Any:
        measures = [ModelMeasure(context="home", metric="ndcg", value=0.5, compared_value=0.4)]
        return recommendation_pb.GetModelQualityResponse(
            model=ModelVersion(version=request.version), compared_version="v1", measures=measures
        )


class Feedback(feedback_grpc.FeedbackServiceServicer):
    """Notes what is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    async def GetWeights(self, request: Any, context: Any) -> Any:
        return feedback_pb.GetWeightsResponse(weights=WEIGHTS, rationale="so")

    async def UpdateWeights(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        return feedback_pb.UpdateWeightsResponse(weights=request.weights, rationale=request.reason)

    async def GetAttribution(self, request: Any, context: Any) -> Any:
        self.asked.append(request)
        made = LoggedList(strategy="hybrid") if request.WhichOneof("subject") == "list_number" else None
        return feedback_pb.GetAttributionResponse(outcomes=[RecommendationOutcome(product_id="tea")], list=made)


class Door:
    """The coordinator, and the agents behind it."""

    def __init__(self, stub: Any, agent: Coordinator, recommender: Recommender, feedback: Feedback) -> None:
        self.stub, self.agent, self.recommender, self.feedback = stub, agent, recommender, feedback


@pytest.fixture
async def door(sqlite_database: Database) -> AsyncIterator[Door]:
    recommender, feedback = Recommender(), Feedback()
    async with (
        serving(recommender, recommendation_grpc.add_RecommendationServiceServicer_to_server) as recommending,
        serving(feedback, feedback_grpc.add_FeedbackServiceServicer_to_server) as following,
    ):
        addresses = {"recommendation_address": recommending, "feedback_address": following}
        nowhere = dict.fromkeys(("customer_address", "product_address"), NOWHERE)
        settings = Settings(_env_file=None, coordinator_port=0, drain_seconds=0, **addresses, **nowhere)
        agent = Coordinator(settings, sqlite_database, AgentClients(settings))
        server = build(settings, agent)
        async with open_channel(f"127.0.0.1:{await server.start()}") as channel:
            yield Door(pb_grpc.CoordinatorServiceStub(channel), agent, recommender, feedback)
        await server.stop()
        await agent.agents.close()


async def test_versions_are_listed_compared_and_put_in_use(door: Door) -> None:
    listed = await call(door.stub.ListModels, pb.ListModelsRequest(page_size=2), 10)
    assert [(each.version, each.active) for each in listed.models] == [("v2", True), ("v1", False)]
    assert (listed.next_page_token, door.recommender.asked[0].page_size) == ("t", 2)
    activated = await call(door.stub.ActivateModel, pb.ActivateModelRequest(version="v1"), 10)
    assert (activated.model.version, activated.model.active) == ("v1", True)
    quality = await call(door.stub.GetModelQuality, pb.GetModelQualityRequest(version="v2"), 10)
    assert (quality.model.version, quality.compared_version, quality.measures[0].value) == ("v2", "v1", 0.5)


async def test_a_roll_back_carries_the_request_id(door: Door) -> None:
    answer = await call(door.stub.RollBackModel, pb.RollBackModelRequest(request_id="r"), 10)
    assert answer.model.version == "v1"
    assert door.recommender.asked[0].request_key.request_id == "r"


async def test_weights_are_shown_and_set(door: Door) -> None:
    assert (await call(door.stub.GetWeights, pb.GetWeightsRequest(), 10)).rationale == "so"
    request = pb.SetWeightsRequest(weights=WEIGHTS, reason="spring", request_id="r")
    answer = await call(door.stub.SetWeights, request, 10)
    assert (list(answer.weights), answer.rationale) == (WEIGHTS, "spring")
    assert door.feedback.asked[0].request_key.request_id == "r"
    with pytest.raises(InvalidArgument):
        await call(door.stub.SetWeights, pb.SetWeightsRequest(), 10)


async def test_an_outcome_is_asked_for_by_the_id_that_an_answer_gave(door: Door) -> None:
    token = door.agent.tokens.issue(4711, Shopper("ann"))
    answer = await call(door.stub.GetAttribution, pb.GetAttributionRequest(recommendation_id=token), 10)
    assert [each.product_id for each in answer.outcomes] == ["tea"]
    assert door.feedback.asked[0].recommendation_number == 4711
    assert not answer.HasField("list")
    token = door.agent.tokens.issue_list(33, 2, Shopper("ann"))
    answer = await call(door.stub.GetAttribution, pb.GetAttributionRequest(attribution_token=token), 10)
    assert (answer.list.strategy, door.feedback.asked[1].list_number) == ("hybrid", 33)
    with pytest.raises(NotFound):
        await call(door.stub.GetAttribution, pb.GetAttributionRequest(recommendation_id="4711"), 10)
