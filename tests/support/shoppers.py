"""Shoppers who ask for pages, click, buy and give back, all the time, and check each page against what they did."""

import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1.operations_pb2 import GetAttributionRequest
from quintet.type.v1.event_pb2 import (
    AddToCart,
    Event,
    HomeView,
    ProductQuantity,
    ProductView,
    Purchase,
    PurchaseLine,
    Refund,
)
from quintet.type.v1.recommendation_pb2 import Recommendation

from tests.support.cluster import coordinator_stub

DEADLINE_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
AGAIN_SECONDS = 0.02
LOGGED_SECONDS = 5.0
LOOK_SECONDS = 0.1
MAY_BE_STALE = "shopper_not_read"
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass
class Done:
    """What shoppers did, all of it acknowledged, and what was wrong with the answers.

    `bought`, `refunded` and `unlogged` are orders: the last after a page that was not logged in time, because the agent
    that made it was killed. `merged` has the customer by the visitor; `views` and `carts` count events. `failed` counts
    calls by method and status, and `stale` has the pages that showed what the shopper had bought before.
    """

    bought: set[str] = field(default_factory=set)
    refunded: set[str] = field(default_factory=set)
    unlogged: set[str] = field(default_factory=set)
    merged: dict[str, str] = field(default_factory=dict)
    events: list[str] = field(default_factory=list)
    views: int = 0
    carts: int = 0
    pages: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    fallbacks: Counter[str] = field(default_factory=Counter)
    stale: list[str] = field(default_factory=list)
    slowest_seconds: float = 0.0

    @property
    def calls(self) -> int:
        """How many calls were made."""
        return self.pages + len(self.events) + self.failed.total()

    def summary(self) -> str:
        """Return one line for who watches the test."""
        done = f"{self.pages} pages, {len(self.events)} events, {len(self.bought)} orders, failed {dict(self.failed)}"
        return f"{done}, slowest page {self.slowest_seconds:.2f} s, fallbacks {dict(self.fallbacks)}"


class Shoppers:
    """Threads, each with customers of its own, that call the coordinators of a target one after the other."""

    def __init__(self, target: str, customers: Sequence[str], threads: int = 4) -> None:
        self.done = Done()
        self.rounds = 0
        self.errors: list[BaseException] = []
        self._target, self._customers = target, customers
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._threads = [
            threading.Thread(target=self._live, args=(part, customers[part::threads])) for part in range(threads)
        ]

    def __enter__(self) -> "Shoppers":
        wait_until_served(self._target, self._customers[0])
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for each in self._threads:
            each.join()

    def wait_for_rounds(self, more: int) -> None:
        """Wait until so many more rounds are done."""
        wanted, until = self.rounds + more, time.monotonic() + PATIENCE_SECONDS
        while self.rounds < wanted and not self.errors:
            assert time.monotonic() < until, f"{self.rounds} of {wanted} rounds"
            time.sleep(AGAIN_SECONDS)

    def _live(self, part: int, customers: Sequence[str]) -> None:
        try:
            with coordinator_stub(self._target, events_have_ids=True) as stub:
                for number in count():
                    if self._stopping.is_set():
                        break
                    customer = customers[number % len(customers)]
                    _Round(self.done, self._guard, stub, customer, f"{part}-{number}", number).run()
                    with self._guard:
                        self.rounds += 1
        except BaseException as error:
            self.errors.append(error)


@dataclass
class _Round:
    """One visit."""

    done: Done
    guard: threading.Lock
    stub: pb_grpc.CoordinatorServiceStub
    customer: str
    name: str
    number: int

    def run(self) -> None:
        shown = self._page()
        if shown:
            self._buy(shown[0])
        if shown and self.number % 3 == 0:
            self._give_back()
        if shown and self.number % 3 == 1:
            self._log_in(shown[-1].product_id)

    def _buy(self, wanted: Recommendation) -> None:
        product, order = wanted.product_id, f"order-{self.name}"
        logged = self._is_logged(wanted.recommendation_id)
        self._record("click", product_view=ProductView(product_id=product), recommendation_id=wanted.recommendation_id)
        self._record("cart", add_to_cart=AddToCart(items=[ProductQuantity(product_id=product)]))
        line = PurchaseLine(product_id=product)
        self._record("purchase", purchase=Purchase(purchase_id=order, items=[line]))
        with self.guard:
            self.done.bought.add(order)
            self.done.unlogged.update(set() if logged else {order})
            self.done.views += 1
            self.done.carts += 1
        if product in [each.product_id for each in self._page(stale=False)]:
            self.done.stale.append(f"{self.customer} bought {product} by {order}")

    def _is_logged(self, recommendation_id: str) -> bool:
        """Wait until a recommendation is logged, as a person takes longer to click, and say whether it is."""
        request = GetAttributionRequest(recommendation_id=recommendation_id)
        until = time.monotonic() + LOGGED_SECONDS
        while time.monotonic() < until:
            try:
                self.stub.GetAttribution(request, timeout=DEADLINE_SECONDS)
            except grpc.RpcError:
                time.sleep(LOOK_SECONDS)
            else:
                return True
        return False

    def _give_back(self) -> None:
        self._record("refund", refund=Refund(purchase_id=f"order-{self.name}"))
        self.done.refunded.add(f"order-{self.name}")

    def _log_in(self, product: str) -> None:
        visitor, customer = f"visitor-{self.name}", self.customer
        viewed = Event(event_id=f"{visitor}-view", visitor_id=visitor, product_view=ProductView(product_id=product))
        self._send(viewed)
        self._record("login", visitor_id=visitor, home_view=HomeView())
        with self.guard:
            self.done.views += 1
            self.done.merged[visitor] = customer

    def _page(self, *, stale: bool = True) -> Sequence[Recommendation]:
        """Return a page; an empty one in place of one that says it may be `stale`, unless that is accepted."""
        request = pb.GetRecommendationsRequest(customer_id=self.customer, limit=5)
        began = time.monotonic()
        try:
            found = self.stub.GetRecommendations(request, timeout=DEADLINE_SECONDS).list
        except grpc.RpcError as error:
            self._note_failed("GetRecommendations", error)
            return ()
        with self.guard:
            self.done.pages += 1
            self.done.slowest_seconds = max(self.done.slowest_seconds, time.monotonic() - began)
            self.done.fallbacks.update(found.fallbacks)
        if not stale and MAY_BE_STALE in found.fallbacks:
            return ()
        return found.recommendations  # type: ignore[no-any-return]

    def _record(self, what: str, **fields: Any) -> None:
        self._send(Event(event_id=f"{self.name}-{what}", customer_id=self.customer, **fields))

    def _send(self, event: Event) -> None:
        """Record an event; again, under its id, while it is not known whether it was recorded."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._sent(event):
            assert time.monotonic() < until, f"{event.event_id} cannot be recorded"
            time.sleep(AGAIN_SECONDS)
        with self.guard:
            self.done.events.append(event.event_id)

    def _sent(self, event: Event) -> bool:
        try:
            self.stub.RecordEvent(pb.RecordEventRequest(event=event), timeout=DEADLINE_SECONDS)
        except grpc.RpcError as error:
            if error.code() not in LOST:
                raise
            self._note_failed("RecordEvent", error)
            return False
        return True

    def _note_failed(self, method: str, error: grpc.RpcError) -> None:
        with self.guard:
            self.done.failed[f"{method} {error.code().name}: {error.details()}"] += 1


def wait_until_served(target: str, customer: str) -> None:
    """Wait until a page has come from an agent: what is said to serve may not be connected yet."""
    until = time.monotonic() + PATIENCE_SECONDS
    request = pb.GetRecommendationsRequest(customer_id=customer, limit=1)
    with coordinator_stub(target) as stub:
        while not _is_served(stub, request):
            assert time.monotonic() < until, "no page comes from a recommendation agent"
            time.sleep(AGAIN_SECONDS)


def _is_served(stub: pb_grpc.CoordinatorServiceStub, request: pb.GetRecommendationsRequest) -> bool:
    try:
        found = stub.GetRecommendations(request, timeout=DEADLINE_SECONDS).list
    except grpc.RpcError:
        return False
    return "recommendation_agent_unavailable" not in found.fallbacks
