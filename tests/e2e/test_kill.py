"""Each agent is killed with SIGKILL while events are sent: what was acknowledged is stored, once, and all heals."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.event_pb2 import AddToCart, Event, HomeView, ProductQuantity, ProductView, Purchase, PurchaseLine
from sqlalchemy import func, select

from shared.config import AGENTS, Agent
from shared.db import event_log
from shared.db.engine import Database
from shared.db.schema import browsing_history, cart_items, purchases
from shared.db.schema import event_log as log_table
from tests.support.cluster import Cluster, coordinator_stub, running_cluster
from tests.support.shop import add_customers, add_products

EVENTS = 2_000
SENDERS = 4
CUSTOMERS = [f"c{number}" for number in range(20)]
PRODUCTS = [f"p{number}" for number in range(30)]
KINDS = ("view", "view", "view", "cart", "purchase")
PATIENCE_SECONDS = 60.0


@pytest.fixture
def cluster(sqlite_database: Database) -> Iterator[Cluster]:
    add_customers(sqlite_database, *CUSTOMERS)
    add_products(sqlite_database, *PRODUCTS)
    with running_cluster(sqlite_database.url, apply_timeout_seconds=0.5) as cluster:
        yield cluster


def nth_event(number: int) -> Event:
    event = Event(event_id=f"e{number}", customer_id=CUSTOMERS[number % len(CUSTOMERS)])
    product = PRODUCTS[number % len(PRODUCTS)]
    kind = KINDS[number % len(KINDS)]
    if kind == "view":
        event.product_view.CopyFrom(ProductView(product_id=product))
    elif kind == "cart":
        event.add_to_cart.CopyFrom(AddToCart(items=[ProductQuantity(product_id=product)]))
    else:
        line = PurchaseLine(product_id=product)
        event.purchase.CopyFrom(Purchase(purchase_id=f"o{number}", items=[line]))
    return event


class Senders:
    """Threads that send the events once each, again when the answer is UNAVAILABLE, and keep what was acknowledged."""

    def __init__(self, address: str) -> None:
        self.acknowledged: list[str] = []
        self.errors: list[Exception] = []
        self.again = 0
        self._lock = threading.Lock()
        self._address = address
        self._threads = [threading.Thread(target=self._send, args=(part,)) for part in range(SENDERS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=300)
            assert not thread.is_alive()

    def wait_for(self, count: int) -> None:
        """Wait until `count` events are acknowledged."""
        until = time.monotonic() + PATIENCE_SECONDS
        while len(self.acknowledged) < count and not self.errors:
            assert time.monotonic() < until, f"{len(self.acknowledged)} of {count} acknowledged"
            time.sleep(0.01)

    def _send(self, part: int) -> None:
        try:
            with coordinator_stub(self._address) as stub:
                for number in range(part, EVENTS, SENDERS):
                    self._send_one(stub, nth_event(number))
        except Exception as error:
            self.errors.append(error)

    def _send_one(self, stub: pb_grpc.CoordinatorServiceStub, event: Event) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = stub.RecordEvent(pb.RecordEventRequest(event=event), timeout=5)
            except grpc.RpcError as error:
                retryable = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)  # type: ignore[attr-defined]
                if not retryable or time.monotonic() > until:
                    raise
                with self._lock:
                    self.again += 1
                time.sleep(0.02)
            else:
                assert answer.event_id == event.event_id
                with self._lock:
                    self.acknowledged.append(event.event_id)
                return


def seconds_until_whole(address: str, killed: Agent) -> float:
    """Return how long it takes until recommendations have no fallback and events are applied at once again."""
    started = time.monotonic()
    with coordinator_stub(address) as stub:
        for attempt in range(1_000_000):
            assert time.monotonic() - started < PATIENCE_SECONDS, f"not whole after the kill of {killed}"
            event = Event(event_id=f"probe-{killed}-{attempt}", customer_id=CUSTOMERS[0], home_view=HomeView())
            try:
                wanted = pb.GetRecommendationsRequest(customer_id=CUSTOMERS[0], limit=3)
                answer = stub.GetRecommendations(wanted, timeout=5).list
                recorded = stub.RecordEvent(pb.RecordEventRequest(event=event), timeout=5)
                stub.GetProduct(pb.GetProductRequest(product_id=PRODUCTS[0]), timeout=5)
            except grpc.RpcError:
                time.sleep(0.01)
                continue
            down = {"recommendation_agent_unavailable"} & set(answer.fallbacks)
            if answer.recommendations and not down and not recorded.pending_agents:
                return time.monotonic() - started
            time.sleep(0.01)
    raise AssertionError("unreachable")


def wait_applied(database: Database) -> None:
    """Wait until both followers have applied the whole log."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        with database.read() as connection:
            last = event_log.last_sequence(connection)
            behind = [name for name in ("customer", "feedback") if event_log.cursor(connection, name) < last]
        if not behind:
            return
        assert time.monotonic() < until, f"{behind} did not catch up"
        time.sleep(0.05)


def test_nothing_acknowledged_is_lost_or_doubled(
    cluster: Cluster, sqlite_database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    senders = Senders(cluster.address)
    started = time.monotonic()
    senders.start()
    healed: dict[str, float] = {}
    for place, agent in enumerate(AGENTS, 1):
        senders.wait_for(place * EVENTS // (len(AGENTS) + 1))
        before = cluster.restarts(agent)
        cluster.kill(agent)
        healed[agent] = seconds_until_whole(cluster.address, agent)
        assert cluster.restarts(agent) == before + 1
    senders.join()
    seconds = time.monotonic() - started
    assert senders.errors == []
    wait_applied(sqlite_database)

    expected = {f"e{number}" for number in range(EVENTS)}
    assert set(senders.acknowledged) == expected
    with sqlite_database.read() as connection:
        stored = connection.execute(select(log_table.c.event_id).where(log_table.c.event_id.like("e%"))).scalars().all()
        counts = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (browsing_history, cart_items, purchases)
        }
    assert sorted(stored) == sorted(expected)
    of_five = EVENTS // len(KINDS)
    assert counts == {"browsing_history": 3 * of_five, "cart_items": of_five, "purchases": of_five}
    with capsys.disabled():
        times = ", ".join(f"{agent} {took:.2f} s" for agent, took in healed.items())
        print(
            f"\n{EVENTS} events acknowledged = {len(stored)} stored in {seconds:.1f} s, {senders.again} sent again; "
            f"whole again after the kill of: {times}"
        )
