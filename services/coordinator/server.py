"""Process entry of the coordinator: `python -m services.coordinator.server`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.http.server import HttpServer, build_app
from services.coordinator.servicer import CoordinatorServicer
from shared.config import Settings
from shared.db.api_keys import note_keys_used, read_unrevoked
from shared.db.condition import DatabaseCondition
from shared.db.connect import serving_database
from shared.db.engine import Database
from shared.db.revision import require_workable
from shared.monitoring.monitor import monitored
from shared.rpc.authentication import Anybody, Authenticator, KeyAuthenticator
from shared.rpc.exposure import server_files
from shared.rpc.readiness import Check
from shared.rpc.server import AgentServer, Service, run, serve_until_stopped
from shared.rpc.tls import server_context

SERVICE = "quintet.coordinator.v1.CoordinatorService"


def build(
    settings: Settings,
    agent: Coordinator,
    checks: Mapping[str, Check] | None = None,
    authenticator: Authenticator | None = None,
) -> AgentServer:
    """Return the server of `agent`, ready while all `checks` hold; without an authenticator it lets everybody call."""
    service = Service(CoordinatorServicer(agent), pb_grpc.add_CoordinatorServiceServicer_to_server, SERVICE)
    return AgentServer("coordinator", settings, [service], checks, authenticator)


def build_http(settings: Settings, server: AgentServer) -> list[HttpServer]:
    """Return the web server on the services of `server`, with its certificate; none where it is off.

    Raises FailedPrecondition when the certificate cannot be used.
    """
    if not settings.http_port:
        return []
    files = server_files("coordinator", settings)
    tls = None if files is None else server_context(files)
    app = build_app(settings, server.in_process())
    return [HttpServer(app, settings.bind_host, settings.http_port, settings.drain_seconds, tls)]


@asynccontextmanager
async def authentication(settings: Settings, database: Database) -> AsyncIterator[Authenticator]:
    """Give what tells callers apart, as the settings ask."""
    if settings.auth == "off":
        yield Anybody()
        return
    keys = KeyAuthenticator(partial(read_unrevoked, database), partial(note_keys_used, database))
    await keys.start()
    try:
        yield keys
    finally:
        await keys.stop()


async def main(settings: Settings) -> None:
    """Serve until stopped."""
    database = serving_database(settings)
    condition = DatabaseCondition(database, writes=True)
    require_workable(database)
    agent = Coordinator(settings, database, AgentClients(settings))
    await agent.start()
    try:
        async with authentication(settings, database) as authenticator, monitored(settings, "coordinator", database):
            server = build(settings, agent, {"database": condition.problem}, authenticator)
            await serve_until_stopped(server, *build_http(settings, server))
    finally:
        await agent.stop()
        condition.close()
        database.close()


if __name__ == "__main__":
    run("coordinator", main)
