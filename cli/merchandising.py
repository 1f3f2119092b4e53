"""What the commands about placements and rules do alike: read files, store, list and print.

A file is JSON: a list of objects with the fields of the contract, or an object with such a list.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message

from cli.output import out, print_json
from shared.errors import InvalidArgument

LARGEST_FILE = 10_000_000
"""Bytes of a file."""
M = TypeVar("M", bound=Message)


def read_definitions(file: Path, kind: type[M], name: str) -> list[M]:
    """Return the placements or rules of a file, which are a list or under `name`. Raises InvalidArgument."""
    content = _content(file)
    given = content.get(name) if isinstance(content, dict) else content
    if not isinstance(given, list):
        raise InvalidArgument.of(
            str(file), type(content).__name__, f"must be a list, or an object with a list {name!r}"
        )
    return [_message(each, kind, f"{file}: {name}[{index}]") for index, each in enumerate(given)]


def stored(update: Callable[[], object], create: Callable[[], object]) -> bool:
    """Update a definition, or create it where there is none of its id; return whether it was created."""
    try:
        update()
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        create()
        return True
    return False


def read_pages(read: Callable[[str], Any]) -> Iterator[Any]:
    """Yield the answers to a request that is answered page by page; `read` takes the token of a page."""
    token = ""
    while True:
        page = read(token)
        yield page
        token = page.next_page_token
        if not token:
            return


def print_messages(name: str, messages: Sequence[Message]) -> None:
    """Print messages as one JSON object with a list under `name`."""
    print_json({name: [MessageToDict(each, preserving_proto_field_name=True) for each in messages]})


def print_applied(created: Sequence[bool], *, as_json: bool) -> None:
    """Say how many definitions were created and how many updated."""
    new, known = sum(created), len(created) - sum(created)
    if as_json:
        print_json({"created": new, "updated": known})
    else:
        out.print(f"{new} created, {known} updated")


def print_deleted(name: str, *, as_json: bool) -> None:
    """Say that a definition is deleted."""
    if as_json:
        print_json({"deleted": name})
    else:
        out.print(f"deleted {name}")


def _content(file: Path) -> Any:
    try:
        size = file.stat().st_size
        if size > LARGEST_FILE:
            raise InvalidArgument.of(str(file), size, f"must have at most {LARGEST_FILE} bytes")
        return json.loads(file.read_text())
    except OSError as error:
        raise InvalidArgument.of(str(file), error.strerror, "cannot be read") from error
    except ValueError as error:
        raise InvalidArgument.of(str(file), str(error), "is no JSON") from error


def _message(given: Any, kind: type[M], where: str) -> M:
    try:
        return ParseDict(given, kind())
    except (ParseError, AttributeError, TypeError) as error:
        raise InvalidArgument.of(where, str(error), "is none") from error
