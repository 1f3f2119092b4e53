"""The bindings of the contract as operations of the document."""

from collections.abc import Iterator
from typing import Any

from services.coordinator.http.bindings import WHOLE, Binding
from services.coordinator.http.openapi.behavior import is_required
from services.coordinator.http.openapi.schemas import WELL_KNOWN, Schema, Schemas
from services.coordinator.http.response import JSON
from services.coordinator.http.streaming import EVENT_STREAM, NDJSON

PROBLEM: Schema = {"$ref": "#/components/responses/Problem"}


def operation(binding: Binding, schemas: Schemas, example: dict[str, Any], number: int) -> Schema:
    """Return the operation of a binding, the `number`-th of its RPC; `example` is a request."""
    method = binding.method
    found: Schema = {
        "operationId": method.name if number == 0 else f"{method.name}{number + 1}",
        "summary": method.name,
        "description": schemas.comment(method.full_name),
        "tags": [_tag(binding)],
        "parameters": [*_path_parameters(binding, schemas, example), *_query_parameters(binding, schemas, example)],
        "responses": {"200": _answer(binding, schemas), "default": PROBLEM},
    }
    if binding.body:
        found["requestBody"] = _request_body(binding, schemas, example)
    return found


def path_of(binding: Binding) -> str:
    """Return the path as the document writes it, with names without dots: tools trip over `{product.product_id}`."""
    text = binding.path.text
    for path in binding.path.variables:
        text = text.replace(f"{{{path}}}", f"{{{_parameter_name(path)}}}")
    return text


def _parameter_name(path: str) -> str:
    return path.rpartition(".")[2]


def _tag(binding: Binding) -> str:
    return binding.path.segments[1].partition(":")[0]


def _path_parameters(binding: Binding, schemas: Schemas, example: dict[str, Any]) -> Iterator[Schema]:
    for path in binding.path.variables:
        schema = schemas.of_field(_field_at(binding.method.input_type, path))
        description = schema.pop("description", "")
        found = {"name": _parameter_name(path), "in": "path", "required": True, "description": description}
        # an id is never empty, and a slash within one is written %2F
        yield found | {"schema": {"minLength": 1, "maxLength": 128} | schema} | _example_at(example, path)


def _query_parameters(binding: Binding, schemas: Schemas, example: dict[str, Any]) -> Iterator[Schema]:
    if binding.body == WHOLE or binding.method.client_streaming:
        return
    taken = {*binding.path.variables, binding.body}
    for path, field in _leaves(binding.method.input_type, "", taken):
        schema = schemas.of_field(field)
        description = schema.pop("description", "")
        required = "." not in path and is_required(field)
        found = {"name": path, "in": "query", "required": required, "description": description, "schema": schema}
        yield found | _example_at(example, path)


def _leaves(message: Any, start: str, taken: set[str]) -> Iterator[tuple[str, Any]]:
    """Yield the paths that a query can name, with their fields."""
    for field in message.fields:
        path = f"{start}{field.name}"
        if path in taken:
            continue
        inner = field.message_type
        if inner is None or inner.full_name in WELL_KNOWN:
            yield path, field
        elif not field.is_repeated:
            yield from _leaves(inner, f"{path}.", taken)


def _request_body(binding: Binding, schemas: Schemas, example: dict[str, Any]) -> Schema:
    message = binding.method.input_type
    if binding.method.client_streaming:
        text = {"schema": {"type": "string"}, "x-each-line": schemas.reference(message)}
        content = dict.fromkeys((NDJSON, "text/plain"), text)
        return {"required": False, "description": "One JSON object a line.", "content": content}
    if binding.body == WHOLE:
        schema, shown = schemas.reference(message), example
    else:
        inside = [path.removeprefix(f"{binding.body}.") for path in binding.path.variables]
        schema = schemas.of_message(message.fields_by_name[binding.body].message_type, inside)
        shown = {name: value for name, value in example.get(binding.body, {}).items() if name not in inside}
    return {"required": _needs_body(schema, schemas), "content": {JSON: {"schema": schema, "example": shown}}}


def _needs_body(schema: Schema, schemas: Schemas) -> bool:
    """Whether an empty body, which is read as `{}`, lacks something."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return "required" in schemas.components.get(name, schema)


def _answer(binding: Binding, schemas: Schemas) -> Schema:
    schema = schemas.reference(binding.method.output_type)
    if binding.response_body:
        schema = schemas.of_field(binding.method.output_type.fields_by_name[binding.response_body])
    if not binding.method.server_streaming:
        return {"description": "The answer.", "content": {JSON: {"schema": schema}}}
    text = {"schema": {"type": "string"}, "x-each-line": schema}
    return {
        "description": "One JSON object a line, or server-sent events for `Accept: text/event-stream`.",
        "content": {NDJSON: text, EVENT_STREAM: text},
    }


def _field_at(message: Any, path: str) -> Any:
    *parents, last = path.split(".")
    for name in parents:
        message = message.fields_by_name[name].message_type
    return message.fields_by_name[last]


def _example_at(example: Any, path: str) -> Schema:
    """Return the value at a path of an example request as the example of a parameter."""
    for name in path.split("."):
        if not isinstance(example, dict) or name not in example:
            return {}
        example = example[name]
    return {"example": example}
