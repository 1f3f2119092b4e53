"""PostgreSQL stops and starts again under running agents: they say so, and are whole again within five seconds."""

import os
import time
import uuid
from collections.abc import Iterator

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.event_pb2 import Event, HomeView

from shared.db.engine import Database
from shared.db.migrate import migrate
from shared.rpc.probe import health
from tests.support.cluster import Cluster, coordinator_stub, running_cluster
from tests.support.postgres import Server, find_binaries, restartable_server
from tests.support.shop import add_customers, add_products
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.postgres, pytest.mark.slow]
WHOLE_WITHIN_SECONDS = 5.0


@pytest.fixture
def server() -> Iterator[Server]:
    binaries = find_binaries()
    if binaries is None:
        pytest.fail("no PostgreSQL") if os.environ.get("CI") else pytest.skip("no PostgreSQL")
    with restartable_server(binaries) as running:
        yield running


@pytest.fixture
def cluster(server: Server) -> Iterator[Cluster]:
    database = Database(server.url)
    migrate(database)
    add_customers(database, "ann")
    add_products(database, "tea", "cup")
    database.close()
    with running_cluster(server.url) as running:
        yield running


def test_agents_recover_from_a_restart_of_the_database(server: Server, cluster: Cluster) -> None:
    with coordinator_stub(cluster.address) as stub:
        wait_until(lambda: works(stub))
        server.stop()
        wait_until(lambda: health(cluster.address) == "NOT_SERVING")
        assert not works(stub)
        server.start()
        started = time.monotonic()
        wait_until(lambda: works(stub))
        wait_until(lambda: health(cluster.address) == "SERVING")
        assert time.monotonic() - started < WHOLE_WITHIN_SECONDS
    assert cluster.restarts("coordinator") == 0, "by itself"


def works(stub: pb_grpc.CoordinatorServiceStub) -> bool:
    """Say whether an event is recorded and both followers keep up, a product is found and a page has no fallback."""
    event = Event(event_id=uuid.uuid4().hex, customer_id="ann", home_view=HomeView())
    try:
        recorded = stub.RecordEvent(pb.RecordEventRequest(event=event), timeout=3)
        stub.GetProduct(pb.GetProductRequest(product_id="tea"), timeout=3)
        page = stub.GetRecommendations(pb.GetRecommendationsRequest(customer_id="ann", limit=2), timeout=3).list
    except grpc.RpcError:
        return False
    return not recorded.pending_agents and "recommendation_agent_unavailable" not in page.fallbacks
