"""A server that stops breaks off no call that has arrived, and what it could not take up is repeated elsewhere."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from quintet.product.v1 import product_service_pb2 as pb
from quintet.product.v1 import product_service_pb2_grpc as pb_grpc

from shared.config import Settings
from shared.rpc.client import call, open_channel
from shared.rpc.own_queue import SHORT_SECONDS, OwnQueue
from shared.rpc.server import AgentServer, Service

NAME = "quintet.product.v1.ProductService"
CALLS = 20
BUSY_SECONDS = 0.3
TIMEOUT_SECONDS = 20.0
BUSY, ONCE = "busy", "ends cancelled once"


class Servicer(pb_grpc.ProductServiceServicer):
    """Keeps the event loop for a while when told to; ends the first call of a kind as a server that stops does."""

    def __init__(self) -> None:
        self.busy = threading.Event()
        self.then: Any = None
        self.asked = 0

    async def GetProduct(self, request: pb.GetProductRequest, context: Any) -> pb.GetProductResponse:
        self.asked += 1
        if request.product_id == BUSY:
            self.busy.set()
            time.sleep(BUSY_SECONDS)
            self.then()
        if request.product_id == ONCE and self.asked == 1:
            await context.abort(grpc.StatusCode.CANCELLED, "")
        return pb.GetProductResponse()


@pytest.fixture
async def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def server(servicer: Servicer) -> AsyncIterator[AgentServer]:
    service = Service(servicer, pb_grpc.add_ProductServiceServicer_to_server, NAME)
    server = AgentServer("product", Settings(product_port=0, drain_seconds=5), [service])
    await server.start()
    yield server
    await server.stop()


async def test_calls_that_wait_to_be_taken_up_are_answered_before_it_stops(
    server: AgentServer, servicer: Servicer
) -> None:
    stopped: list[asyncio.Task[None]] = []
    servicer.then = lambda: stopped.append(asyncio.create_task(server.stop()))
    # A channel of threads, which send while the loop is busy; it repeats nothing.
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", [("grpc.enable_retries", 0)]) as channel:
        await asyncio.to_thread(grpc.channel_ready_future(channel).result, TIMEOUT_SECONDS)
        get = pb_grpc.ProductServiceStub(channel).GetProduct
        busy = get.future(pb.GetProductRequest(product_id=BUSY), timeout=TIMEOUT_SECONDS)
        waiting: list[Any] = []
        sender = threading.Thread(target=lambda: servicer.busy.wait() and waiting.extend(_sent(get)))
        sender.start()
        await asyncio.to_thread(busy.result)
        await asyncio.to_thread(sender.join)
        assert [await asyncio.to_thread(each.code) for each in waiting] == [grpc.StatusCode.OK] * CALLS
    await stopped[0]


def _sent(get: Any) -> list[Any]:
    return [get.future(pb.GetProductRequest(), timeout=TIMEOUT_SECONDS) for _ in range(CALLS)]


async def test_a_call_that_a_server_did_not_take_up_is_repeated(server: AgentServer, servicer: Servicer) -> None:
    channel = open_channel(f"127.0.0.1:{server.port}")
    get = pb_grpc.ProductServiceStub(channel).GetProduct  # type: ignore[no-untyped-call]
    await call(get, pb.GetProductRequest(product_id=ONCE), TIMEOUT_SECONDS)
    assert servicer.asked == 2
    await channel.close()


async def test_a_server_that_is_never_at_rest_is_not_waited_for_longer_than_said(server: AgentServer) -> None:
    queue = OwnQueue("product", "127.0.0.1", server.port, {})
    working = asyncio.create_task(_work_on())
    began = time.monotonic()
    await queue.until_short(0.1)
    assert time.monotonic() - began >= 0.1
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    await queue.close()


async def _work_on() -> None:
    while True:
        time.sleep(SHORT_SECONDS)
        await asyncio.sleep(0)
