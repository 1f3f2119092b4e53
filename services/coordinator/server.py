"""Process entry of the coordinator: `python -m services.coordinator.server`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.servicer import CoordinatorServicer
from shared.config import Settings
from shared.db.api_keys import note_keys_used, read_unrevoked
from shared.db.engine import Database
from shared.db.revision import require_current
from shared.rpc.authentication import Anybody, Authenticator, KeyAuthenticator
from shared.rpc.server import AgentServer, Service, run, serve_until_stopped

SERVICE = "quintet.coordinator.v1.CoordinatorService"


def build(settings: Settings, agent: Coordinator, authenticator: Authenticator | None = None) -> AgentServer:
    """Return the server of `agent`; without an authenticator it lets everybody call."""
    service = Service(CoordinatorServicer(agent), pb_grpc.add_CoordinatorServiceServicer_to_server, SERVICE)
    return AgentServer("coordinator", settings, [service], authenticator)


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
    database = Database(settings.database_url)
    require_current(database)
    agent = Coordinator(settings, database, AgentClients(settings))
    await agent.start()
    try:
        async with authentication(settings, database) as authenticator:
            await serve_until_stopped(build(settings, agent, authenticator))
    finally:
        await agent.stop()
        database.close()


if __name__ == "__main__":
    run("coordinator", main)
