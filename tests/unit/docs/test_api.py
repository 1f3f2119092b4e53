"""`docs/api.md` has an example for every RPC, and every example is a request of its type."""

import re
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.json_format import Parse
from quintet.coordinator.v1 import coordinator_service_pb2
from quintet.customer.v1 import customer_service_pb2
from quintet.feedback.v1 import feedback_service_pb2
from quintet.product.v1 import product_service_pb2
from quintet.recommendation.v1 import recommendation_service_pb2

from shared.events.check import check_event

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
MODULES = (
    coordinator_service_pb2,
    customer_service_pb2,
    product_service_pb2,
    recommendation_service_pb2,
    feedback_service_pb2,
)
SERVICES = [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]
METHODS = [(service, method) for service in SERVICES for method in service.methods]


def example(service: Any, method: Any) -> str:
    """Return the request that the page shows for a method of a service."""
    start = PAGE.index("# Coordinator") if "coordinator" in service.full_name else PAGE.index(f"## {service.full_name}")
    found = re.search(rf"### {method.name}\n.*?```json\n(.*?)\n```", PAGE[start:], re.DOTALL)
    assert found, f"docs/api.md has no example of {service.full_name}/{method.name}"
    return found.group(1)


@pytest.mark.parametrize(("service", "method"), METHODS, ids=lambda each: each.name)
def test_the_example_is_a_request_of_its_type(service: Any, method: Any) -> None:
    request = Parse(example(service, method), message_factory.GetMessageClass(method.input_type)())
    events = [request.event] if "event" in method.input_type.fields_by_name else getattr(request, "events", [])
    for event in events:
        check_event(event)
