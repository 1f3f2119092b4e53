"""The contract as its files say it: descriptors with the comments of their fields."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorSet

from scripts.generate_stubs import protoc

_MESSAGES, _FIELDS, _NESTED = 4, 2, 3  # field numbers of the descriptors of files and messages


@cache
def comments() -> dict[str, str]:
    """Return the comment of each field by its full name, such as `quintet.type.v1.Event.event_id`, on one line."""
    found: dict[str, str] = {}
    for file in _described().file:
        paths = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}
        for index, message in enumerate(file.message_type):
            _add(found, paths, f"{file.package}.{message.name}", message, (_MESSAGES, index))
    return found


def _add(found: dict[str, str], paths: dict[Any, str], name: str, message: DescriptorProto, path: Any) -> None:
    for index, field in enumerate(message.field):
        found[f"{name}.{field.name}"] = " ".join(paths.get((*path, _FIELDS, index), "").split())
    for index, nested in enumerate(message.nested_type):
        _add(found, paths, f"{name}.{nested.name}", nested, (*path, _NESTED, index))


def _described() -> FileDescriptorSet:
    with TemporaryDirectory() as folder:
        target = Path(folder) / "contract.binpb"
        protoc("--include_source_info", f"--descriptor_set_out={target}")
        return FileDescriptorSet.FromString(target.read_bytes())
