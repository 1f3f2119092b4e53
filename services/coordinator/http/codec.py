"""Messages from and to JSON by protobuf's canonical mapping, with the names that the contract has.

Large texts are read and written in a thread, so that the others are answered meanwhile.
"""

import asyncio
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from google.protobuf import json_format

from services.coordinator.http.problem import Problem

T = TypeVar("T")

LARGE_BYTES = 64 * 1024
MOST_DEPTH = 50
_FIELD = re.compile(r"Failed to parse ([\w.\[\]]+) field")
_pool = ThreadPoolExecutor(1, thread_name_prefix="http-json")


async def read(text: bytes, message: Any, field: str = "") -> None:
    """Add what a JSON text says to `message`. Raises Problem naming the field; `field` is the path of the message."""
    await _apart(len(text), lambda: read_now(text, message, field))


async def write(message: Any) -> bytes:
    """Return a message as JSON."""
    return await _apart(message.ByteSize(), lambda: write_now(message))


def read_now(text: bytes, message: Any, field: str = "") -> None:
    """Do what `read` does, here."""
    try:
        json_format.Parse(text, message, max_recursion_depth=MOST_DEPTH)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise malformed(error, field) from error


def from_plain(values: dict[str, Any], message: Any, field: str = "") -> None:
    """Add plain values, as of a JSON object, to `message`. Raises Problem naming the field."""
    try:
        json_format.ParseDict(values, message, max_recursion_depth=MOST_DEPTH)
    except (json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise malformed(error, field) from error


def write_now(message: Any) -> bytes:
    """Do what `write` does, here. Numbers, texts and lists are there also when they are empty."""
    return json.dumps(to_plain(message), ensure_ascii=False, separators=(",", ":")).encode()


def to_plain(message: Any) -> dict[str, Any]:
    """Return a message as plain values."""
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def malformed(error: Exception, field: str = "") -> Problem:
    """Return the problem of a text that is not what it should be."""
    text = "is nested too deeply" if isinstance(error, RecursionError) else str(error).partition("\n")[0]
    inner = ".".join(_FIELD.findall(text))
    path = ".".join(part for part in (field, inner) if part)
    return Problem.of_request("MESSAGE_MALFORMED", text or "is not the JSON of this request", path)


async def _apart(size: int, work: Callable[[], T]) -> T:
    if size <= LARGE_BYTES:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_pool, work)
