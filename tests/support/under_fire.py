"""Events sent while parts of the system are killed: who sends them, and how long until all is whole again."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.event_pb2 import AddToCart, Event, HomeView, ProductQuantity, ProductView, Purchase, PurchaseLine

from shared.config import AGENTS, Agent
from shared.db import event_log
from shared.db.engine import Database
from tests.support.cluster import Cluster, coordinator_stub

SENDERS = 4
KINDS = ("view", "view", "view", "cart", "purchase")
PATIENCE_SECONDS = 60.0


@dataclass(frozen=True)
class Traffic:
    """Events with the ids e0, e1 …: of five, three are views, one fills the cart and one is a purchase."""

    count: int
    customers: Sequence[str]
    products: Sequence[str]
    prefix: str = "e"

    def ids(self) -> set[str]:
        """Return the ids of all events."""
        return {f"{self.prefix}{number}" for number in range(self.count)}

    def event(self, number: int) -> Event:
        """Return one of the events."""
        event = Event(event_id=f"{self.prefix}{number}", customer_id=self.customers[number % len(self.customers)])
        product = self.products[number % len(self.products)]
        kind = KINDS[number % len(KINDS)]
        if kind == "view":
            event.product_view.CopyFrom(ProductView(product_id=product))
        elif kind == "cart":
            event.add_to_cart.CopyFrom(AddToCart(items=[ProductQuantity(product_id=product)]))
        else:
            line = PurchaseLine(product_id=product)
            event.purchase.CopyFrom(Purchase(purchase_id=f"o-{event.event_id}", items=[line]))
        return event

    def rows(self) -> dict[str, int]:
        """Return how many rows each table gains when every event is stored once."""
        of_five = self.count // len(KINDS)
        return {"browsing_history": 3 * of_five, "cart_items": of_five, "purchases": of_five}


class Senders:
    """Threads that send the events once each, again when the answer is UNAVAILABLE, and keep what was acknowledged."""

    def __init__(self, address: str, traffic: Traffic, pause_seconds: float = 0.0) -> None:
        self.acknowledged: list[str] = []
        self.errors: list[Exception] = []
        self.again = 0
        self._lock = threading.Lock()
        self._address = address
        self._traffic = traffic
        self._pause_seconds = pause_seconds
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
                for number in range(part, self._traffic.count, SENDERS):
                    self._send_one(stub, self._traffic.event(number))
                    time.sleep(self._pause_seconds)
        except Exception as error:
            self.errors.append(error)

    def _send_one(self, stub: pb_grpc.CoordinatorServiceStub, event: Event) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = stub.RecordEvent(pb.RecordEventRequest(event=event), timeout=5)
            except grpc.RpcError as error:
                retryable = error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
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


@dataclass
class Survived:
    """What became of events that were sent while every agent was killed once."""

    acknowledged: list[str] = field(default_factory=list)
    stored: list[str] = field(default_factory=list)
    again: int = 0
    seconds: float = 0.0
    healed: dict[str, float] = field(default_factory=dict)
    """Seconds until all was whole again, by the agent that was killed."""


def kill_each_agent(cluster: Cluster, database: Database, traffic: Traffic) -> Survived:
    """Send the events, kill each agent with SIGKILL meanwhile, wait until all is applied, and return what became."""
    senders = Senders(cluster.address, traffic)
    found = Survived()
    started = time.monotonic()
    senders.start()
    for place, agent in enumerate(AGENTS, 1):
        senders.wait_for(place * traffic.count // (len(AGENTS) + 1))
        before = cluster.restarts(agent)
        cluster.kill(agent)
        found.healed[agent] = seconds_until_whole(cluster.address, traffic, agent)
        wait_restarted(cluster, agent, before + 1)
    senders.join()
    found.seconds = time.monotonic() - started
    assert senders.errors == []
    wait_applied(database)
    found.acknowledged, found.again = senders.acknowledged, senders.again
    with database.read() as connection:
        logged = [each.event_id for each in event_log.read_after(connection, 0, 1_000_000)]
    found.stored = [event_id for event_id in logged if event_id.startswith(traffic.prefix)]
    return found


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


def wait_restarted(cluster: Cluster, agent: Agent, restarts: int) -> None:
    """Wait until the supervisor has seen an agent end so many times: what does not need the agent is whole sooner."""
    until = time.monotonic() + PATIENCE_SECONDS
    while cluster.restarts(agent) < restarts:
        assert time.monotonic() < until, f"{agent} was not started again"
        time.sleep(0.01)
    assert cluster.restarts(agent) == restarts


def seconds_until_whole(address: str, traffic: Traffic, killed: str) -> float:
    """Return how long it takes until recommendations have no fallback and events are applied at once again."""
    started = time.monotonic()
    attempt = 0
    with coordinator_stub(address) as stub:
        while not _whole(stub, traffic, f"probe-{killed}-{attempt}"):
            assert time.monotonic() - started < PATIENCE_SECONDS, f"not whole after the kill of {killed}"
            attempt += 1
            time.sleep(0.01)
    return time.monotonic() - started


def _whole(stub: pb_grpc.CoordinatorServiceStub, traffic: Traffic, event_id: str) -> bool:
    shopper = traffic.customers[0]
    event = Event(event_id=event_id, customer_id=shopper, home_view=HomeView())
    try:
        answer = stub.GetRecommendations(pb.GetRecommendationsRequest(customer_id=shopper, limit=3), timeout=5).list
        recorded = stub.RecordEvent(pb.RecordEventRequest(event=event), timeout=5)
        stub.GetProduct(pb.GetProductRequest(product_id=traffic.products[0]), timeout=5)
    except grpc.RpcError:
        return False
    down = "recommendation_agent_unavailable" in answer.fallbacks
    return bool(answer.recommendations) and not down and not recorded.pending_agents
