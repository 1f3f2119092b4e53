"""Sizes are bounded by bytes: what is large is portioned, paged or refused, and never holds up the other calls."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import CustomEvent, Event
from quintet.type.v1.product_pb2 import AttributeValue, Product

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.event_rpcs import _sorted_out
from services.coordinator.event_validation import Submission
from services.coordinator.group_commit import CommitResult
from services.coordinator.server import build
from services.product.agent import ProductAgent
from services.product.server import build as build_product
from shared.config import Settings
from shared.db.engine import Database
from shared.limits import MAX_ELEMENT_BYTES, MAX_ON_THE_WAY_BYTES, MIB
from tests.support.shop import add_customers

NOWHERE = "127.0.0.1:1"


@asynccontextmanager
async def coordinator(database: Database) -> AsyncIterator[tuple[Coordinator, Any]]:
    """Give a coordinator with a product agent, and a stub on a channel without any options."""
    product_settings = Settings(database_url=database.url, product_port=0, drain_seconds=0)
    product = build_product(product_settings, ProductAgent(product_settings, database))
    settings = Settings(
        coordinator_port=0,
        drain_seconds=1,
        customer_address=NOWHERE,
        product_address=f"127.0.0.1:{await product.start()}",
        recommendation_address=NOWHERE,
        feedback_address=NOWHERE,
        agent_timeout_seconds=60,
    )
    agent = Coordinator(settings, database, AgentClients(settings))
    await agent.start()
    server = build(settings, agent)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await server.start()}") as channel:
        yield agent, pb_grpc.CoordinatorServiceStub(channel)
    await server.stop()
    await agent.stop()
    await product.stop()


def products(count: int, size: int) -> Iterator[pb.ImportProductsRequest]:
    for number in range(count):
        texts = ["x" * min(20_000, size - 20_000 * place) for place in range(-(-size // 20_000))]
        facts = {str(place): AttributeValue(text=text) for place, text in enumerate(texts)}
        yield pb.ImportProductsRequest(product=Product(product_id=f"p{number}", name="tea", attributes=facts))


async def test_large_products_are_imported_and_listed_by_a_client_without_options(sqlite_database: Database) -> None:
    async with coordinator(sqlite_database) as (_, stub):
        answer = await stub.ImportProducts(products(200, 39_000))
        assert (answer.created, answer.rejected) == (200, 0)
        found, token = [], ""
        while True:
            page = await stub.ListProducts(pb.ListProductsRequest(page_size=1_000, page_token=token))
            found += [each.product_id for each in page.products]
            token = page.next_page_token
            if not token:
                break
        assert found == [f"p{number}" for number in range(200)]


async def test_an_event_that_is_too_large_is_refused_by_its_bytes_before_all_else(sqlite_database: Database) -> None:
    add_customers(sqlite_database, "ann")
    large = Event(event_id="e", customer_id="ann", custom=CustomEvent(name="x" * MAX_ELEMENT_BYTES))
    async with coordinator(sqlite_database) as (_, stub):
        answer = await stub.BatchRecordEvents(pb.BatchRecordEventsRequest(events=[large]))
    (rejection,) = answer.rejections
    assert rejection.reason == ErrorReason.ELEMENT_TOO_LARGE
    assert dict(rejection.metadata) == {"field": "events[0]", "limit": str(MAX_ELEMENT_BYTES)}


@pytest.mark.parametrize("streams", [1, 3])
async def test_streams_of_large_events_take_little_memory(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch, streams: int
) -> None:
    """While nothing can be written, no more is read than may be on its way, over all streams."""
    add_customers(sqlite_database, "ann")
    event = Event(customer_id="ann", custom=CustomEvent(name="x"))
    event.attributes.update({str(number): "x" * 1_000 for number in range(100)})
    size = event.ByteSize()
    sent = 0
    go_on = asyncio.Event()

    async def stream() -> AsyncIterator[pb.ImportEventsRequest]:
        nonlocal sent
        for _ in range(20 * MAX_ON_THE_WAY_BYTES // size // 5):
            sent += 1
            yield pb.ImportEventsRequest(event=event)

    async with coordinator(sqlite_database) as (agent, stub):
        held = 0

        async def record(submissions: list[Submission]) -> list[CommitResult]:
            nonlocal held
            held += sum(len(each.payload) for each in submissions)
            await go_on.wait()
            return [CommitResult(each.event_id, 1) for each in submissions]

        monkeypatch.setattr(agent, "record", record)
        importing = [asyncio.ensure_future(stub.ImportEvents(stream())) for _ in range(streams)]
        before = -1
        while before < sent:  # until nothing more is taken
            before = sent
            await asyncio.sleep(0.5)
        assert 0 < held <= MAX_ON_THE_WAY_BYTES * 1.01
        assert sent * size < MAX_ON_THE_WAY_BYTES + streams * 12 * MIB, "read ahead by gRPC and one portion of each"
        go_on.set()
        assert sum([(await each).recorded for each in importing]) == sent


@asynccontextmanager
async def longest_wait_of_the_loop() -> AsyncIterator[list[float]]:
    """Give a list that holds, at the end, the longest time in which the event loop did nothing else."""
    longest = [0.0]

    async def tick() -> None:
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest[0], last = max(longest[0], now - last), now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0)
    yield longest
    await asyncio.sleep(0)
    ticking.cancel()


async def test_checking_a_large_batch_leaves_the_loop_to_others() -> None:
    order = Event(customer_id="ann")
    order.purchase.purchase_id = "o"
    for number in range(200):
        order.purchase.items.add(product_id=f"p{number}", quantity=1)
    events = [order] * 1_000
    async with longest_wait_of_the_loop() as longest:
        began = time.perf_counter()
        good, _ = await _sorted_out(events, 0)
        took = time.perf_counter() - began
    assert len(good) == 1_000
    assert longest[0] < took / 5
