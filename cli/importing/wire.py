"""Pieces of serialised messages: such bytes one after the other are one message with what all of them say."""

from collections.abc import Sequence

EMBEDDED = 2
"""The wire type of texts and messages: their length comes before them."""


def text_field(number: int, text: str) -> bytes:
    """Return a text as a field of a message; nothing for an empty text, as protobuf does."""
    content = text.encode()
    return head(number, len(content)) + content if content else b""


def head(number: int, length: int) -> bytes:
    """Return what stands before a text or message of `length` bytes that is the field `number` of a message."""
    return varint(number << 3 | EMBEDDED) + varint(length)


def nested_heads(path: Sequence[int], longest: int) -> list[bytes]:
    """Return what stands before a message of 0, 1, ... `longest` bytes, by its length.

    `path` are the numbers of the fields it is in, the outermost first: each is a message of nothing else.
    """
    return [_nested_head(path, length) for length in range(longest + 1)]


def varint(number: int) -> bytes:
    """Return a number as protobuf writes lengths: seven bits a byte, lowest first, the eighth says that more follow."""
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _nested_head(path: Sequence[int], length: int) -> bytes:
    found = b""
    for number in reversed(path):
        found = head(number, len(found) + length) + found
    return found
