"""A recommendation agent that hangs costs a marked fallback within the caller's deadline."""

import asyncio
from typing import Any

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as recommendation_grpc

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.fallback import REASON
from services.coordinator.server import build
from shared.config import Settings
from shared.db.engine import Database
from shared.rpc.client import open_channel
from tests.support.shop import add_customers, add_products

NOWHERE = "127.0.0.1:1"


class Hanging(recommendation_grpc.RecommendationServiceServicer):
    """Answers nothing until it is cancelled."""

    async def Recommend(self, request: Any, context: Any) -> Any:  # type: ignore[override]
        await asyncio.Event().wait()


@pytest.mark.parametrize("deadline_seconds", [0.8, 2.0])
async def test_a_hung_agent_costs_a_fallback_and_no_deadline(
    sqlite_database: Database, deadline_seconds: float
) -> None:
    add_customers(sqlite_database, "ann")
    add_products(sqlite_database, "tea")
    hung = grpc.aio.server()
    recommendation_grpc.add_RecommendationServiceServicer_to_server(Hanging(), hung)
    port = hung.add_insecure_port("127.0.0.1:0")
    await hung.start()
    settings = Settings(
        coordinator_port=0,
        drain_seconds=0.1,
        customer_address=NOWHERE,
        product_address=NOWHERE,
        recommendation_address=f"127.0.0.1:{port}",
        feedback_address=NOWHERE,
    )
    agent = Coordinator(settings, sqlite_database, AgentClients(settings))
    await agent.start()
    server = build(settings, agent)
    channel = open_channel(f"127.0.0.1:{await server.start()}")
    stub: Any = pb_grpc.CoordinatorServiceStub(channel)
    try:
        request = pb.GetRecommendationsRequest(customer_id="ann")
        answer = await stub.GetRecommendations(request, timeout=deadline_seconds)
        assert list(answer.list.fallbacks) == [REASON]
    finally:
        await channel.close()
        await server.stop()
        await agent.stop()
        await hung.stop(None)
