"""Process entry of the customer agent: `python -m services.customer.server`."""

from collections.abc import Mapping

from quintet.customer.v1 import customer_service_pb2_grpc as pb_grpc

from services.customer.agent import CustomerAgent
from services.customer.servicer import CustomerServicer
from shared.config import Settings
from shared.db.condition import DatabaseCondition
from shared.db.connect import serving_database
from shared.db.revision import require_workable
from shared.events.catch_up import CatchUp
from shared.monitoring.monitor import monitored
from shared.rpc.readiness import Check
from shared.rpc.server import AgentServer, Service, run, serve_until_stopped

SERVICE = "quintet.customer.v1.CustomerService"


def build(settings: Settings, agent: CustomerAgent, checks: Mapping[str, Check] | None = None) -> AgentServer:
    """Return the server of `agent`, ready while all `checks` hold."""
    service = Service(CustomerServicer(agent), pb_grpc.add_CustomerServiceServicer_to_server, SERVICE)
    return AgentServer("customer", settings, [service], checks)


async def main(settings: Settings) -> None:
    """Serve until the process is told to stop."""
    database = serving_database(settings)
    condition = DatabaseCondition(database, writes=True)
    require_workable(database)
    agent = CustomerAgent(settings, database)
    catch_up = CatchUp("customer", agent.apply_batch)
    catch_up.start()
    try:
        async with monitored(settings, "customer", database):
            await serve_until_stopped(build(settings, agent, {"database": condition.problem}))
    finally:
        await catch_up.stop()
        condition.close()
        database.close()


if __name__ == "__main__":
    run("customer", main)
