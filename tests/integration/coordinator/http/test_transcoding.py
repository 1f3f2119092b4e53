"""Calls of the contract over HTTP: what reaches the servicer, and what comes back."""

import asyncio
import json
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.placement_pb2 import PlacementBoosts

from tests.integration.coordinator.http.conftest import Remembering
from tests.support.http_client import HttpClient


async def test_a_query_sets_nested_and_repeated_fields(client: HttpClient, servicer: Remembering) -> None:
    path = (
        "/v1/recommendations?customer_id=7&limit=3&context.page_type=PAGE_TYPE_CART&context.cart_product_ids=a"
        "&context.cart_product_ids=b%2Cc&filter.min_price.amount_minor=100&filter.inStockOnly=true&strategy=popular&boosts.novelty=-0.5"
    )
    answer = await client("GET", path)
    asked = servicer.asked[0]
    assert answer.status == 200
    assert (asked.customer_id, asked.limit, asked.context.page_type) == ("7", 3, PageType.PAGE_TYPE_CART)
    assert list(asked.context.cart_product_ids) == ["a", "b,c"]
    assert (asked.filter.min_price.amount_minor, asked.filter.in_stock_only) == (100, True)
    assert (asked.strategy, asked.boosts) == ("popular", PlacementBoosts(novelty=-0.5))
    card = answer.json["list"]["recommendations"][0]
    assert (card["product_name"], card["price"]) == ("Tea", {"currency_code": "USD", "amount_minor": "5"})


async def test_the_additional_binding_takes_the_same_request_as_a_body(
    client: HttpClient, servicer: Remembering
) -> None:
    body = {"customer_id": "7", "context": {"page_type": "PAGE_TYPE_HOME"}}
    assert (await client("POST", "/v1/recommendations:query", body)).status == 200
    assert servicer.asked[0].context.page_type == PageType.PAGE_TYPE_HOME


async def test_path_and_body_field_make_one_message(client: HttpClient, servicer: Remembering) -> None:
    answer = await client("PUT", "/v1/products/a%2Fb%3A1", {"name": "Tea"})
    assert (answer.status, answer.json) == (200, {"created": True, "stale": "0"})
    product = servicer.asked[0].product
    assert (product.product_id, product.name) == ("a/b:1", "Tea")


async def test_a_body_that_contradicts_the_path_is_refused(client: HttpClient, servicer: Remembering) -> None:
    answer = await client("PUT", "/v1/products/a", {"product_id": "b", "name": "Tea"})
    assert (answer.status, answer.json["reason"]) == (400, "PATH_MISMATCH")
    assert servicer.asked == []


async def test_empty_lists_and_numbers_are_in_the_answer(client: HttpClient) -> None:
    assert (await client("GET", "/v1/products")).json == {"products": [], "next_page_token": "next"}


async def test_lines_of_a_body_are_the_messages_of_a_stream(client: HttpClient, servicer: Remembering) -> None:
    lines = [json.dumps({"product": {"product_id": f"p{number}"}}) for number in range(250)]
    answer = await client("POST", "/v1/products:import", "\n\n".join(lines).encode())
    assert (answer.status, answer.json["created"]) == (200, "250")
    assert servicer.asked[249].product.product_id == "p249"


async def test_a_malformed_line_is_named_without_what_it_says(client: HttpClient, servicer: Remembering) -> None:
    answer = await client("POST", "/v1/products:import", b'{"product":{}}\n{"product":{"name":{"secret":1}}}')
    assert (answer.status, answer.json["code"]) == (400, "INVALID_ARGUMENT")
    assert answer.json["field_violations"][0]["field"] == "line 2"
    assert b"secret" not in answer.body
    assert len(servicer.asked) == 1


async def test_a_stream_of_answers_is_a_line_each(client: HttpClient) -> None:
    answer = await client("GET", "/v1/jobs/j1:watch")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
    states = [json.loads(line)["job"]["state"] for line in answer.body.splitlines()]
    assert states == ["JOB_STATE_RUNNING", "JOB_STATE_SUCCEEDED"]


async def test_browsers_get_a_stream_as_events(client: HttpClient) -> None:
    answer = await client("GET", "/v1/jobs/j1:watch", accept="text/event-stream")
    assert answer.headers["content-type"] == "text/event-stream"
    first, second, rest = answer.body.split(b"\n\n")
    assert json.loads(first.removeprefix(b"data: "))["job"]["job_id"] == "j1"
    assert (second[:6], rest) == (b"data: ", b"")


async def test_a_stream_that_fails_at_once_is_an_ordinary_problem(client: HttpClient) -> None:
    answer = await client("GET", "/v1/jobs/unknown:watch")
    assert (answer.status, answer.json["code"]) == (404, "NOT_FOUND")


async def test_a_stream_that_breaks_says_so_in_its_last_line(client: HttpClient) -> None:
    answer = await client("GET", "/v1/jobs/breaks:watch")
    first, last = [json.loads(line) for line in answer.body.splitlines()]
    assert first["job"]["job_id"] == "breaks"
    assert (last["error"]["status"], last["error"]["code"]) == (503, "UNAVAILABLE")


async def test_a_watcher_that_goes_away_ends_the_call(client: HttpClient, servicer: Remembering) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(b"GET /v1/jobs/endless:watch HTTP/1.1\r\nHost: here\r\n\r\n")
    await reader.readuntil(b"RUNNING")
    writer.close()
    async with asyncio.timeout(10):
        while not servicer.asked:
            await asyncio.sleep(0.01)
    assert servicer.asked == ["watcher gone"]


async def test_a_verb_of_a_path_is_not_an_id(client: HttpClient, servicer: Remembering) -> None:
    await client("GET", "/v1/jobs/j:watch")
    assert servicer.asked == []
    await client("GET", "/v1/jobs/j%3Awatch")
    assert servicer.asked[0].job_id == "j:watch"


@pytest.mark.parametrize(
    ("verb", "path", "body", "status", "reason"),
    [
        ("GET", "/v1/nothing", None, 404, "PATH_UNKNOWN"),
        ("GET", "/", None, 404, "PATH_UNKNOWN"),
        ("DELETE", "/v1/status", None, 405, "METHOD_NOT_ALLOWED"),
        ("PUT", "/event", {}, 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/v1/products?page_size=many", None, 400, "MESSAGE_MALFORMED"),
        ("GET", "/v1/products?nothing=1", None, 400, "PARAMETER_UNKNOWN"),
        ("GET", "/v1/products?page_size=1&page_size=2", None, 400, "PARAMETER_REPEATED"),
        ("GET", "/v1/products?page_size", None, 400, "QUERY_MALFORMED"),
        ("GET", "/v1/recommendations?filter.in_stock_only=perhaps", None, 400, "FIELD_MALFORMED"),
        ("GET", "/v1/recommendations?context=x", None, 400, "PARAMETER_UNKNOWN"),
        ("GET", "/v1/products/%ff", None, 400, "PATH_MALFORMED"),
        ("POST", "/v1/events?validate_only=true", {}, 400, "PARAMETER_UNKNOWN"),
        ("POST", "/v1/events", b"{", 400, "MESSAGE_MALFORMED"),
        ("POST", "/v1/events", b"[" * 100_000, 400, "MESSAGE_MALFORMED"),
        ("POST", "/v1/events", b'{"event": {"nothing": 1}}', 400, "MESSAGE_MALFORMED"),
        ("POST", "/v1/events", b'{"event": {"customer_id": "\\ud800"}}', 400, "MESSAGE_MALFORMED"),
        ("GET", "/v1/status", b"{}", 400, "BODY_UNEXPECTED"),
    ],
)
async def test_what_cannot_be_read_is_refused_before_the_call(
    client: HttpClient, servicer: Remembering, verb: str, path: str, body: Any, status: int, reason: str
) -> None:
    answer = await client(verb, path, body, **({"content_type": "application/json"} if body else {}))
    assert (answer.status, answer.json["reason"]) == (status, reason)
    assert answer.headers["content-type"] == "application/problem+json"
    assert servicer.asked == []


async def test_every_rpc_can_be_called(client: HttpClient) -> None:
    """An annotation that is missing or not understood stops the start; here each leads to its own RPC."""
    described = (await client("GET", "/openapi.json")).json
    operations = {each["operationId"] for path in described["paths"].values() for each in path.values()}
    service = pb.DESCRIPTOR.services_by_name["CoordinatorService"]
    assert {method.name for method in service.methods} <= operations
