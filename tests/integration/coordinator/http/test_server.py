"""The web server itself: ports, stopping, too many requests, clients that take nothing."""

import asyncio
import socket
from functools import partial

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from services.coordinator.http import app, response
from services.coordinator.http.server import HttpServer, build_app
from shared.config import Settings
from shared.errors import FailedPrecondition
from shared.rpc.in_process import InProcessCalls
from tests.integration.coordinator.http.conftest import Remembering, web_server
from tests.support.http_client import HttpClient


def server_on(port: int) -> HttpServer:
    calls = InProcessCalls([partial(pb_grpc.add_CoordinatorServiceServicer_to_server, Remembering())], [])
    return HttpServer(build_app(Settings(), calls), "127.0.0.1", port, drain_seconds=1)


async def test_a_taken_port_is_named_with_its_setting() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(FailedPrecondition, match="QUINTET_HTTP_PORT"):
            await server_on(other.getsockname()[1]).start()


async def test_stopping_before_the_start_does_nothing() -> None:
    await server_on(0).stop()


async def test_a_request_in_progress_is_answered_before_the_server_stops(servicer: Remembering) -> None:
    servicer.hangs = True
    async with web_server(servicer) as client:
        asking = asyncio.create_task(client("GET", "/recommendations?customer_id=1", x_request_timeout="0.5"))
        async with asyncio.timeout(10):
            while not servicer.asked:
                await asyncio.sleep(0.01)
    assert (await asking).status == 504  # its own deadline, not the server's end


async def test_too_many_requests_at_once_are_refused(
    client: HttpClient, servicer: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "MOST_AT_ONCE", 0)
    answer = await client("GET", "/recommendations?customer_id=1")
    assert (answer.status, answer.json["reason"], answer.headers["retry-after"]) == (503, "OVERLOADED", "1")
    assert servicer.asked == []


async def test_a_client_that_takes_nothing_is_dropped(
    client: HttpClient, servicer: Remembering, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response, "WRITE_SECONDS", 0.05)
    monkeypatch.setattr("services.coordinator.http.docs_page.DocsPage.answer", _endless)
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port, limit=1024)
    writer.write(b"GET /docs HTTP/1.1\r\nHost: here\r\n\r\n")
    await reader.readline()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(20):
        while not _ENDED.is_set():
            await asyncio.sleep(0.01)
    writer.close()


_ENDED = asyncio.Event()


async def _endless(_self: object, request: object, request_id: str) -> response.Response:
    async def pieces():  # type: ignore[no-untyped-def]
        try:
            while True:
                yield b"x" * 65536
        finally:
            _ENDED.set()

    return response.Response(200, pieces(), "text/plain")
