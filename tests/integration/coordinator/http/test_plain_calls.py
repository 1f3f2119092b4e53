"""The three plain calls for pages, as snippets on the web write them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from quintet.type.v1.event_pb2 import Event, PageType
from quintet.type.v1.recommendation_pb2 import InteractionType

from tests.integration.coordinator.http.conftest import Remembering
from tests.support.http_client import HttpClient

ORIGIN = "https://shop.example"
BROWSED = {"event_type": "home_view"}


async def test_recommendations_are_product_cards(client: HttpClient, servicer: Remembering) -> None:
    answer = await client("GET", "/recommendations?customer_id=123&limit=5")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert (servicer.asked[0].customer_id, servicer.asked[0].limit) == ("123", 5)
    first, second = answer.json["recommendations"]
    assert first == {
        "recommendation_id": "r1",
        "product_id": "tea",
        "name": "Tea",
        "price": "0.05",
        "currency": "USD",
        "price_minor": 5,
        "image": "https://shop.example/tea.jpg",
        "reason": "Popular with other shoppers",
        "category": "",
        "position": 1,
    }
    assert (second["price"], second["currency"], second["price_minor"], second["image"]) == (None,) * 4


async def test_recommendations_take_where_the_shopper_is(client: HttpClient, servicer: Remembering) -> None:
    path = (
        "/recommendations?visitor_id=v&page_type=cart_page&cart_product_ids=1,2&cart_product_ids=3"
        "&max_price=19.99&currency=USD&in_stock_only=true&exclude_product_ids=9"
    )
    assert (await client("GET", path)).status == 200
    asked = servicer.asked[0]
    assert (asked.visitor_id, asked.context.page_type) == ("v", PageType.PAGE_TYPE_CART)
    assert list(asked.context.cart_product_ids) == ["1", "2", "3"]
    assert (asked.filter.max_price.amount_minor, asked.filter.in_stock_only) == (1999, True)


async def test_a_page_view_as_the_snippet_sends_it(client: HttpClient, servicer: Remembering) -> None:
    body = {
        "event_type": "page_view",
        "customer_id": 123,
        "product_id": 456,
        "page_type": "product_page",
        "timestamp": 1_700_000_000,
    }
    answer = await client("POST", "/event", body)
    assert (answer.status, answer.json["recorded"], answer.json["event_id"]) == (200, True, "made")
    event: Event = servicer.asked[0].event
    assert event.customer_id == "123"
    assert (event.page_view.product_id, event.page_view.page_type) == ("456", PageType.PAGE_TYPE_PRODUCT)
    assert event.event_time.ToDatetime(tzinfo=UTC) == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert not servicer.asked[0].HasField("recommend")


async def test_feedback_as_the_snippet_sends_it(client: HttpClient, servicer: Remembering) -> None:
    body = {"recommendation_id": 789, "interaction_type": "click", "timestamp": "2026-01-02T03:04:05Z"}
    answer = await client("POST", "/feedback", body)
    assert (answer.status, answer.json["feedback_id"]) == (200, "f1")
    feedback = servicer.asked[0].feedback
    assert (feedback.recommendation_id, feedback.interaction_type) == ("789", InteractionType.INTERACTION_TYPE_CLICK)


async def test_an_event_can_be_answered_with_recommendations(client: HttpClient, servicer: Remembering) -> None:
    answer = await client("POST", "/event", {"event_type": "home", "customer_id": "1", "recommend": 3})
    assert [card["product_id"] for card in answer.json["recommendations"]] == ["tea", "cup"]
    assert servicer.asked[0].recommend.limit == 3


@pytest.mark.parametrize("content_type", ["text/plain;charset=UTF-8", ""])
async def test_a_beacon_is_answered_with_nothing(client: HttpClient, servicer: Remembering, content_type: str) -> None:
    text = json.dumps({"event_type": "home_view", "visitor_id": "v"}).encode()
    answer = await client("POST", "/event", text, content_type=content_type, origin=ORIGIN)
    assert (answer.status, answer.body) == (204, b"")
    assert servicer.asked[0].event.visitor_id == "v"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"customer_id": 1}, "event_type"),
        ({"event_type": "nothing", "customer_id": 1}, "event_type"),
        ({"event_type": "page_view", "customer_id": 1, "page_type": "moon"}, "page_type"),
        ({"event_type": "product_view", "customer_id": 1.5, "product_id": 1}, "customer_id"),
        ({"event_type": "product_view", "customer_id": True, "product_id": 1}, "customer_id"),
        ({"event_type": "home_view", "customer_id": 1, "product_id": 1}, "product_id"),
        ({"event_type": "home_view", "customer_id": 1, "timestamp": "yesterday"}, "timestamp"),
        ({"event_type": "purchase", "customer_id": 1, "purchase_id": 1, "items": [{"sku": 1}]}, "items[0].sku"),
    ],
)
async def test_a_mistake_is_named_by_its_flat_field(
    client: HttpClient, servicer: Remembering, body: Any, field: str
) -> None:
    answer = await client("POST", "/event", body)
    assert answer.status == 400
    assert [each["field"] for each in answer.json["field_violations"]] == [field]
    assert servicer.asked == []


async def test_nobody_gets_a_cookie_unasked(client: HttpClient, servicer: Remembering) -> None:
    answer = await client("GET", "/recommendations")
    assert "set-cookie" not in answer.headers
    assert servicer.asked[0].visitor_id  # a stranger for this once
    await client("GET", "/recommendations")
    assert servicer.asked[1].visitor_id != servicer.asked[0].visitor_id


async def test_a_visitor_who_consents_is_known_by_a_cookie(client: HttpClient, servicer: Remembering) -> None:
    answer = await client("GET", "/recommendations?consent=true", x_forwarded_proto="https")
    name, *attributes = answer.headers["set-cookie"].split("; ")
    assert {"HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=15552000"} == set(attributes)
    visitor_id = name.removeprefix("quintet_visitor=")
    assert servicer.asked[0].visitor_id == visitor_id
    again = await client("POST", "/event", BROWSED, cookie=f"quintet_visitor={visitor_id}")
    assert servicer.asked[1].event.visitor_id == visitor_id
    assert "set-cookie" not in again.headers


async def test_logging_in_makes_the_visitor_the_customer(client: HttpClient, servicer: Remembering) -> None:
    await client("POST", "/event", BROWSED | {"customer_id": 5}, cookie="quintet_visitor=abc")
    event = servicer.asked[0].event
    assert (event.customer_id, event.visitor_id) == ("5", "abc")


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"consent": False}, {}),
        ({}, {"cookie": "quintet_consent=no; quintet_visitor=abc"}),
        ({"consent": True}, {"sec_gpc": "1", "cookie": "quintet_visitor=abc"}),
        ({"consent": True}, {"dnt": "1"}),
    ],
)
async def test_a_no_records_nothing_and_takes_the_cookie_away(
    client: HttpClient, servicer: Remembering, body: dict[str, Any], headers: dict[str, str]
) -> None:
    answer = await client("POST", "/event", BROWSED | body, **headers)
    assert (answer.status, answer.json) == (200, {"recorded": False, "reason": "CONSENT_DENIED"})
    assert servicer.asked == []
    taken = answer.headers.get("set-cookie", "")
    assert taken.startswith('quintet_visitor=""; ') == ("quintet_visitor=abc" in headers.get("cookie", ""))
    assert not taken or "Max-Age=0" in taken


async def test_pages_of_the_list_may_read_answers(client: HttpClient) -> None:
    answer = await client("GET", "/recommendations?customer_id=1", origin=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    other = await client("GET", "/recommendations?customer_id=1", origin="https://other.example")
    assert "access-control-allow-origin" not in other.headers
    assert answer.headers["vary"] == other.headers["vary"] == "Origin"


async def test_browsers_may_ask_before_they_call(client: HttpClient, servicer: Remembering) -> None:
    asking = {"access_control_request_method": "POST", "access_control_request_headers": "content-type"}
    answer = await client("OPTIONS", "/event", origin=ORIGIN, **asking)
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (204, ORIGIN)
    assert "POST" in answer.headers["access-control-allow-methods"]
    other = await client("OPTIONS", "/event", origin="https://other.example", **asking)
    assert "access-control-allow-methods" not in other.headers
    assert servicer.asked == []


async def test_the_page_loads_nothing_from_elsewhere(client: HttpClient) -> None:
    page = await client("GET", "/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'")
    for path in ("/docs/docs.js", "/docs/docs.css", "/openapi.json"):
        assert path.encode() in page.body
        assert (await client("GET", path)).status == 200
    assert b"http" not in page.body.replace(b"HTTP", b"")
