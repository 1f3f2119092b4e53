"""The document: up to date, complete, with comments and bounds."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from services.coordinator.http.bindings import bindings_of
from services.coordinator.http.docs_page import OPENAPI
from services.coordinator.http.openapi.bounds import list_bounds, map_bounds, number_bounds, text_bounds
from services.coordinator.http.openapi.operations import path_of
from services.coordinator.http.openapi.plain import PLAIN_PATHS

ROOT = Path(__file__).parents[4]
DOCUMENT: dict[str, Any] = json.loads(OPENAPI.read_text())
BINDINGS = bindings_of(pb.DESCRIPTOR.services_by_name["CoordinatorService"])


def test_the_document_is_what_the_contract_says_now() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_openapi.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("binding", BINDINGS, ids=lambda each: f"{each.verb} {each.path.text}")
def test_every_binding_is_an_operation_with_a_description(binding: Any) -> None:
    operation = DOCUMENT["paths"][path_of(binding)][binding.verb.lower()]
    assert operation["description"]
    assert operation["responses"]["default"] == {"$ref": "#/components/responses/Problem"}
    named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
    assert named == set(re.findall(r"{(\w+)}", path_of(binding)))
    assert len(named) == len(binding.path.variables)


def test_the_plain_calls_are_there() -> None:
    assert set(PLAIN_PATHS) == {"/recommendations", "/event", "/feedback"} <= set(DOCUMENT["paths"])


def test_a_schema_has_comments_bounds_and_choices() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    search = schemas["quintet.type.v1.Search"]
    assert search["required"] == ["query"]
    assert (search["properties"]["query"]["minLength"], search["properties"]["query"]["maxLength"]) == (1, 500)
    assert search["properties"]["product_ids"]["maxItems"] == 200
    event = schemas["quintet.type.v1.Event"]
    assert {"required": ["purchase"]} in event["allOf"][0]["anyOf"]
    pages = schemas["quintet.type.v1.PageType"]
    assert "PAGE_TYPE_HOME" in pages["enum"]
    assert "`PAGE_TYPE_HOME`: The shop's start page" in pages["description"]


def test_every_reference_leads_somewhere() -> None:
    text = OPENAPI.read_text()
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/components/')[1:]}:
        kind, name = reference.split("/", 1)
        assert name in DOCUMENT["components"][kind]


@pytest.mark.parametrize(
    ("read", "comment", "bounds"),
    [
        (text_bounds, "Required. 1 to 128 characters, no control characters.", {"minLength": 1, "maxLength": 128}),
        (text_bounds, "Optional. Filters, at most 1,000 characters.", {"maxLength": 1000}),
        (text_bounds, "The product.", {}),
        (list_bounds, "Required. 1 to 1,000 events.", {"minItems": 1, "maxItems": 1000}),
        (list_bounds, "In order, at most 200.", {"maxItems": 200}),
        (map_bounds, "By name, at most 100 entries.", {"maxProperties": 100}),
        (number_bounds, "Age in years, 0 to 130.", {"minimum": 0, "maximum": 130}),
        (number_bounds, "From -1 to 1: a gain may be below 0.", {"minimum": -1, "maximum": 1}),
        (number_bounds, "Seconds on the page, 0 to 86,400.", {"minimum": 0, "maximum": 86400}),
        (number_bounds, "Scrolls, not negative.", {"minimum": 0}),
        (number_bounds, "0 means 10, more than 100 is lowered to 100.", {}),
        (number_bounds, "0 means 10, more than 100 is lowered to 100, negative is INVALID_ARGUMENT.", {"minimum": 0}),
    ],
)
def test_limits_of_comments_become_bounds(read: Any, comment: str, bounds: dict[str, Any]) -> None:
    assert read(comment) == bounds
