"""The example clients: the same journey, step by step and field by field, in every language."""

import json
import re
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.customer_pb2 import Customer
from typer.testing import CliRunner

from cli.main import app
from shared.rpc.tls import server_credentials
from tests.e2e import fake_coordinator
from tests.support.certificates import write
from tests.support.clients import BUILDERS, ROOT, curl_client, play, run
from tests.support.cluster import coordinator_stub, free_ports, running_cluster

LONGEST_RUN_SECONDS = 30.0
"""A run takes about a second, on a busy machine with a virtual machine to start many times that; none may hang."""

ANSWER = ["strategy", "fallbacks", "recommendations"]
STEPS = {
    "register_customer": ["customer_id", "region", "age"],
    "import_products": ["product_ids", "created", "rejected"],
    "price_change": ["product_id", "amount_minor"],
    "home": ANSWER,
    "view_1": ["product_id", "product_name", *ANSWER],
    "view_2_click": ["product_id", "product_name", *ANSWER],
    "view_3": ["product_id", "product_name", *ANSWER],
    "search": ["query", *ANSWER],
    "add_to_cart": ["product_id", *ANSWER],
    "purchase": ["purchase_id", "product_id", "amount"],
    "post_purchase": ANSWER,
    "home_after_purchase": ANSWER,
    "placement": ["placement_id", "filter", *ANSWER],
    "rank": ["strategy", "fallbacks", "product_ids"],
    "feedback_shown": ["recommendation_id", "product_name"],
    "feedback_click": ["recommendation_id", "product_name"],
    "duplicate_event": ["event_id", "duplicate"],
    "bad_request": ["status", "violations"],
    "profile": ["views", "purchases", "categories", "segments"],
    "similar_products": ["product_id", "similar"],
    "delete_products": ["deleted"],
    "delete_customer": ["receipt_id", "erased", "models_note"],
    "profile_gone": ["status"],
}
FAULTS = {
    "shows_purchased": ("post_purchase", "purchased product p-1 not recommended"),
    "never_changes": ("home_after_purchase", "other recommendations than before"),
    "forgets_event_ids": ("duplicate_event", "duplicate of the first"),
    "hides_field": ("bad_request", "event.product_view.duration_seconds"),
    "keeps_prices": ("price_change", "Example espresso at 449"),
    "ignores_filters": ("placement", "alone to pass"),
    "loses_products": ("rank", "an order of"),
    "keeps_customer": ("profile_gone", "expected an error"),
}
CURL_STEPS = [
    "register_customer",
    "import_products",
    "price_change",
    "home",
    "view_click",
    "add_to_cart",
    "purchase",
    "home_after_purchase",
    "placement",
    "rank",
    "feedback_click",
    "duplicate_event",
    "bad_request",
    "profile",
    "similar_products",
    "delete_products",
    "delete_customer",
    "profile_gone",
]
StartCoordinator = Callable[..., str]


@pytest.fixture(
    scope="module",
    params=[
        "python",
        pytest.param("node", marks=pytest.mark.toolchain),
        pytest.param("go", marks=pytest.mark.toolchain),
        pytest.param("java", marks=pytest.mark.toolchain),
    ],
)
def client(request: pytest.FixtureRequest) -> list[str]:
    """The command that runs the client of one language, built."""
    return BUILDERS[request.param]()


@pytest.fixture
def start_coordinator() -> Iterator[StartCoordinator]:
    """Start a fake coordinator with the named faults and return its address."""
    servers = []

    def start(*faults: str) -> str:
        server, address = fake_coordinator.start(frozenset(faults))
        servers.append(server)
        return address

    yield start
    for server in servers:
        server.stop(None).wait()


@dataclass(frozen=True)
class Shop:
    """Where a coordinator answers, and what a client needs to be let in."""

    address: str
    url: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def shop(trained_shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A coordinator of five running agents with API keys and TLS, and a trained small shop."""
    folder = tmp_path_factory.mktemp("shop")
    database = f"sqlite:///{folder / 'quintet.db'}"
    shutil.copy(trained_shop, folder / "quintet.db")
    quintet(database, "certs", str(folder))
    made = quintet(database, "keys", "create", "--name", "shop", "--role", "admin", "--json")
    environment = {"QUINTET_TLS_CA": str(folder / "public-ca.crt"), "QUINTET_API_KEY": json.loads(made)["key"]}
    [port] = free_ports(1)
    files = {
        "tls_cert": str(folder / "public.crt"),
        "tls_key": str(folder / "public.key"),
        "agents_tls_cert": str(folder / "{agent}.crt"),
        "agents_tls_key": str(folder / "{agent}.key"),
        "agents_tls_ca": str(folder / "agents-ca.crt"),
    }
    with running_cluster(database, auth="required", http_port=port, agent_timeout_seconds=20, **files) as cluster:
        # by name: TLS knows no names of servers that are addresses
        address = cluster.address.replace("127.0.0.1", "localhost")
        yield Shop(address, f"https://localhost:{port}", environment)


def quintet(database: str, *arguments: str) -> str:
    """Return what a command prints."""
    done = CliRunner().invoke(app, arguments, env={"QUINTET_DATABASE_URL": database})
    assert done.exit_code == 0, done.output
    return done.output


def test_the_journey_holds_against_the_real_agents(client: list[str], shop: Shop) -> None:
    begin = time.monotonic()
    done, steps = play(client, shop.address, environment=shop.environment)
    seconds = time.monotonic() - begin
    assert (done.returncode, done.stderr) == (0, ""), steps[-1]
    assert [step["step"] for step in steps] == list(STEPS)
    assert {fallback for step in steps for fallback in step.get("fallbacks", [])} == set()
    assert seconds < LONGEST_RUN_SECONDS


def test_curl_plays_the_journey_by_plain_http_calls(shop: Shop) -> None:
    done = run([*curl_client(), shop.url], shop.environment)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()] == CURL_STEPS


def test_curl_says_what_failed(shop: Shop) -> None:
    without_key = {"QUINTET_TLS_CA": shop.environment["QUINTET_TLS_CA"]}
    done = run([*curl_client(), shop.url], without_key)
    assert (done.returncode, done.stdout) == (1, "")
    assert "register_customer: expected status 200 of /v1/customers, got 401" in done.stderr
    assert "API_KEY_MISSING" in done.stderr


def test_every_client_plays_the_same_journey(client: list[str], start_coordinator: StartCoordinator) -> None:
    begin = time.monotonic()
    done, steps = play(client, start_coordinator(), "--region", "store 31862", "--age", "27")
    seconds = time.monotonic() - begin
    assert (done.returncode, done.stderr) == (0, "")
    assert {step.pop("step"): [name for name in step if name != "ok"] for step in steps} == STEPS
    assert all(step["ok"] is True for step in steps)
    assert (steps[0]["region"], steps[0]["age"]) == ("store 31862", 27)
    assert seconds < LONGEST_RUN_SECONDS


def test_every_client_shows_its_key_over_tls(client: list[str], tmp_path: Path) -> None:
    files = write(tmp_path, "public", "localhost", "127.0.0.1")
    server, address = fake_coordinator.start(tls=server_credentials(replace(files, ca="")), key="secret")
    try:
        done, steps = play(client, address, environment={"QUINTET_TLS_CA": files.ca, "QUINTET_API_KEY": "secret"})
        assert (done.returncode, [step["step"] for step in steps]) == (0, list(STEPS)), steps[-1]
        _, refused = play(client, address, environment={"QUINTET_TLS_CA": files.ca})
        assert refused[-1]["error"].startswith("UNAUTHENTICATED")
    finally:
        server.stop(None).wait()


def test_facts_are_the_same_in_every_language(client: list[str], start_coordinator: StartCoordinator) -> None:
    done, lines = play(client, start_coordinator())
    assert done.returncode == 0
    steps = {line["step"]: line for line in lines}
    violation = {"field": "event.product_view.duration_seconds", "description": "must not be negative, got -1.0"}
    first = {
        "recommendation_id": "r-p-0",
        "product_id": "p-0",
        "product_name": "Roasted coffee p-0",
        "price": "3.99 USD",
        "algorithm": "popularity",
        "score": 1,
        "reason": "Popular with other shoppers",
    }
    assert steps["home"]["recommendations"][0] == first
    assert [steps[name]["product_id"] for name in ("view_1", "view_2_click", "view_3")] == ["p-0", "p-1", "p-2"]
    assert (steps["search"]["query"], steps["purchase"]["amount"]) == ("Roasted", "3.99 USD")
    assert (steps["import_products"]["created"], steps["price_change"]["amount_minor"]) == (3, 449)
    assert [each["product_id"] for each in steps["placement"]["recommendations"]] == [
        steps["price_change"]["product_id"]
    ]
    assert steps["rank"]["product_ids"][-3:] == steps["import_products"]["product_ids"][::-1]
    assert steps["delete_products"]["deleted"] == [True, True, True]
    assert steps["duplicate_event"]["duplicate"] == [False, True]
    assert (steps["bad_request"]["status"], steps["bad_request"]["violations"]) == ("INVALID_ARGUMENT", [violation])
    assert (steps["profile"]["views"], steps["profile"]["purchases"]) == (["p-2", "p-1", "p-0"], ["p-1"])
    assert steps["profile"]["categories"] == [{"category": "Coffee", "share": 0.75}]
    assert steps["profile"]["segments"] == [{"segment": "new_customers", "confidence": 0.9}]
    assert steps["delete_customer"]["erased"] == [{"table": "customers", "rows": 1}]
    assert steps["profile_gone"]["status"] == "NOT_FOUND"


@pytest.mark.parametrize("fault", FAULTS)
def test_client_names_the_check_that_failed(client: list[str], fault: str, start_coordinator: StartCoordinator) -> None:
    step, message = FAULTS[fault]
    done, steps = play(client, start_coordinator(fault))
    assert done.returncode == 1
    assert all(each["ok"] for each in steps[:-1])
    assert (steps[-1]["step"], steps[-1]["ok"]) == (step, False)
    assert message in steps[-1]["error"]


def test_events_are_sent_again_while_the_coordinator_is_unavailable(
    client: list[str], start_coordinator: StartCoordinator
) -> None:
    done, steps = play(client, start_coordinator("stumbles"))
    assert (done.returncode, [step["step"] for step in steps]) == (0, list(STEPS))


def test_nobody_listening_is_said(client: list[str]) -> None:
    with socket.socket() as closed:  # bound but not listening: refuses connections and keeps the port from others
        closed.bind(("127.0.0.1", 0))
        done, steps = play(client, f"127.0.0.1:{closed.getsockname()[1]}")
    assert (done.returncode, len(steps), steps[0]["step"]) == (1, 1, "register_customer")
    assert steps[0]["error"].startswith("UNAVAILABLE: ")


def test_people_get_lines_and_tables(client: list[str], start_coordinator: StartCoordinator) -> None:
    done = run(client, environment={"QUINTET_COORDINATOR_ADDRESS": start_coordinator()})
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == list(STEPS)
    assert (
        "    Roasted coffee p-1                3.99 USD     popularity        0.5     Popular with other" in done.stdout
    )
    assert "segments=new_customers 0.9" in done.stdout


def test_the_python_of_the_readme_prints_recommendations(
    start_coordinator: StartCoordinator, capsys: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "README.md").read_text()
    [snippet] = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    address = start_coordinator()
    with coordinator_stub(address) as stub:
        stub.RegisterCustomer(pb.RegisterCustomerRequest(customer=Customer(customer_id="1001")), timeout=5)
    exec(snippet.replace("127.0.0.1:50050", address), {})  # noqa: S102 - our own page
    assert capsys.readouterr().out.splitlines()[0] == "Roasted coffee p-0 popularity Popular with other shoppers"
