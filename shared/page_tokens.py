"""Page tokens: they encode where the next page starts and the list's filters, so a token is valid for its list only."""

import base64
import binascii
import struct
import zlib

from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import InvalidArgument

_LAYOUT = struct.Struct(">QII")  # last key, checksum of the filters, checksum of both


def page_token(after_key: int, *filters: str) -> str:
    """Return the token of the page after `after_key`."""
    filtered = _checksum(*filters)
    packed = _LAYOUT.pack(after_key, filtered, _checksum(str(after_key), str(filtered)))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def key_of_token(token: str, *filters: str) -> int:
    """Return the key after which the page starts; 0 for an empty token.

    Raises InvalidArgument naming `page_token` if it is not a token of a list with the same filters.
    """
    if not token:
        return 0
    after_key, filtered, check = _unpacked(token)
    if check != _checksum(str(after_key), str(filtered)):
        raise _not_a_token(token)
    if filtered != _checksum(*filters):
        raise InvalidArgument.of(
            "page_token", token, "belongs to a list with other filters", ErrorReason.PAGE_TOKEN_INVALID
        )
    return after_key


def text_token(after: str, *filters: str) -> str:
    """Return the token of the page after a text, in a list that is ordered by texts."""
    packed = _checksum(after, *filters).to_bytes(4, "big") + after.encode()
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def text_of_token(token: str, *filters: str) -> str:
    """Return the text after which the page starts; empty for an empty token. Raises InvalidArgument as above."""
    if not token:
        return ""
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        after = packed[4:].decode()
    except (binascii.Error, ValueError) as error:
        raise _not_a_token(token) from error
    if text_token(after, *filters) != token:
        problem = "must be the next_page_token of the page before, of this list"
        raise InvalidArgument.of("page_token", token, problem, ErrorReason.PAGE_TOKEN_INVALID)
    return after


def _unpacked(token: str) -> tuple[int, int, int]:
    try:
        packed = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        after_key, filtered, check = _LAYOUT.unpack(packed)
    except (binascii.Error, ValueError, struct.error) as error:
        raise _not_a_token(token) from error
    return after_key, filtered, check


def _not_a_token(token: str) -> InvalidArgument:
    problem = "must be the next_page_token of the page before"
    return InvalidArgument.of("page_token", token, problem, ErrorReason.PAGE_TOKEN_INVALID)


def _checksum(*texts: str) -> int:
    return zlib.crc32("\x00".join(texts).encode())
