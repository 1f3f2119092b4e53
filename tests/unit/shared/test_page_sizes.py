"""A list that is asked for page by page is as long as the comment of its size says, in every RPC that has one."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import event_log_pb2 as events
from quintet.coordinator.v1 import improvement_pb2 as improvement
from quintet.coordinator.v1 import operations_pb2 as operations
from quintet.customer.v1 import customer_service_pb2 as customer_pb
from quintet.product.v1 import product_service_pb2 as product_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb

from services.coordinator import event_log_convert, job_rpcs
from services.coordinator.improvement import convert as improvement_convert
from services.customer import convert as customer_convert
from services.product import convert as product_convert
from services.recommendation import convert as recommendation_convert
from shared.errors import InvalidArgument
from shared.page_rules import DEFAULT_LIMIT, MAX_LIMIT
from tests.support.contract import comments

SIZE = re.compile(r"0 means ([\d,]+), more than ([\d,]+) is lowered to ([\d,]+)")
SIZES: dict[str, Callable[[int], Any]] = {
    "ListProductsRequest.page_size": lambda size: (
        product_convert.page_query(product_pb.ListProductsRequest(page_size=size)).size
    ),
    "ListOffersRequest.page_size": lambda size: product_convert.offers_page(
        product_pb.ListOffersRequest(page_size=size)
    )[0],
    "GetSimilarProductsRequest.limit": lambda size: product_convert.related_limit(
        product_pb.GetRelatedProductsRequest(limit=size)
    ),
    "ListCustomersRequest.page_size": lambda size: (
        customer_convert.to_page_query(customer_pb.ListCustomersRequest(page_size=size)).size
    ),
    "ListModelsRequest.page_size": lambda size: recommendation_convert.to_models_page(
        recommendation_pb.ListModelVersionsRequest(page_size=size)
    )[1],
    "ListImprovementRunsRequest.page_size": lambda size: (
        improvement_convert.to_page(improvement.ListImprovementRunsRequest(page_size=size)).size
    ),
    "ListJobsRequest.page_size": lambda size: job_rpcs._page(pb.ListJobsRequest(page_size=size)).size,
    "ListFailedEventsRequest.page_size": lambda size: (
        event_log_convert.to_page(events.ListFailedEventsRequest(page_size=size)).size
    ),
    "ListUnjoinedEventsRequest.limit": lambda size: event_log_convert.to_limit(
        events.ListUnjoinedEventsRequest(limit=size)
    ),
}
ELSEWHERE = {
    "GetRecommendationsRequest.limit",
    "RecommendationOptions.limit",
    "ListPlacementsRequest.page_size",
    "ListRulesRequest.page_size",
    "ListExperimentsRequest.page_size",
}
"""Held by the tests of what is shown and of stored definitions."""


def stated(name: str) -> list[int]:
    found = SIZE.search(comments()[f"quintet.coordinator.v1.{name}"])
    assert found, name
    return [int(each.replace(",", "")) for each in found.groups()]


@pytest.mark.parametrize("name", SIZES)
def test_a_page_is_as_large_as_its_comment_says(name: str) -> None:
    default, beyond, most = stated(name)
    assert beyond == most
    assert [SIZES[name](size) for size in (0, 1, most, most + 1)] == [default, 1, most, most]
    with pytest.raises(InvalidArgument) as caught:
        SIZES[name](-1)
    assert caught.value.field == name.partition(".")[2]


def test_every_size_of_a_page_is_looked_at() -> None:
    messages = {**pb.DESCRIPTOR.message_types_by_name, **events.DESCRIPTOR.message_types_by_name}
    messages |= {**operations.DESCRIPTOR.message_types_by_name, **improvement.DESCRIPTOR.message_types_by_name}
    sizes = {
        f"{name}.{field}"
        for name, message in messages.items()
        for field in message.fields_by_name
        if SIZE.search(comments()[f"quintet.coordinator.v1.{name}.{field}"])
    }
    assert sizes == SIZES.keys() | ELSEWHERE
    assert {tuple(stated(name)) for name in ELSEWHERE if name.endswith(".limit")} == {
        (DEFAULT_LIMIT, MAX_LIMIT, MAX_LIMIT)
    }
