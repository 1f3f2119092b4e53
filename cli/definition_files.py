"""Files of placements and rules: a list of objects with the fields of the contract, or an object with such a list.

A file is YAML when its name ends with `.yaml` or `.yml`, else JSON.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message
from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import InvalidArgument

LARGEST_FILE = 10_000_000
"""Bytes of a file."""
M = TypeVar("M", bound=Message)


class _Loader(yaml.SafeLoader):
    """Reads what JSON could say: a time stays text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_definitions(
    file: Path, kind: type[M], name: str, check: Callable[[M, str], object] = lambda message, field: None
) -> list[M]:
    """Return the placements or rules of a file, which are a list or under `name`.

    Raises InvalidArgument, also for one that `check` refuses, and for an id that occurs twice.
    """
    content = _content(file)
    given = content.get(name) if isinstance(content, dict) else content
    if not isinstance(given, list):
        raise InvalidArgument.of(
            str(file), type(content).__name__, f"must be a list, or an object with a list {name!r}"
        )
    found: dict[str, M] = {}
    for index, each in enumerate(given):
        where = f"{file}: {name}[{index}]"
        message = _message(each, kind, where)
        check(message, where)
        if id_of(message) in found:
            raise InvalidArgument.of(where, id_of(message), "occurs twice", ErrorReason.DUPLICATE_ELEMENT)
        found[id_of(message)] = message
    return list(found.values())


def write_definitions(file: Path, name: str, messages: Sequence[Message]) -> None:
    """Write placements or rules to a file, so that they can be applied. Raises InvalidArgument when it cannot be."""
    content = {name: [MessageToDict(each, preserving_proto_field_name=True) for each in messages]}
    text = (
        yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
        if _is_yaml(file)
        else json.dumps(content, indent=2)
    )
    try:
        file.write_text(text.rstrip() + "\n")
    except OSError as error:
        raise InvalidArgument.of(str(file), error.strerror, "cannot be written") from error


def id_of(message: Message) -> str:
    """Return the id of a placement or a rule: its first field."""
    return str(getattr(message, message.DESCRIPTOR.fields[0].name))


def _content(file: Path) -> Any:
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise InvalidArgument.of(str(file), size, f"must have at most {LARGEST_FILE} bytes")
        text = file.read_text()
        return yaml.load(text, _Loader) if _is_yaml(file) else json.loads(text)  # noqa: S506 - a safe one
    except OSError as error:
        raise InvalidArgument.of(str(file), error.strerror, "cannot be read") from error
    except yaml.YAMLError as error:
        raise InvalidArgument.of(str(file), str(error), "is no YAML") from error
    except ValueError as error:
        raise InvalidArgument.of(str(file), str(error), "is no JSON") from error


def _is_yaml(file: Path) -> bool:
    return file.suffix.lower() in (".yaml", ".yml")


def _message(given: Any, kind: type[M], where: str) -> M:
    try:
        return ParseDict(given, kind())
    except (ParseError, AttributeError, TypeError) as error:
        raise InvalidArgument.of(where, str(error), "is none") from error
