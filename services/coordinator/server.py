"""Process entry of the coordinator: `python -m services.coordinator.server`."""

from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.servicer import CoordinatorServicer
from shared.config import Settings
from shared.db.connect import serving_database
from shared.db.revision import require_current
from shared.rpc.server import AgentServer, Service, run, serve_until_stopped

SERVICE = "quintet.coordinator.v1.CoordinatorService"


def build(settings: Settings, agent: Coordinator) -> AgentServer:
    """Return the server of `agent`."""
    service = Service(CoordinatorServicer(agent), pb_grpc.add_CoordinatorServiceServicer_to_server, SERVICE)
    return AgentServer("coordinator", settings, [service])


async def main(settings: Settings) -> None:
    """Serve until stopped."""
    database = serving_database(settings)
    require_current(database)
    agent = Coordinator(settings, database, AgentClients(settings))
    await agent.start()
    try:
        await serve_until_stopped(build(settings, agent))
    finally:
        await agent.stop()
        database.close()


if __name__ == "__main__":
    run("coordinator", main)
