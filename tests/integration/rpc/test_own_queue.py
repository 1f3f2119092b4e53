"""How long calls wait to be taken up is seen by the server itself, and gRPC knows the options that bound the wait."""

import asyncio
import time
from pathlib import Path

import grpc
import pytest
from grpc._cython import cygrpc
from quintet.product.v1 import product_service_pb2 as pb
from quintet.product.v1 import product_service_pb2_grpc as pb_grpc

from shared.config import Settings
from shared.rpc.client import channel_options
from shared.rpc.own_queue import LONGEST_SECONDS, OwnQueue
from shared.rpc.server import AgentServer, Service, server_options
from tests.support.cluster import free_ports

NAME = "quintet.product.v1.ProductService"
BUSY_SECONDS = 0.01


class Busy(pb_grpc.ProductServiceServicer):
    """Keeps the event loop for a while with each call."""

    async def GetProduct(self, request: pb.GetProductRequest, context: object) -> pb.GetProductResponse:
        time.sleep(BUSY_SECONDS)
        return pb.GetProductResponse()


def server_of(settings: Settings) -> AgentServer:
    service = Service(Busy(), pb_grpc.add_ProductServiceServicer_to_server, NAME)
    return AgentServer("product", settings, [service])


@pytest.mark.parametrize("options", [server_options(), channel_options(), channel_options(tls=True)])
def test_grpc_knows_every_option(options: list[tuple[str, str | int]]) -> None:
    library = Path(cygrpc.__file__).read_bytes()
    assert [name for name, _ in options if name.encode() not in library] == []


async def test_a_quiet_server_takes_calls_up_at_once() -> None:
    server = server_of(Settings(product_port=0))
    queue = OwnQueue("product", "127.0.0.1", await server.start(), {})
    waits = [await queue.seconds() for _ in range(10)]
    assert 0 < min(waits) < 0.1
    await queue.close()
    await queue.close()
    await server.stop()


async def test_a_check_waits_behind_the_calls_of_others() -> None:
    server = server_of(Settings(product_port=0))
    port = await server.start()
    queue = OwnQueue("product", "0.0.0.0", port, {})  # noqa: S104 - what a server in a container binds to
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        get = pb_grpc.ProductServiceStub(channel).GetProduct
        await get(pb.GetProductRequest())
        await queue.seconds()
        calls = [asyncio.ensure_future(get(pb.GetProductRequest())) for _ in range(100)]
        await asyncio.sleep(0)  # they are sent
        waited = await queue.seconds()
        await asyncio.gather(*calls)
    assert 5 * BUSY_SECONDS < waited <= LONGEST_SECONDS + 100 * BUSY_SECONDS
    await queue.close()
    await server.stop()


async def test_a_server_that_cannot_be_asked_is_not_taken_for_a_slow_one() -> None:
    queue = OwnQueue("product", "127.0.0.1", free_ports(1)[0], {})
    assert await queue.seconds() == 0
    await queue.close()
