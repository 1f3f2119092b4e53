"""Errors over HTTP, and the limits of what a client may send."""

import asyncio

import pytest

from services.coordinator.http import protocol, request
from services.coordinator.http.plain_calls import MOST_BYTES as PLAIN_BYTES
from services.coordinator.http.request import MOST_LINE_BYTES
from shared.rpc.authentication import ADDRESS_KEY
from shared.rpc.rights import Work
from shared.telemetry import HTTP_REFUSED
from tests.integration.coordinator.http.conftest import Remembering
from tests.support.http_client import HttpClient


async def test_an_error_of_the_call_is_a_problem_with_its_details(client: HttpClient) -> None:
    answer = await client("GET", "/v1/products/x", x_request_id="mine-1")
    problem = answer.json
    assert (answer.status, answer.headers["content-type"]) == (404, "application/problem+json")
    assert (problem["status"], problem["title"], problem["code"]) == (404, "Not Found", "NOT_FOUND")
    assert problem["type"] == f"urn:quintet:error:{problem['reason']}"
    assert problem["detail"] == "there is no product 'x'"
    assert problem["field_violations"] == [{"field": "product_id", "description": "there is no product 'x'"}]
    assert problem["request_id"] == answer.headers["x-request-id"] == "mine-1"


async def test_trying_again_is_said_in_body_and_header(client: HttpClient) -> None:
    answer = await client("GET", "/v1/status")
    assert (answer.status, answer.json["retry_after"], answer.headers["retry-after"]) == (503, 1.0, "1")


async def test_a_bug_tells_nothing_of_itself(client: HttpClient) -> None:
    answer = await client("GET", "/v1/products/bug")
    assert (answer.status, answer.json["code"]) == (500, "INTERNAL")
    assert b"secret" not in answer.body
    assert answer.headers["x-request-id"] in answer.json["detail"]


async def test_the_deadline_of_the_request_ends_the_call(client: HttpClient, servicer: Remembering) -> None:
    servicer.hangs = True
    for headers in ({"x_request_timeout": "0.05"}, {"grpc_timeout": "50m"}):
        answer = await client("GET", "/v1/recommendations?customer_id=1", **headers)
        assert (answer.status, answer.json["code"]) == (504, "DEADLINE_EXCEEDED")


@pytest.mark.parametrize("headers", [{"x_request_timeout": "nan"}, {"x_request_timeout": "-1"}, {"grpc_timeout": "1h"}])
async def test_a_malformed_deadline_is_refused(client: HttpClient, headers: dict[str, str]) -> None:
    answer = await client("GET", "/v1/recommendations?customer_id=1", **headers)
    assert (answer.status, answer.json["reason"]) == (400, "FIELD_MALFORMED")


async def test_keys_are_passed_on_as_metadata(client: HttpClient, servicer: Remembering) -> None:
    await client("GET", "/v1/recommendations?customer_id=1&key=k", authorization="Bearer b", origin="https://a.example")
    assert servicer.metadata["authorization"] == "Bearer b"
    assert servicer.metadata[ADDRESS_KEY] == "k"
    assert servicer.metadata["origin"] == "https://a.example"
    assert "host" not in servicer.metadata


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/v1/events", Work.SERVE), ("/v1/events:batchRecord", Work.BULK), ("/v1/models:train", Work.REPORT)],
)
async def test_a_body_is_refused_by_its_announced_length(
    client: HttpClient, servicer: Remembering, path: str, kind: Work
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    size = kind.limits.bytes + 1
    writer.write(f"POST {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {size}\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 10)  # no byte of the body was sent
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert servicer.asked == []


async def test_a_body_that_grows_is_refused_on_the_way(client: HttpClient) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"POST /event HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(PLAIN_BYTES // 65536 + 1):
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
    await writer.drain()
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_line_of_a_stream_has_a_limit(client: HttpClient) -> None:
    answer = await client("POST", "/v1/products:import", b"x" * (MOST_LINE_BYTES + 1))
    assert (answer.status, answer.json["reason"]) == (413, "MESSAGE_TOO_LARGE")


async def test_a_compressed_body_is_refused(client: HttpClient) -> None:
    assert (await client("POST", "/event", b"x", content_encoding="gzip")).status == 415


async def test_a_body_that_stops_is_given_up(client: HttpClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "READ_SECONDS", 0.05)
    for path in (b"/v1/events", b"/v1/products:import"):
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"POST %s HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n{" % path)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: here\r\n"])
async def test_headers_that_do_not_come_are_given_up(
    servicer: Remembering, sent: bytes, monkeypatch: pytest.MonkeyPatch, client: HttpClient
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /%s HTTP/1.1\r\n\r\n" % (b"x" * 40_000),
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: %s\r\n" % (number, b"x" * 100) for number in range(500)),
        b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000,
    ],
)
async def test_headers_without_end_are_refused(client: HttpClient, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.readline(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 431 ")


async def test_what_is_not_http_is_refused(client: HttpClient) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"\x16\x03\x01 hello\r\n\r\n")
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert b" 400 " in answer
    assert b"HTTP_MALFORMED" in answer


async def test_bodies_that_cannot_be_read_are_counted(client: HttpClient) -> None:
    counted = HTTP_REFUSED.labels("MESSAGE_MALFORMED")
    before = counted._value.get()
    await client("POST", "/event", b"{", content_type="text/plain")
    assert counted._value.get() == before + 1
