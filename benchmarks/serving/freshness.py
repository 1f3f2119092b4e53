"""How soon answers know of an event.

A customer's CART answer names a product. An event puts it into the customer's cart. From its acknowledgement on the
CART page is asked again and again, until a full answer does not show the product any more: what is in the cart is
never recommended. The time is taken from the acknowledgement to the arrival of that answer.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.event_pb2 import AddToCart, Event, PageType, ProductQuantity
from quintet.type.v1.recommendation_pb2 import RecommendationContext

from tests.support.cluster import coordinator_stub

PAUSE_SECONDS = 0.1
"""Between two probes: they are to disturb little."""
PATIENCE_SECONDS = 10.0
TIMEOUT_SECONDS = 10.0


@dataclass
class Freshness:
    """Milliseconds to an answer that knows; how many first answers did not know; how many probes failed."""

    ms: list[float] = field(default_factory=list)
    stale: int = 0
    failed: int = 0


def probe(address: str, customers: Sequence[str], seconds: float) -> Freshness:
    """Probe one customer after the other for so many seconds."""
    found = Freshness()
    until = time.monotonic() + seconds
    with coordinator_stub(address) as stub:
        for number, customer in enumerate(customers):
            if time.monotonic() > until:
                break
            try:
                _probe(stub, customer, f"fresh-{time.time_ns()}-{number}", found)
            except grpc.RpcError:
                found.failed += 1
            time.sleep(PAUSE_SECONDS)
    return found


def _probe(stub: pb_grpc.CoordinatorServiceStub, customer: str, event_id: str, found: Freshness) -> None:
    shown = _shown(stub, customer)
    if not shown:
        return
    item = ProductQuantity(product_id=shown[0])
    event = Event(event_id=event_id, customer_id=customer, add_to_cart=AddToCart(items=[item]))
    stub.RecordEvent(pb.RecordEventRequest(event=event), timeout=TIMEOUT_SECONDS)
    acknowledged = time.perf_counter()
    asked = 1
    while (now := _shown(stub, customer)) is None or shown[0] in now:
        if time.perf_counter() - acknowledged > PATIENCE_SECONDS:
            found.failed += 1
            return
        asked += 1
    found.ms.append(1000 * (time.perf_counter() - acknowledged))
    found.stale += asked > 1


def _shown(stub: pb_grpc.CoordinatorServiceStub, customer: str) -> list[str] | None:
    """Return the products of a CART answer, None when it is not a full one."""
    context = RecommendationContext(page_type=PageType.PAGE_TYPE_CART)
    request = pb.GetRecommendationsRequest(customer_id=customer, context=context, limit=5)
    answer = stub.GetRecommendations(request, timeout=TIMEOUT_SECONDS).list
    return None if answer.fallbacks else [each.product_id for each in answer.recommendations]
