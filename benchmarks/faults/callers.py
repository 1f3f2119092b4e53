"""Threads that call the coordinator as a shop does: each with a deadline, and again under the same id when told to."""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import grpc
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.event_pb2 import Event, Purchase, PurchaseLine
from quintet.type.v1.recommendation_pb2 import INTERACTION_TYPE_CLICK, Feedback

from benchmarks.faults.ledger import FEEDBACK, ORDER, Ledger
from services.coordinator.fallback import SHOPPER_NOT_READ
from tests.support.cluster import coordinator_stub
from tests.support.under_fire import Traffic

READ_DEADLINE_SECONDS = 2.0
WRITE_DEADLINE_SECONDS = 3.0
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.5
"""Between two calls of a caller: as long as the last took, within these bounds. So a slow machine is not overloaded."""
AGAIN_SECONDS = 0.05
GIVE_UP_SECONDS = 120.0
RECORDERS, ASKERS = 2, 2
EXPECTED = ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")
"""How a call may end while something is broken. Any other status is a fault of the system."""

Stub = pb_grpc.CoordinatorServiceStub


class Material(NamedTuple):
    """Who acts and on what; `prefix` begins all ids of events and orders."""

    prefix: str
    customers: Sequence[str]
    products: Sequence[str]


class Callers:
    """All callers of a load. `start`, then `stop`: what is being recorded is repeated until it is acknowledged.

    While `recording` is not set nothing is recorded, only asked.
    """

    def __init__(self, address: str, material: Material, ledger: Ledger) -> None:
        self.recording = threading.Event()
        self.recording.set()
        self._address, self._material, self._ledger = address, material, ledger
        self._stopping = threading.Event()
        half = len(material.customers) // 2
        works = [
            *(self._recorder(number, material.customers[:half]) for number in range(RECORDERS)),
            self._journeys(material.customers[half:]),
            *(self._asker(number) for number in range(ASKERS)),
            self._reader,
        ]
        self._threads = [threading.Thread(target=self._run, args=(work,)) for work in works]

    def start(self) -> None:
        """Begin to call."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End calling, and wait until all has ended."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[[Stub, int], None]) -> None:
        with coordinator_stub(self._address) as stub:
            for number in itertools.count():
                if self._stopping.is_set():
                    return
                began = time.monotonic()
                try:
                    work(stub, number)
                except Exception as error:  # told at the end; the other callers go on
                    self._ledger.failed(repr(error))
                time.sleep(min(max(PAUSE_SECONDS, time.monotonic() - began), LONGEST_PAUSE_SECONDS))

    def _recorder(self, part: int, customers: Sequence[str]) -> Callable[[Stub, int], None]:
        traffic = Traffic(0, customers, self._material.products, f"{self._material.prefix}{part}-")

        def record(stub: Stub, number: int) -> None:
            if self.recording.is_set():
                self._record(stub, traffic.event(number))

        return record

    def _journeys(self, customers: Sequence[str]) -> Callable[[Stub, int], None]:
        """Return how one shopper after the other clicks on what is recommended and buys it.

        Pages that were made without knowing the shopper's consent are left alone: a click on them is acknowledged and,
        as nobody knows whether it may be measured, not recorded.
        """

        def go(stub: Stub, number: int) -> None:
            if not self.recording.is_set():
                return
            shopper, prefix = customers[number % len(customers)], f"{self._material.prefix}j{number}"
            page = self._page(stub, shopper)
            if page is None or not page.recommendations or SHOPPER_NOT_READ in page.fallbacks:
                return
            chosen = page.recommendations[number % len(page.recommendations)]
            self._click(stub, shopper, f"{prefix}-click", chosen.recommendation_id)
            line = PurchaseLine(product_id=chosen.product_id)
            bought = Purchase(purchase_id=f"{ORDER}{prefix}", items=[line])
            self._record(stub, Event(event_id=prefix, customer_id=shopper, purchase=bought))
            self._ledger.ordered(bought.purchase_id, f"{prefix}-click")

        return go

    def _asker(self, part: int) -> Callable[[Stub, int], None]:
        def ask(stub: Stub, number: int) -> None:
            customers = self._material.customers
            self._page(stub, customers[(number * ASKERS + part) % len(customers)])

        return ask

    def _reader(self, stub: Stub, number: int) -> None:
        product = self._material.products[number % len(self._material.products)]
        shopper = self._material.customers[number % len(self._material.customers)]
        self._once("GetProduct", stub.GetProduct, pb.GetProductRequest(product_id=product))
        profile = pb.GetCustomerProfileRequest(customer_id=shopper)
        self._once("GetCustomerProfile", stub.GetCustomerProfile, profile)

    def _page(self, stub: Stub, shopper: str) -> Any:
        request = pb.GetRecommendationsRequest(customer_id=shopper, limit=5)
        answer = self._once("GetRecommendations", stub.GetRecommendations, request, lambda got: got.list.fallbacks)
        return answer and answer.list

    def _record(self, stub: Stub, event: Event) -> None:
        kind = str(event.WhichOneof("detail"))
        self._until_acknowledged("RecordEvent", stub.RecordEvent, pb.RecordEventRequest(event=event))
        self._ledger.acknowledged(event.event_id, kind)

    def _click(self, stub: Stub, shopper: str, feedback_id: str, recommendation_id: str) -> None:
        clicked = Feedback(
            feedback_id=feedback_id,
            recommendation_id=recommendation_id,
            interaction_type=INTERACTION_TYPE_CLICK,
            customer_id=shopper,
        )
        request = pb.RecordFeedbackRequest(feedback=clicked)
        self._until_acknowledged("RecordFeedback", stub.RecordFeedback, request)
        self._ledger.acknowledged(feedback_id, FEEDBACK)

    def _until_acknowledged(self, name: str, method: Any, request: Any) -> None:
        until = time.monotonic() + GIVE_UP_SECONDS
        while self._once(name, method, request, deadline=WRITE_DEADLINE_SECONDS) is None:
            if time.monotonic() > until:
                raise TimeoutError(f"{name} was not acknowledged within {GIVE_UP_SECONDS:g} s")
            time.sleep(AGAIN_SECONDS)

    def _once(
        self,
        name: str,
        method: Any,
        request: Any,
        fallbacks: Callable[[Any], Any] = lambda answer: (),
        deadline: float = READ_DEADLINE_SECONDS,
    ) -> Any:
        """Return the answer; None where there was none."""
        began = time.monotonic()
        try:
            answer = method(request, timeout=deadline)
        except grpc.RpcError as error:
            self._ledger.called(name, error.code().name, time.monotonic() - began, deadline)
            return None
        took = time.monotonic() - began
        self._ledger.called(name, "OK", took, deadline, fallback=bool(fallbacks(answer)))
        return answer
