"""Process entry of the coordinator: `python -m services.coordinator.server`."""

from collections.abc import Mapping

from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.http.server import HttpServer, build_app
from services.coordinator.servicer import CoordinatorServicer
from shared.config import Settings
from shared.db.condition import DatabaseCondition
from shared.db.connect import serving_database
from shared.db.revision import require_current
from shared.rpc.readiness import Check
from shared.rpc.server import AgentServer, Service, run, serve_until_stopped

SERVICE = "quintet.coordinator.v1.CoordinatorService"


def build(settings: Settings, agent: Coordinator, checks: Mapping[str, Check] | None = None) -> AgentServer:
    """Return the server of `agent`, ready while all `checks` hold."""
    service = Service(CoordinatorServicer(agent), pb_grpc.add_CoordinatorServiceServicer_to_server, SERVICE)
    return AgentServer("coordinator", settings, [service], checks)


def build_http(settings: Settings, server: AgentServer) -> list[HttpServer]:
    """Return the web server on the services of `server`; none where it is off."""
    if not settings.http_port:
        return []
    app = build_app(settings, server.in_process())
    return [HttpServer(app, settings.bind_host, settings.http_port, settings.drain_seconds)]


async def main(settings: Settings) -> None:
    """Serve until stopped."""
    database = serving_database(settings)
    condition = DatabaseCondition(database, writes=True)
    require_current(database)
    agent = Coordinator(settings, database, AgentClients(settings))
    await agent.start()
    try:
        server = build(settings, agent, {"database": condition.problem})
        await serve_until_stopped(server, *build_http(settings, server))
    finally:
        await agent.stop()
        condition.close()
        database.close()


if __name__ == "__main__":
    run("coordinator", main)
