"""HTTP/JSON of real agents: curl as people use it, the same answers as gRPC, and the OpenAPI document."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from benchmarks.web.schema_check import check_document, found_in
from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.e2e import small_shop
from tests.support.cluster import coordinator_stub, free_ports, running_cluster

SHOPPER = "shopper-1"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The gRPC address and the URL of a coordinator with a small shop, not trained."""
    url = f"sqlite:///{tmp_path_factory.mktemp('shop') / 'quintet.db'}"
    database = Database(url)
    migrate(database)
    database.close()
    [port] = free_ports(1)
    with running_cluster(url, http_port=port, refresh_catalog_hours=0, train_hours=0) as cluster:
        with coordinator_stub(cluster.address) as stub:
            rng = small_shop.seeded()
            stub.BatchUpsertProducts(pb.BatchUpsertProductsRequest(products=small_shop.products(rng)), timeout=60)
            stub.BatchUpsertCustomers(pb.BatchUpsertCustomersRequest(customers=small_shop.customers(rng)), timeout=60)
            stub.BatchRecordEvents(pb.BatchRecordEventsRequest(events=small_shop.events(rng)), timeout=60)
            small_shop.wait_until_applied(stub)
            wait_for_recommendations(stub)
        yield cluster.address, f"http://127.0.0.1:{port}"


def wait_for_recommendations(stub: Any) -> None:
    """Wait until the coordinator has counted best-sellers: there is no model."""
    wanted = pb.GetRecommendationsRequest(customer_id=SHOPPER, limit=5)
    give_up = time.monotonic() + 60
    while len(stub.GetRecommendations(wanted, timeout=30).list.recommendations) < 5:
        assert time.monotonic() < give_up, "there are no best-sellers"
        time.sleep(0.05)


def curl(*arguments: str) -> tuple[int, Any]:
    """Return the status and the JSON of what curl is told to do."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--max-time", "30", "--write-out", "\n%{http_code}", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body) if body else None


def test_a_storefront_lives_by_the_three_plain_calls(shop: tuple[str, str]) -> None:
    _, url = shop
    status, answer = curl(f"{url}/recommendations?customer_id={SHOPPER}&limit=5")
    assert (status, len(answer["recommendations"])) == (200, 5)
    card = answer["recommendations"][0]
    assert card["price"].replace(".", "").lstrip("0") == str(card["price_minor"])
    view = {
        "event_type": "page_view",
        "customer_id": SHOPPER,
        "product_id": card["product_id"],
        "page_type": "product_page",
        "timestamp": 1767323045,
        "recommendation_id": card["recommendation_id"],
    }
    status, recorded = curl(f"{url}/event", "-H", "Content-Type: application/json", "-d", json.dumps(view))
    assert (status, recorded["recorded"], recorded["duplicate"]) == (200, True, False)
    shown = {"event_type": "impression", "customer_id": SHOPPER, "attribution_token": answer["attribution_token"]}
    status, recorded = curl(f"{url}/event", "-H", "Content-Type: application/json", "-d", json.dumps(shown))
    assert (status, recorded["recorded"]) == (200, True)
    click = {"recommendation_id": card["recommendation_id"], "interaction_type": "click", "timestamp": 1767323045123}
    status, recorded = curl(f"{url}/feedback", "-H", "Content-Type: application/json", "-d", json.dumps(click))
    assert (status, recorded["recorded"]) == (200, True)
    status, profile = curl(f"{url}/v1/customers/{SHOPPER}/profile")
    seen = [view["product_id"] for view in profile["profile"]["views"] if view["time"] == "2026-01-02T03:04:05Z"]
    assert (status, seen) == (200, [card["product_id"]])


def test_a_beacon_is_recorded(shop: tuple[str, str]) -> None:
    _, url = shop
    event = json.dumps({"event_type": "add_to_cart", "customer_id": "shopper-2", "product_id": "tea-1", "quantity": 2})
    assert curl(f"{url}/event", "-H", "Content-Type: text/plain;charset=UTF-8", "-d", event) == (204, None)
    _, profile = curl(f"{url}/v1/customers/shopper-2/profile")
    assert [(line["product_id"], line["quantity"]) for line in profile["profile"]["cart"]] == [("tea-1", 2.0)]


def test_http_and_grpc_know_the_same(shop: tuple[str, str]) -> None:
    address, url = shop
    status, _ = curl(
        "-X", "PUT", f"{url}/v1/products/new%2F1", "-H", "Content-Type: application/json", "-d", '{"name": "New"}'
    )
    assert status == 200
    with coordinator_stub(address) as stub:
        found = stub.GetProduct(pb.GetProductRequest(product_id="new/1"), timeout=30)
    assert found.product.name == "New"
    status, problem = curl(f"{url}/recommendations?customer_id=123&limit=5")
    assert (status, problem["code"], problem["field_violations"][0]["field"]) == (404, "NOT_FOUND", "customer_id")


@pytest.mark.slow
def test_answers_are_as_the_document_says(shop: tuple[str, str], tmp_path: Path) -> None:
    _, url = shop
    found = check_document(url, tmp_path / "report.json", examples=1, seed=1, phases="examples,fuzzing", minutes=5)
    assert found.lines == []
    assert found.cases > 50


def test_what_schemathesis_finds_is_counted() -> None:
    failure = {"code": "ST1", "title": "Server error", "operations": ["GET /v1/status"]}
    report = {"failures": [failure], "errors": [], "complete": False, "stop_reason": "interrupted"}
    found = found_in(report | {"test_cases": {"generated": 7}})
    assert (found.cases, found.failures) == (7, 2)
    assert found.lines[0] == "ST1 Server error: GET /v1/status"
