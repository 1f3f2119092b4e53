"""The comments of the contract, which the generated stubs leave out."""

from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf import descriptor_pb2

_MESSAGE, _ENUM, _SERVICE = 4, 5, 6
_FIELD, _NESTED, _NESTED_ENUM, _ONEOF = 2, 3, 4, 8
_VALUE, _METHOD = 2, 2
# Numbers of the fields in descriptor.proto that the paths of source locations are made of.
_OF_FILE = {_MESSAGE: "message_type", _ENUM: "enum_type", _SERVICE: "service"}
_OF_MESSAGE = {_FIELD: "field", _NESTED: "nested_type", _NESTED_ENUM: "enum_type", _ONEOF: "oneof_decl"}


def comments_of(files: descriptor_pb2.FileDescriptorSet) -> dict[str, str]:
    """Return the comment of everything that has one, by full name, as one line.

    The set must have been made with `--include_source_info`. A value of an enum is named below its enum.
    """
    return {
        name: " ".join(text.split()) for file in files.file for name, text in _comments_of_file(file) if text.strip()
    }


def _comments_of_file(file: Any) -> Iterator[tuple[str, str]]:
    for location in file.source_code_info.location:
        names = _names(file, location.path)
        if names is not None:
            yield ".".join((file.package, *names)), location.leading_comments


def _names(file: Any, path: Sequence[int]) -> list[str] | None:
    """Return the names that a path leads through; None when it leads to something without a name of its own."""
    if len(path) < 2 or len(path) % 2 or path[0] not in _OF_FILE:
        return None
    found, names = getattr(file, _OF_FILE[path[0]])[path[1]], []
    names.append(found.name)
    for kind, index in zip(path[2::2], path[3::2], strict=True):
        inner = _inner(found, kind)
        if inner is None:
            return None
        found = inner[index]
        names.append(found.name)
    return names


def _inner(owner: Any, kind: int) -> Any:
    """Return the list of what is inside a message, an enum or a service by its number in descriptor.proto."""
    if isinstance(owner, descriptor_pb2.DescriptorProto):
        return getattr(owner, _OF_MESSAGE[kind]) if kind in _OF_MESSAGE else None
    if isinstance(owner, descriptor_pb2.EnumDescriptorProto):
        return owner.value if kind == _VALUE else None
    if isinstance(owner, descriptor_pb2.ServiceDescriptorProto):
        return owner.method if kind == _METHOD else None
    return None
