"""Every RPC of the public service has its way over HTTP, and no two are in each other's way."""

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.customer.v1 import customer_service_pb2

from services.coordinator.http.bindings import bindings_of
from services.coordinator.http.router import Router

SERVICE = pb.DESCRIPTOR.services_by_name["CoordinatorService"]
BINDINGS = bindings_of(SERVICE)


@pytest.mark.parametrize("name", [method.name for method in SERVICE.methods])
def test_every_rpc_has_an_annotation(name: str) -> None:
    assert [binding for binding in BINDINGS if binding.method.name == name]


def test_an_rpc_without_an_annotation_is_named() -> None:
    service = customer_service_pb2.DESCRIPTOR.services_by_name["CustomerService"]
    with pytest.raises(ValueError, match=r"CustomerService\.\w+ has no google.api.http annotation"):
        bindings_of(service)


@pytest.mark.parametrize("binding", BINDINGS, ids=lambda each: f"{each.verb} {each.path.text}")
def test_every_path_leads_to_its_own_rpc(binding: object) -> None:
    filled = binding.path.text  # type: ignore[attr-defined]
    for name in binding.path.variables:  # type: ignore[attr-defined]
        filled = filled.replace(f"{{{name}}}", "some-id")
    route = Router(BINDINGS).find(binding.verb, filled)  # type: ignore[attr-defined]
    assert route is not None
    assert route.binding is binding


@pytest.mark.parametrize("binding", BINDINGS, ids=lambda each: f"{each.verb} {each.path.text}")
def test_what_only_reads_is_a_get_and_takes_no_body(binding: object) -> None:
    name, verb, body = binding.method.name, binding.verb, binding.body  # type: ignore[attr-defined]
    if verb in ("GET", "DELETE"):
        assert not body
    if verb == "GET":
        assert name.startswith(("Get", "List", "Watch", "Export", "Preview", "Estimate"))


def test_a_path_says_which_verbs_it_takes() -> None:
    router = Router(BINDINGS)
    assert "GET" in router.verbs("/v1/products/p")
    assert "PUT" in router.verbs("/v1/products/p")
    assert router.verbs("/v1/nothing/p") == []


def test_a_verb_at_the_end_is_no_part_of_an_id() -> None:
    router = Router(BINDINGS)
    assert router.verbs("/v1/visitors/v:export") == ["GET"]
    assert router.find("DELETE", "/v1/visitors/v:export") is None
    route = router.find("DELETE", "/v1/visitors/v%3Aexport")
    assert route is not None
    assert route.variables == {"visitor_id": "v:export"}


def test_a_colon_that_begins_no_verb_is_part_of_an_id() -> None:
    route = Router(BINDINGS).find("GET", "/v1/products/gtin:4006381333931")
    assert route is not None
    assert route.variables == {"product_id": "gtin:4006381333931"}
