"""Tokens for the pages of a list: what was shown so far, for whom, of which list, and until when that may be continued.

A token names the products that were shown, so that the next page leaves them out whatever changed meanwhile, whichever
replica answers, and even when the log of recommendations is behind. It is sealed like the ids of recommendations.
"""

import hashlib
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import InvalidArgument
from shared.limits import MAX_LIST_TOKEN
from shared.recommendation_tokens import Shopper, TokenKeys

VALID_SECONDS = 3600
MOST_SHOWN = 500
"""Products that follow each other in the pages of a list, at most: it bounds a token to some 2,000 characters."""
FIELD = "page_token"
REASON = ErrorReason.PAGE_TOKEN_INVALID
_PURPOSE = b"page"
_DIGEST_BYTES = 16
_HEAD = struct.Struct(f">I{_DIGEST_BYTES}s")


@dataclass(frozen=True)
class PagedList:
    """Which list is asked for: `parts` are all that a request must have in common with the one before."""

    shopper: Shopper
    parts: tuple[object, ...]

    @property
    def digest(self) -> bytes:
        """Digest of the list."""
        named = (self.shopper.customer_id, self.shopper.visitor_id, *self.parts)
        return hashlib.blake2b(repr(named).encode(), digest_size=_DIGEST_BYTES).digest()


def next_token(tokens: TokenKeys, asked: PagedList, shown: Sequence[int]) -> str:
    """Return the token of the page that follows when the products under the keys `shown` were shown, in this order.

    Empty where no page follows.
    """
    if not shown or len(shown) >= MOST_SHOWN:
        return ""
    head = _HEAD.pack(int(time.time()) + VALID_SECONDS, asked.digest)
    return tokens.seal(_PURPOSE, head + bytes(_packed(shown)))


def shown_before(tokens: TokenKeys, asked: PagedList, token: str, field: str = FIELD) -> tuple[int, ...]:
    """Return the keys of the products on the pages before, in their order; none for the first page.

    Raises InvalidArgument for a token that was not made here, is too old, or is of another list.
    """
    if not token:
        return ()
    content = tokens.unseal(_PURPOSE, token) if len(token) <= MAX_LIST_TOKEN else None
    if content is None or len(content) < _HEAD.size:
        raise InvalidArgument.of(field, token, "is no token of a page", REASON)
    until, digest = _HEAD.unpack_from(content)
    if digest != asked.digest:
        raise InvalidArgument.of(field, token, "is of another shopper, placement, context or filter", REASON)
    if until < time.time():
        raise InvalidArgument.of(field, token, "is too old: ask for the first page again", REASON)
    return tuple(_unpacked(content[_HEAD.size :]))


def _packed(keys: Iterable[int]) -> Iterator[int]:
    """Yield the bytes of keys: differences, small ones in few bytes (zigzag, LEB128)."""
    before = 0
    for key in keys:
        number = (key - before) << 1 if key >= before else ((before - key) << 1) - 1
        before = key
        while number > 127:
            yield number & 127 | 128
            number >>= 7
        yield number


def _unpacked(packed: bytes) -> Iterator[int]:
    key = number = shift = 0
    for byte in packed:
        number |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            key += number >> 1 if number % 2 == 0 else -((number + 1) >> 1)
            yield key
            number = shift = 0
