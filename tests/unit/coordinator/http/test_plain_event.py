"""Flat objects as events: every type of the contract by its name."""

import json
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from quintet.type.v1.event_pb2 import Event

from services.coordinator.http.plain_event import page_type_of, to_record_request
from services.coordinator.http.plain_fields import Fields, parse_object
from shared.errors import InvalidArgument
from shared.events.check import check_event

EVENTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "home_view": ({}, {}),
    "page_view": ({"page_type": "category", "category": "Tea"}, {"page_type": "PAGE_TYPE_CATEGORY", "category": "Tea"}),
    "category_view": ({"category": "Tea"}, {"category": "Tea"}),
    "search": (
        {"query": "green", "product_ids": [1, "b"], "filter": "brand:a"},
        {"query": "green", "product_ids": ["1", "b"], "filter": "brand:a"},
    ),
    "product_view": (
        {"product_id": 1, "duration_seconds": 2.5, "scrolls": 3, "clicks": "4", "scroll_depth": "0.5"},
        {"product_id": "1", "duration_seconds": 2.5, "scrolls": 3, "clicks": 4, "scroll_depth": 0.5},
    ),
    "add_to_cart": ({"product_id": 1, "quantity": 2}, {"items": [{"product_id": "1", "quantity": 2.0}]}),
    "remove_from_cart": ({"items": [{"product_id": "a"}]}, {"items": [{"product_id": "a"}]}),
    "cart_view": ({}, {}),
    "purchase": (
        {
            "order_id": 7,
            "currency": "USD",
            "total": "9.99",
            "items": [{"product_id": 1, "quantity": 3, "price": 1.11}, {"product_id": 2, "amount": 6.66}],
        },
        {
            "purchase_id": "7",
            "items": [
                {"product_id": "1", "quantity": 3.0, "amount": {"currency_code": "USD", "amount_minor": "333"}},
                {"product_id": "2", "amount": {"currency_code": "USD", "amount_minor": "666"}},
            ],
            "total": {"currency_code": "USD", "amount_minor": "999"},
        },
    ),
    "refund": (
        {"purchase_id": 7, "items": [{"product_id": 1}], "amount": 1, "currency": "JPY"},
        {
            "purchase_id": "7",
            "items": [{"product_id": "1"}],
            "amount": {"currency_code": "JPY", "amount_minor": "1"},
        },
    ),
    "impression": (
        {"recommendation_ids": ["r1", 2], "attribution_token": "t"},
        {"recommendation_ids": ["r1", "2"], "attribution_token": "t"},
    ),
    "custom": ({"name": "favourite"}, {"name": "favourite"}),
}


@pytest.mark.parametrize("kind", [field.name for field in Event.DESCRIPTOR.oneofs_by_name["detail"].fields])
def test_every_event_of_the_contract_can_be_written_flat(kind: str) -> None:
    flat, detail = EVENTS[kind]
    text = json.dumps({"event_type": kind, "customer_id": 1, **flat}).encode()
    event = to_record_request(parse_object(text)).event
    assert check_event(event) == kind
    assert MessageToDict(getattr(event, kind), preserving_proto_field_name=True) == detail


def test_what_all_events_have_in_common_is_taken() -> None:
    flat = {
        "event_type": "custom:favourite",
        "event_id": 1,
        "visitor_id": "v",
        "session_id": "s",
        "recommendation_id": "r",
        "attributes": {"list": "wishes", "count": 2, "gift": True},
        "recommend": True,
    }
    request = to_record_request(Fields(flat))
    event = request.event
    assert (event.event_id, event.visitor_id, event.session_id, event.recommendation_id) == ("1", "v", "s", "r")
    assert dict(event.attributes) == {"list": "wishes", "count": "2", "gift": "true"}
    assert (event.custom.name, request.recommend.limit) == ("favourite", 0)
    assert request.HasField("recommend")


@pytest.mark.parametrize("text", ["product", "product_page", "PAGE_TYPE_PRODUCT", "Product-Page", "productpage"])
def test_page_types_are_words_that_people_use(text: str) -> None:
    assert page_type_of(text, "page_type") == page_type_of("product", "page_type")


@pytest.mark.parametrize("text", ["unspecified", "moon", "page"])
def test_other_page_types_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="page_type: must be one of home, product"):
        page_type_of(text, "page_type")
