"""Process entry of the product agent: `python -m services.product.server`."""

from collections.abc import Mapping

from quintet.product.v1 import product_service_pb2_grpc as pb_grpc

from services.product.agent import ProductAgent
from services.product.servicer import ProductServicer
from shared.config import Settings
from shared.db.condition import DatabaseCondition
from shared.db.connect import serving_database
from shared.db.revision import require_workable
from shared.monitoring.monitor import monitored
from shared.rpc.readiness import Check
from shared.rpc.server import AgentServer, Service, run, serve_until_stopped

SERVICE = "quintet.product.v1.ProductService"


def build(settings: Settings, agent: ProductAgent, checks: Mapping[str, Check] | None = None) -> AgentServer:
    """Return the server of `agent`, ready while all `checks` hold."""
    service = Service(ProductServicer(agent), pb_grpc.add_ProductServiceServicer_to_server, SERVICE)
    return AgentServer("product", settings, [service], checks)


async def main(settings: Settings) -> None:
    """Serve until the process is told to stop."""
    database = serving_database(settings)
    condition = DatabaseCondition(database, writes=True)
    try:
        require_workable(database)
        async with monitored(settings, "product", database):
            await serve_until_stopped(
                build(settings, ProductAgent(settings, database), {"database": condition.problem})
            )
    finally:
        condition.close()
        database.close()


if __name__ == "__main__":
    run("product", main)
