"""The page of types: every message and enum that a platform can meet, but for requests and answers themselves."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import Descriptor

from scripts.api_reference.tables import Comments, fields, is_map, short_name, values

HEAD = """# Types of the API

Messages and enums of [the API](api.md), made from the contract and its comments. In JSON a `Timestamp` is a text
(`2026-01-02T03:04:05Z`), a `Duration` a text of seconds (`3.5s`), a `FieldMask` names of fields with commas,
and an int64 number a text.
"""


def types_page(service: Any, comments: Comments) -> str:
    """Return the page: types by the file of the contract that they are in, each file's by name."""
    lines = [HEAD]
    files: dict[str, list[Any]] = {}
    for kind in sorted(_reachable(service), key=short_name):
        files.setdefault(kind.file.name, []).append(kind)
    for file, kinds in sorted(files.items()):
        lines += [f"## {file}", ""]
        for kind in kinds:
            table = fields(kind, comments, "field") if isinstance(kind, Descriptor) else values(kind, comments)
            lines += [f"### {short_name(kind)}", "", comments.get(kind.full_name, ""), "", *table, ""]
    return "\n".join(lines).rstrip() + "\n"


def _reachable(service: Any) -> set[Any]:
    own = {kind.full_name for method in service.methods for kind in (method.input_type, method.output_type)}
    found: dict[str, Any] = {}
    for method in service.methods:
        for kind in (method.input_type, method.output_type):
            _collect(kind, found)
    return {kind for name, kind in found.items() if name not in own}


def _collect(message: Descriptor, found: dict[str, Any]) -> None:
    if message.full_name in found:
        return
    found[message.full_name] = message
    for kind in _kinds(message):
        if isinstance(kind, Descriptor):
            _collect(kind, found)
        else:
            found[kind.full_name] = kind


def _kinds(message: Descriptor) -> Iterator[Any]:
    """Yield the messages and enums of the contract that a message's fields have."""
    for field in message.fields:
        inner = field.message_type.fields_by_name["value"] if is_map(field) else field
        kind = inner.message_type or inner.enum_type
        if kind is not None and kind.full_name.startswith("quintet."):
            yield kind
