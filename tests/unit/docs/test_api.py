"""`docs/api.md` has every RPC: an example of its type, its errors with reasons, and what the contract says of it."""

import re
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.json_format import Parse
from quintet.coordinator.v1 import coordinator_service_pb2
from quintet.customer.v1 import customer_service_pb2
from quintet.feedback.v1 import feedback_service_pb2
from quintet.product.v1 import product_service_pb2
from quintet.recommendation.v1 import recommendation_service_pb2
from quintet.type.v1 import error_pb2

from scripts.api_reference.index import OTHERS, groups
from scripts.api_reference.pages import PAGE as API_PAGE
from scripts.api_reference.pages import SERVICE, TYPES, contract_comments, fresh
from shared.events.check import check_event

PAGE = API_PAGE.read_text()
MODULES = (
    coordinator_service_pb2,
    customer_service_pb2,
    product_service_pb2,
    recommendation_service_pb2,
    feedback_service_pb2,
)
SERVICES = [service for module in MODULES for service in module.DESCRIPTOR.services_by_name.values()]
REASONS = list(error_pb2.DESCRIPTOR.enum_types_by_name["ErrorReason"].values_by_name)
NOT_OF_CALLS = {
    "ERROR_REASON_UNSPECIFIED",
    "PEER_NOT_ALLOWED",  # between agents
}
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


def test_the_pages_have_every_field_limit_path_and_role_of_the_contract() -> None:
    assert (PAGE, TYPES.read_text()) == fresh(), "run `make protos`"


def test_every_rpc_of_the_coordinator_has_one_section_in_a_group_and_nothing_else_has() -> None:
    sections = [name for _, names in groups(PAGE) for name in names]
    assert sorted(sections) == sorted(method.name for method in SERVICE.methods)


@pytest.mark.parametrize("service", SERVICES[1:], ids=lambda each: each.name)
def test_every_rpc_of_an_agent_has_one_section_and_nothing_else_has(service: Any) -> None:
    section = PAGE.partition(OTHERS)[2].partition(f"\n## {service.full_name}\n")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^### (\w+)$", section, re.MULTILINE)) == sorted(each.name for each in service.methods)


def statuses_of_reasons() -> dict[str, str]:
    """Return the status of each reason, the first word of its comment."""
    comments = contract_comments()
    return {name: comments[f"quintet.type.v1.ErrorReason.{name}"].partition(".")[0] for name in REASONS}


def errors_of(method: Any) -> str:
    """Return what the page says that an RPC of the coordinator may end with."""
    found = re.search(rf"^### {method.name}$(?:(?!^### ).)*?^Errors: (.+?)$", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/api.md says no errors of {method.name}"
    return found.group(1)


@pytest.mark.parametrize("method", list(SERVICE.methods), ids=lambda each: each.name)
def test_each_error_is_one_of_the_contract_and_has_its_reasons(method: Any) -> None:
    said, statuses = errors_of(method), statuses_of_reasons()
    reasons = [name for name in re.findall(r"`([A-Z_]+)`", said) if "_" in name]
    assert set(reasons) <= set(statuses), f"no reasons: {set(reasons) - set(statuses)}"
    plain = re.sub(r"`[^`]*`", "", said)
    named = {status for status in set(statuses.values()) if re.search(rf"\b{status}\b", plain)}
    with_reasons = {statuses[name] for name in reasons if "rejections" not in said or statuses[name] in named}
    assert named - {"INVALID_ARGUMENT"} == with_reasons - {"INVALID_ARGUMENT"}
    comment = contract_comments()[method.full_name].partition("Errors:")[2]
    in_contract = {status for status in set(statuses.values()) if re.search(rf"\b{status}\b", comment)}
    assert in_contract <= named, f"the contract says {in_contract - named}, too"


def test_every_reason_that_a_call_ends_with_is_said() -> None:
    assert {name for name in REASONS if f"`{name}`" not in PAGE} == NOT_OF_CALLS
