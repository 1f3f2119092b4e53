"""What must hold of the running containers. Each check raises AssertionError, or says what it saw."""

import itertools
import json
import os
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from quintet.type.v1.customer_pb2 import Customer
from quintet.type.v1.event_pb2 import Event, ProductView
from quintet.type.v1.product_pb2 import Product

from deploy.compose_test.stack import Stack
from shared.config import AGENTS, Settings
from shared.db.backup.files import restore
from shared.db.engine import Database
from shared.rpc.client import open_coordinator
from tests.e2e import small_shop
from tests.support.clients import BUILDERS, curl_client, play, run
from tests.support.cluster import coordinator_stub
from tests.support.under_fire import PATIENCE_SECONDS, Senders, Traffic, seconds_until_whole

Say = Callable[[str], None]

EVENTS = 300
PAUSE_SECONDS = 0.3  # four senders make about thirteen events a second, so that every kill falls among them
UNDER_FIRE = [f"under-fire-{number}" for number in range(10)]
ACROSS = "across-coordinators"
READERS = 2
REPLICAS = 3
CALLS_SERVED = """
import urllib.request
text = urllib.request.urlopen("http://127.0.0.1:9093/metrics").read().decode()
print(sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("quintet_rpc_seconds_count")))
"""
WITHOUT_CERTIFICATE = """
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
ca = open("/secrets/agents-ca.crt", "rb").read()
channel = grpc.secure_channel("customer:50051", grpc.ssl_channel_credentials(ca))
try:
    print(health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10))
except grpc.RpcError as error:
    print(error.code().name)
"""
BACKUP = "/data/quintet.backup"
RESTORE = f"cat > {BACKUP} && quintet restore --replace {BACKUP} && rm {BACKUP}"  # as in docs/containers.md


def fill(stack: Stack, say: Say) -> None:
    """Give the shop a catalogue, customers and history, and train."""
    with coordinator_stub(stack.address) as stub:
        small_shop.fill(stub)
    say(", ".join(f"{count} {table}" for table, count in _rows(stack).items()))


def operate(stack: Stack, say: Say) -> None:
    """Import a file with the command line in the coordinator's container, and ask it how all is."""
    [coordinator] = stack.containers("coordinator")
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "products.csv"
        table.write_text("product_id,name,category,price\nhoney-1,Honey,Spreads,4.99\njam-1,Jam,Spreads,2.49\n")
        stack.copy_in("coordinator", table, "/data/products.csv")
    stack.execute(coordinator, "quintet", "import", "products", "products.csv")
    status = json.loads(stack.execute(coordinator, "quintet", "status", "--json"))
    assert [each["agent"] for each in status["agents"] if each.get("serving")] == list(AGENTS), status
    with coordinator_stub(stack.address) as stub:
        assert stub.GetProduct(pb.GetProductRequest(product_id="jam-1"), timeout=10).product.name == "Jam"
    say("two products imported, five agents serving")


def journeys(stack: Stack, say: Say, languages: Sequence[str] = tuple(BUILDERS)) -> None:
    """Play the shopper's journey from outside with the example clients whose toolchain is here."""
    for language in languages:
        try:
            command = BUILDERS[language]()
        except pytest.skip.Exception as skipped:
            say(f"{language}: {skipped}")
            continue
        done, steps = play(command, stack.address, environment=_shown())
        assert done.returncode == 0, f"{language}: {steps[-1:]} {done.stderr}"
        fallbacks = {fallback for step in steps for fallback in step.get("fallbacks", [])}
        assert not fallbacks, f"{language}: {fallbacks}"
        say(f"{language}: {len(steps)} steps, none failed")
    done = run([*curl_client(), stack.url], environment=_shown())
    assert done.returncode == 0, f"curl: {done.stdout}{done.stderr}"
    say(f"curl: {len(done.stdout.splitlines())} steps, none failed")


def guarded(stack: Stack, say: Say) -> None:
    """Nobody gets in without a key, without TLS, or past the coordinator without an agent's certificate."""
    given = Settings()
    for what, settings, code in (
        ("no key", given.model_copy(update={"api_key": ""}), "UNAUTHENTICATED"),
        ("no TLS", given.model_copy(update={"tls_ca": ""}), "UNAVAILABLE"),
    ):
        with open_coordinator(settings, stack.address) as channel, pytest.raises(grpc.RpcError) as caught:
            CoordinatorServiceStub(channel).GetStatus(pb.GetStatusRequest(), timeout=10)
        assert caught.value.code().name == code, f"{what}: {caught.value.code()}"
    [coordinator] = stack.containers("coordinator")
    said = stack.execute(coordinator, "python", "-c", WITHOUT_CERTIFICATE)
    assert said.strip() == "UNAVAILABLE", said
    say("refused: calls without a key, without TLS, and of an agent without a certificate")


def kills(stack: Stack, say: Say, services: Sequence[str]) -> None:
    """Kill a container of each service in turn while events are sent: none acknowledged is lost or doubled."""
    traffic = Traffic(EVENTS, UNDER_FIRE, [product.product_id for product in small_shop.products(small_shop.seeded())])
    with coordinator_stub(stack.address) as stub:
        customers = [Customer(customer_id=each) for each in UNDER_FIRE]
        stub.BatchUpsertCustomers(pb.BatchUpsertCustomersRequest(customers=customers), timeout=30)
    senders = Senders(stack.address, traffic, PAUSE_SECONDS)
    senders.start()
    for place, service in enumerate(services, 1):
        senders.wait_for(place * EVENTS // (len(services) + 2))
        container, *_ = stack.containers(service)
        started = time.monotonic()
        stack.kill(container)
        seconds_until_whole(stack.address, traffic, service)
        say(f"{service}: whole again after {time.monotonic() - started:.1f} s")
    senders.join()
    assert senders.errors == [], senders.errors
    assert set(senders.acknowledged) == traffic.ids()
    _stored_once(stack, traffic)
    say(f"{len(senders.acknowledged)} events acknowledged = stored, each once; {senders.again} sent again")


def replicas(first: Stack, second: Stack, say: Say) -> None:
    """Every agent runs twice, and what one coordinator acknowledged the other answers with."""
    counts = {agent: len(first.containers(agent)) for agent in AGENTS if agent != "coordinator"}
    assert set(counts.values()) == {2}, counts
    viewed = [product.product_id for product in small_shop.products(small_shop.seeded())][:5]
    with coordinator_stub(first.address) as here, coordinator_stub(second.address) as there:
        here.RegisterCustomer(pb.RegisterCustomerRequest(customer=Customer(customer_id=ACROSS)), timeout=10)
        for product_id in viewed:
            event = Event(customer_id=ACROSS, product_view=ProductView(product_id=product_id))
            here.RecordEvent(pb.RecordEventRequest(event=event), timeout=10)
        started = time.monotonic()
        wanted = pb.GetCustomerProfileRequest(customer_id=ACROSS)
        while len(there.GetCustomerProfile(wanted, timeout=10).profile.views) < len(viewed):
            assert time.monotonic() - started < PATIENCE_SECONDS, "the second coordinator does not know the views"
            time.sleep(0.05)
        answer = there.GetRecommendations(pb.GetRecommendationsRequest(customer_id=ACROSS, limit=5), timeout=10).list
    assert not answer.fallbacks, answer.fallbacks
    seconds = time.monotonic() - started
    say(f"the second coordinator has {len(viewed)} views after {seconds:.2f} s, and answers with them")


def apart(garden: Stack, books: Stack, say: Say) -> None:
    """Two shops know nothing of each other: not the products, not the keys."""
    with _operator(garden) as stub:
        product = Product(product_id="spade-1", name="Spade", category="Tools")
        stub.UpsertProduct(pb.UpsertProductRequest(product=product), timeout=30)
        assert stub.GetProduct(pb.GetProductRequest(product_id="spade-1"), timeout=30).product.name == "Spade"
    with _operator(books) as stub:
        assert _code(stub.GetProduct, pb.GetProductRequest(product_id="spade-1")) == "NOT_FOUND"
    with _operator(books, QUINTET_API_KEY=garden.operator()["QUINTET_API_KEY"]) as stub:
        assert _code(stub.GetStatus, pb.GetStatusRequest()) == "UNAUTHENTICATED"
    with _operator(books, QUINTET_TLS_CA=garden.operator()["QUINTET_TLS_CA"]) as stub:
        assert _code(stub.GetStatus, pb.GetStatusRequest()) == "UNAVAILABLE"
    say("a product, a key and the CA of one shop are unknown to the other")


@contextmanager
def _operator(stack: Stack, **other: str) -> Iterator[CoordinatorServiceStub]:
    """Yield a client of a shop that shows its operator's key, or what is given in its place."""
    shown = stack.operator() | other
    settings = Settings(tls_ca=shown["QUINTET_TLS_CA"], api_key=shown["QUINTET_API_KEY"])
    with open_coordinator(settings, stack.address) as channel:
        yield CoordinatorServiceStub(channel)


def _code(method: Callable[..., object], request: object) -> str:
    """Return the status that a call ends with; it must not succeed."""
    with pytest.raises(grpc.RpcError) as caught:
        method(request, timeout=10)
    return str(caught.value.code().name)


def scale(stack: Stack, say: Say) -> None:
    """Run three recommendation agents: all answer, and a restart of one is not noticed by anybody who asks."""
    started = time.monotonic()
    with _asking(stack.address) as answers:
        stack.up(f"--scale=recommendation={REPLICAS}")
        say(f"{REPLICAS} replicas healthy after {time.monotonic() - started:.1f} s")
        containers = stack.containers("recommendation")
        assert len(containers) == REPLICAS
        seconds = _seconds_until_all_serve(stack, containers)
        say(f"all three answer after {seconds:.1f} s more; calls served: {_served(stack, containers)}")
        stack.restart(containers[0])
        say(f"one restarted, all three answer again after {_seconds_until_all_serve(stack, containers):.1f} s")
    assert set(answers) == {"OK"}, answers
    say(f"{answers['OK']} recommendations asked for meanwhile, none failed or fell back")


def backup(stack: Stack, say: Say) -> None:
    """Back the SQLite file up while the agents serve, lose it, restore it: all is as in the backup."""
    with coordinator_stub(stack.address) as stub:
        small_shop.wait_until_applied(stub)
    [coordinator] = stack.containers("coordinator")
    stack.execute(coordinator, "quintet", "backup", BACKUP)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "quintet.backup"
        stack.copy_out("coordinator", BACKUP, copy)
        # what was written behind the last answers may be in the copy and in no count from before
        backed_up = _rows_in(copy, list(_rows(stack)))
        stack.down()
        stack.run_once("migrate", RESTORE, copy)
        size = copy.stat().st_size
    stack.up()
    restored = _rows(stack)
    assert restored == backed_up, f"{restored} restored, {backed_up} backed up"
    say(f"{size:,} bytes, {sum(restored.values()):,} rows as in the backup")


def _shown() -> dict[str, str]:
    """Return what a client needs of our own environment to be let in."""
    return {name: os.environ[name] for name in ("QUINTET_TLS_CA", "QUINTET_API_KEY")}


def _rows_in(copy: Path, tables: list[str]) -> dict[str, int]:
    """Return how many rows a backup has of each table."""
    restored = copy.with_suffix(".db")
    with closing(Database(f"sqlite:///{restored}")) as database:
        restore(database, copy, lambda stage, fraction: None)
    with closing(sqlite3.connect(restored)) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables}  # noqa: S608 - names of our tables


def _rows(stack: Stack) -> dict[str, int]:
    with coordinator_stub(stack.address) as stub:
        return {table.table: table.rows for table in _status(stub).tables}


def _status(stub: CoordinatorServiceStub) -> pb.GetStatusResponse:
    return stub.GetStatus(pb.GetStatusRequest(), timeout=10)


def _stored_once(stack: Stack, traffic: Traffic) -> None:
    """Compare what is stored about the customers under fire with what was sent."""
    rows: Counter[str] = Counter()
    events: list[str] = []
    with coordinator_stub(stack.address) as stub:
        small_shop.wait_until_applied(stub)
        for customer in UNDER_FIRE:
            for exported in stub.ExportCustomer(pb.ExportCustomerRequest(customer_id=customer), timeout=30):
                rows[exported.table] += 1
                if exported.table == "event_log":
                    events.append(json.loads(exported.row_json)["event_id"])
    sent = [event for event in events if not event.startswith("probe-")]
    assert sorted(sent) == sorted(traffic.ids()), f"{len(sent)} events stored, {len(traffic.ids())} sent"
    stored = {table: rows[table] for table in traffic.rows()}
    assert stored == traffic.rows(), f"{stored} stored, {traffic.rows()} sent"


@contextmanager
def _asking(address: str) -> Iterator[Counter[str]]:
    """Ask for recommendations all the time, and count the answers: `OK`, the fallback or the status code."""
    stop = threading.Event()
    answers: Counter[str] = Counter()
    threads = [threading.Thread(target=_ask, args=(address, stop, answers)) for _ in range(READERS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _ask(address: str, stop: threading.Event, answers: Counter[str]) -> None:
    shoppers = itertools.cycle(range(small_shop.CUSTOMERS))  # each replica has its own shoppers
    with coordinator_stub(address) as stub:
        while not stop.wait(0.02):
            try:
                wanted = pb.GetRecommendationsRequest(customer_id=f"shopper-{next(shoppers)}", limit=5)
                found = stub.GetRecommendations(wanted, timeout=5).list
            except grpc.RpcError as error:
                answers[error.code().name] += 1
            else:
                answers[", ".join(found.fallbacks) or "OK"] += 1


def _seconds_until_all_serve(stack: Stack, containers: Sequence[str]) -> float:
    started = time.monotonic()
    before = _served(stack, containers)
    while True:
        now = _served(stack, containers)
        # a restarted replica counts from nought again
        if all(count not in (0, earlier) for count, earlier in zip(now, before, strict=True)):
            return time.monotonic() - started
        assert time.monotonic() - started < PATIENCE_SECONDS, f"calls served by each replica: {now}, before: {before}"
        time.sleep(0.5)


def _served(stack: Stack, containers: Sequence[str]) -> list[int]:
    """Return how many calls each replica of the recommendation agent has served."""
    return [int(float(stack.execute(each, "python", "-c", CALLS_SERVED))) for each in containers]
