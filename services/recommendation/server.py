"""Process entry of the recommendation agent: `python -m services.recommendation.server`."""

import asyncio
from collections.abc import Mapping

from quintet.recommendation.v1 import recommendation_service_pb2_grpc as pb_grpc

from services.recommendation.agent import RecommendationAgent
from services.recommendation.servicer import RecommendationServicer
from shared.config import Settings
from shared.db.condition import DatabaseCondition
from shared.db.connect import serving_database
from shared.db.revision import require_workable
from shared.monitoring.monitor import monitored
from shared.rpc.readiness import Check
from shared.rpc.server import AgentServer, Service, run, serve_until_stopped

SERVICE = "quintet.recommendation.v1.RecommendationService"


def build(settings: Settings, agent: RecommendationAgent, checks: Mapping[str, Check] | None = None) -> AgentServer:
    """Return the server of `agent`, ready while all `checks` hold."""
    service = Service(RecommendationServicer(agent), pb_grpc.add_RecommendationServiceServicer_to_server, SERVICE)
    return AgentServer("recommendation", settings, [service], checks)


async def main(settings: Settings) -> None:
    """Serve until stopped."""
    database = serving_database(settings)
    condition = DatabaseCondition(database, writes=False)
    require_workable(database)
    agent = RecommendationAgent(settings, database)
    await asyncio.to_thread(agent.start)
    try:
        async with monitored(settings, "recommendation", database):
            await serve_until_stopped(
                build(settings, agent, {"database": condition.problem, "model": agent.model_problem})
            )
    finally:
        await asyncio.to_thread(agent.stop)
        condition.close()
        database.close()


if __name__ == "__main__":
    run("recommendation", main)
