"""Trainings and tuning go to the agent that answers no shopper, where there is one; all else to those that do."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as recommendation_grpc

from services.coordinator.agent_clients import AgentClients
from shared.config import Settings
from tests.support.fake_agents import serving

REGISTER = recommendation_grpc.add_RecommendationServiceServicer_to_server
TRAIN = recommendation_pb.TrainModelsRequest()


class Recommender(recommendation_grpc.RecommendationServiceServicer):
    """Counts what it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def TrainModels(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.asked.append("train")
        yield recommendation_pb.TrainModelsResponse()

    async def Recommend(self, request: Any, context: Any) -> Any:
        self.asked.append("recommend")
        return recommendation_pb.RecommendResponse()


@pytest.mark.parametrize("apart", [True, False])
async def test_trainings_go_to_the_agent_that_answers_no_shopper(apart: bool) -> None:
    answering, training = Recommender(), Recommender()
    async with serving(answering, REGISTER) as address, serving(training, REGISTER) as trainer:
        settings = Settings(_env_file=None, recommendation_address=address, training_address=trainer if apart else "")
        agents = AgentClients(settings)
        assert [each async for each in agents.stream(agents.training.TrainModels, TRAIN)]
        await agents.recommend(recommendation_pb.RecommendRequest())
        await agents.close()
    assert training.asked == (["train"] if apart else [])
    assert answering.asked == (["recommend"] if apart else ["train", "recommend"])
