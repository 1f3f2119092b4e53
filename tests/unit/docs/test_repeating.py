"""`docs/api.md` says of every RPC that writes whether it takes a request id, and what happens when it is sent again."""

import re
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2

from scripts.api_reference.pages import PAGE, contract_comments
from shared.request_ids import FIELD
from shared.rpc.retries import repeated_methods

SERVICE = coordinator_service_pb2.DESCRIPTOR.services_by_name["CoordinatorService"]
READS = ("Get", "List", "Watch", "Export", "Preview", "BatchGet", "Rank", "Estimate", "Evaluate")
"""How names begin of what writes nothing but a list of recommendations of its own."""
WRITES = [method for method in SERVICE.methods if not method.name.startswith(READS)]
NEEDS_MORE = {"ImportCustomers", "ImportProducts", "RejoinEvents", "ReplayFailedEvents"}
"""Streams, and what counts what was left to do: they are safe to repeat, but gRPC does not by itself."""


def rows() -> list[tuple[list[str], str, str]]:
    """Return the rows of the table: RPCs, whether they take a request id, what happens when they are sent again."""
    table = PAGE.read_text().partition("| what writes |")[2].partition("\n\n")[0]
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return [(re.findall(r"`(\w+)`", names), takes, again) for names, takes, again in cells]


def test_every_rpc_that_writes_is_in_the_table_once_and_nothing_else_is() -> None:
    assert sorted(name for names, _, _ in rows() for name in names) == sorted(method.name for method in WRITES)


@pytest.mark.parametrize("method", WRITES, ids=lambda each: each.name)
def test_the_table_says_what_the_contract_says(method: Any) -> None:
    takes, again = next((takes, again) for names, takes, again in rows() if method.name in names)
    assert takes == ("yes" if FIELD in method.input_type.fields_by_name else "no")
    assert again
    assert "afe to repeat" in re.sub(r"\s+", " ", contract_comments()[method.full_name])


@pytest.mark.parametrize("method", WRITES, ids=lambda each: each.name)
def test_what_needs_no_request_id_is_repeated_by_grpc(method: Any) -> None:
    repeated = {name for service, name in repeated_methods() if service == SERVICE.full_name}
    takes_id = FIELD in method.input_type.fields_by_name
    conditional = "allow_missing" in method.input_type.fields_by_name
    assert (method.name in repeated) == (not takes_id and not conditional and method.name not in NEEDS_MORE)
