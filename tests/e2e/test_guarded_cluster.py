"""The five agents with API keys and TLS on: who gets in, a journey through all of them, and a revoked key."""

import json
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.customer_pb2 import Customer
from quintet.type.v1.event_pb2 import Event, ProductView
from quintet.type.v1.product_pb2 import Product
from typer.testing import CliRunner

from cli.main import app
from shared.config import Settings
from shared.db.engine import Database
from shared.rpc.client import open_coordinator
from tests.support.cluster import Cluster, free_ports, running_cluster
from tests.support.http_client import request

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certs")
    assert CliRunner().invoke(app, ["certs", str(folder)]).exit_code == 0
    return folder


@pytest.fixture
def cluster(sqlite_database: Database, certs: Path) -> Iterator[Cluster]:
    files = {
        "tls_cert": str(certs / "public.crt"),
        "tls_key": str(certs / "public.key"),
        "agents_tls_cert": str(certs / "{agent}.crt"),
        "agents_tls_key": str(certs / "{agent}.key"),
        "agents_tls_ca": str(certs / "agents-ca.crt"),
    }
    [port] = free_ports(1)
    given = files | {"auth": "required", "agent_timeout_seconds": 20, "http_port": port}
    with running_cluster(sqlite_database.url, **given) as cluster:
        yield cluster


def make_key(database: Database, role: str) -> dict[str, str]:
    arguments = ["keys", "create", "--name", role, "--role", role, "--json"]
    made = CliRunner().invoke(app, arguments, env={"QUINTET_DATABASE_URL": database.url})
    assert made.exit_code == 0, made.output
    return dict(json.loads(made.output))


def code_of(cluster: Cluster, settings: Settings) -> grpc.StatusCode:
    with open_coordinator(settings, cluster.address) as channel:
        try:
            pb_grpc.CoordinatorServiceStub(channel).GetStatus(pb.GetStatusRequest(), timeout=10)
        except grpc.RpcError as error:
            return error.code()  # type: ignore[no-any-return]
    return grpc.StatusCode.OK


def http_status(cluster: Cluster, certs: Path, key: str = "") -> int:
    """Return how `GET /v1/status` ends over HTTPS."""
    trusted = ssl.create_default_context(cafile=str(certs / "public-ca.crt"))
    headers = {"x_api_key": key} if key else {}
    return request(cluster.settings.http_port, "GET", "/v1/status", tls=trusted, **headers).status


def every_agent_answers(stub: pb_grpc.CoordinatorServiceStub) -> None:
    products = [Product(product_id=f"tea-{number}", name=f"Tea {number}") for number in range(5)]
    stub.BatchUpsertProducts(pb.BatchUpsertProductsRequest(products=products), timeout=30)
    assert stub.GetProduct(pb.GetProductRequest(product_id="tea-1"), timeout=30).product.name == "Tea 1"
    stub.RegisterCustomer(pb.RegisterCustomerRequest(customer=Customer(customer_id="ann")), timeout=30)
    event = Event(customer_id="ann", product_view=ProductView(product_id="tea-1"))
    stub.RecordEvent(pb.RecordEventRequest(event=event), timeout=30)
    assert stub.GetCustomerProfile(pb.GetCustomerProfileRequest(customer_id="ann"), timeout=30).profile
    assert stub.GetAlgorithmPerformance(pb.GetAlgorithmPerformanceRequest(), timeout=30).weights
    answer = stub.GetRecommendations(pb.GetRecommendationsRequest(customer_id="ann"), timeout=30)
    assert not {fallback for fallback in answer.list.fallbacks if fallback.startswith("recommendation_agent")}


def test_a_shop_behind_keys_and_tls(cluster: Cluster, certs: Path, sqlite_database: Database) -> None:
    trusting = Settings(tls_ca=str(certs / "public-ca.crt"))
    admin, storefront = (make_key(sqlite_database, role) for role in ("admin", "storefront"))
    with_admin = trusting.model_copy(update={"api_key": admin["key"]})

    assert code_of(cluster, Settings(api_key=admin["key"])) is grpc.StatusCode.UNAVAILABLE  # without TLS
    assert code_of(cluster, trusting) is grpc.StatusCode.UNAUTHENTICATED
    with_storefront = trusting.model_copy(update={"api_key": storefront["key"]})
    assert code_of(cluster, with_storefront) is grpc.StatusCode.PERMISSION_DENIED
    assert code_of(cluster, with_admin) is grpc.StatusCode.OK

    keys = ("", storefront["key"], admin["key"])
    assert [http_status(cluster, certs, key) for key in keys] == [401, 403, 200]

    with open_coordinator(with_admin, cluster.address) as channel:
        every_agent_answers(pb_grpc.CoordinatorServiceStub(channel))

    environment = {
        "QUINTET_TLS_CA": trusting.tls_ca,
        "QUINTET_API_KEY": admin["key"],
        "QUINTET_COORDINATOR_ADDRESS": cluster.address,
    }
    status = CliRunner().invoke(app, ["status", "--json"], env=environment)
    assert status.exit_code == 0, status.output

    CliRunner().invoke(app, ["keys", "revoke", admin["key_id"]], env={"QUINTET_DATABASE_URL": sqlite_database.url})
    until = time.monotonic() + 5
    while code_of(cluster, with_admin) is grpc.StatusCode.OK:
        assert time.monotonic() < until, "a revoked key was still accepted after five seconds"
    assert http_status(cluster, certs, admin["key"]) == 401
    assert admin["key"] not in "\n".join(cluster.log)
