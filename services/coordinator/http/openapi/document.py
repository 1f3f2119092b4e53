"""The whole document: every RPC by its bindings, the three plain calls, and what errors look like."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2

from services.coordinator.http.bindings import Binding, bindings_of
from services.coordinator.http.openapi.comments import comments_of
from services.coordinator.http.openapi.operations import operation, path_of
from services.coordinator.http.openapi.plain import PLAIN_PATHS, PLAIN_SCHEMAS
from services.coordinator.http.openapi.schemas import Schema, Schemas
from services.coordinator.http.problem import MEDIA_TYPE

DESCRIPTION = (
    "Every call of Quintet's contract over HTTP, and three plain calls for pages. Field names are the contract's; "
    "64-bit numbers are texts, times are ISO 8601, enums are their names. Errors are problems as in RFC 9457."
)


def make_document(service: Any, files: descriptor_pb2.FileDescriptorSet, examples: dict[str, Any], version: str) -> str:
    """Return the OpenAPI document of a service descriptor as text.

    Parameters
    ----------
    service : google.protobuf.descriptor.ServiceDescriptor
        The service; each RPC has an annotation.
    files : FileDescriptorSet
        The contract with its comments.
    examples : dict of str to Any
        A request by the name of its RPC.
    version : str
        Version of the document.
    """
    schemas = Schemas(comments_of(files))
    paths: dict[str, Schema] = defaultdict(dict)
    paths |= PLAIN_PATHS
    for number, binding in _numbered(bindings_of(service)):
        example = examples.get(binding.method.name, {})
        paths[path_of(binding)][binding.verb.lower()] = operation(binding, schemas, example, number)
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Quintet", "version": version, "description": DESCRIPTION},
        "paths": paths,
        "security": [{}, {"key": []}, {"bearer": []}],
        "components": _components(schemas),
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def examples_of(page: Path) -> dict[str, Any]:
    """Return the request that the page shows for each RPC of the coordinator, by name."""
    text = page.read_text().partition("# The other agents")[0]
    found = re.findall(r"### (\w+)\n(?:(?!\n### ).)*?```json\n(.*?)\n```", text, re.DOTALL)
    return {name: json.loads(example) for name, example in found}


def _numbered(bindings: list[Binding]) -> list[tuple[int, Binding]]:
    """Return each binding with its place among those of its RPC."""
    seen: dict[str, int] = defaultdict(int)
    found = []
    for binding in bindings:
        found.append((seen[binding.rpc], binding))
        seen[binding.rpc] += 1
    return found


def _components(schemas: Schemas) -> Schema:
    problem = {"description": "What went wrong.", "content": {MEDIA_TYPE: {"schema": _reference("Problem")}}}
    return {
        "schemas": dict(sorted(schemas.components.items())) | PLAIN_SCHEMAS,
        "responses": {"Problem": problem},
        "securitySchemes": {
            "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            "bearer": {"type": "http", "scheme": "bearer"},
        },
    }


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
