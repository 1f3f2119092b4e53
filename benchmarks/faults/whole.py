"""How long it takes until the agents are whole again: full answers, events acknowledged and applied."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.event_pb2 import Event, HomeView

from shared.config import AGENTS
from shared.rpc.probe import health
from tests.e2e import small_shop
from tests.support.cluster import Cluster, coordinator_stub

SHOPPERS = 4
"""Whose pages are asked for: of several, so that every recommendation agent is among those that answer."""
CALL_SECONDS = 2.0
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 180.0
"""Far more than any recovery takes: the figure says how long that is."""


class Probe:
    """Asks the coordinator as a shop does, over a connection of its own."""

    def __init__(self, stub: pb_grpc.CoordinatorServiceStub) -> None:
        rng = small_shop.seeded()
        self.missing = ""
        """What was not whole when it was last not whole."""
        self._stub = stub
        self._product = small_shop.products(rng)[0].product_id
        self._shoppers = [each.customer_id for each in small_shop.customers(rng)][:SHOPPERS]

    def is_whole(self) -> bool:
        """Say whether pages are full, an event is acknowledged with no agent behind, and reads are answered."""
        try:
            missing = self._page_missing() or self._event_missing() or self._read_missing()
        except grpc.RpcError as error:
            missing = f"{error.code().name}: {error.details()}"
        self.missing = missing or self.missing
        return not missing

    def seconds_until_whole(self, since: float) -> float:
        """Return the seconds from `since`, on the monotonic clock, until all is whole. Raises TimeoutError."""
        self.missing = ""
        try:
            wait_until(self.is_whole, "whole again")
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {self.missing}") from error
        return time.monotonic() - since

    def _page_missing(self) -> str:
        for shopper in self._shoppers:
            request = pb.GetRecommendationsRequest(customer_id=shopper, limit=3)
            page = self._stub.GetRecommendations(request, timeout=CALL_SECONDS).list
            if page.fallbacks or not page.recommendations:
                return f"a page with {list(page.fallbacks)}"
        return ""

    def _event_missing(self) -> str:
        event = Event(event_id=f"probe-{uuid.uuid4().hex}", customer_id=self._shoppers[0], home_view=HomeView())
        answer = self._stub.RecordEvent(pb.RecordEventRequest(event=event), timeout=CALL_SECONDS)
        return f"behind: {list(answer.pending_agents)}" if answer.pending_agents else ""

    def _read_missing(self) -> str:
        """Return nothing: a read that is not answered raises RpcError."""
        self._stub.GetProduct(pb.GetProductRequest(product_id=self._product), timeout=CALL_SECONDS)
        profile = pb.GetCustomerProfileRequest(customer_id=self._shoppers[0])
        self._stub.GetCustomerProfile(profile, timeout=CALL_SECONDS)
        return ""


@contextmanager
def probe_of(address: str) -> Iterator[Probe]:
    """Give a probe of the agents behind a coordinator."""
    with coordinator_stub(address) as stub:
        yield Probe(stub)


def wait_serving(cluster: Cluster) -> None:
    """Wait until the health of every agent, of each replica, is SERVING. Raises TimeoutError."""
    settings = cluster.settings.for_local_replicas()
    ports = [settings.of_replica(agent, n).port(agent) for agent in AGENTS for n in range(settings.replicas(agent))]
    for port in ports:
        wait_until(lambda port=port: health(f"127.0.0.1:{port}") == "SERVING", f"port {port} serving")  # type: ignore[misc]


def wait_until(condition: Callable[[], bool], what: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition holds. Raises TimeoutError, naming it, when it does not within the patience."""
    until = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > until:
            raise TimeoutError(f"not {what} within {patience_seconds:g} s")
        time.sleep(LOOK_SECONDS)
