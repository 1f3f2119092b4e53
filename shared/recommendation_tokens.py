"""Recommendation ids as shops see them: opaque, authentic, and bound to the shopper that they were made for.

A token encrypts the number of a recommendation (list and position, see `RecommendationNumbers`) and a digest of the
shopper. The construction is a synthetic initialisation vector (RFC 5297, with keyed BLAKE2b, RFC 7693, in place of
AES): the tag authenticates the content and seeds the key stream that encrypts it. Who has no key can neither read a
token, nor make one, nor change one.

Tokens are verified by their key alone, without a database. The first key of a ring makes new tokens; every key of
the ring verifies old ones, so that keys can be replaced while old tokens stay valid.
"""

import base64
import binascii
import hashlib
import hmac
import itertools
import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import FailedPrecondition, InvalidArgument, NotFound

KEY_BYTES = 32
TAG_BYTES = 16
NUMBER_BYTES = 8
SHOPPER_BYTES = 8
TOKEN_BYTES = TAG_BYTES + NUMBER_BYTES + 1 + SHOPPER_BYTES  # 33, of which base64 makes 44 characters
POSITION_BITS = 7
LIST_BITS = 32
WRITER_BITS = 24
BLOCK_BYTES = 64
"""Longest digest of BLAKE2b: a block of the key stream."""
MOST_POSITIONS = (1 << POSITION_BITS) - 1

UNCOUNTED = 0
"""Number of a list that is not logged, for shoppers who do not permit `measure`: nobody can tell such lists apart."""
WHOLE_LIST = 1 << (WRITER_BITS + LIST_BITS + POSITION_BITS)
"""Bit of a number that stands for all recommendations of a list; it has their count in the place of the position."""

_CUSTOMER, _VISITOR = b"c", b"v"


@dataclass(frozen=True)
class Shopper:
    """Who a list is for or who responds: the platform's ids, each may be empty. A customer counts before a visitor."""

    customer_id: str = ""
    visitor_id: str = ""

    def named(self, kind: bytes) -> str:
        """Return the id of a kind: customer or visitor."""
        return self.customer_id if kind == _CUSTOMER else self.visitor_id

    @property
    def kind(self) -> bytes:
        """Kind of the id that a token is bound to."""
        return _CUSTOMER if self.customer_id else _VISITOR


def list_number(recommendation: int) -> int:
    """Return the number of the list that a recommendation is in: its writer and its list, without the position."""
    return recommendation >> POSITION_BITS


def counts(recommendation: int) -> bool:
    """Return whether a recommendation is in a list that is logged."""
    return list_number(recommendation) != UNCOUNTED


def position_in_list(recommendation: int) -> int:
    """Return the position, from 1, of a recommendation in its list."""
    return recommendation & MOST_POSITIONS


def number_at(list_of: int, position: int) -> int:
    """Return the number of the recommendation at a position of a list."""
    return list_of << POSITION_BITS | position


def numbers_in(list_of: int, count: int) -> list[int]:
    """Return the numbers of the first `count` recommendations of a list. Raises InvalidArgument for more than 127."""
    if not 0 <= count <= MOST_POSITIONS:
        raise InvalidArgument.of("count", count, f"must be between 0 and {MOST_POSITIONS}")
    return [number_at(list_of, position) for position in range(1, count + 1)]


class RecommendationNumbers:
    """Numbers of lists of recommendations that no other process gives, without asking the database for each.

    The number of a recommendation has 63 bits: 24 of the writer, 32 of the list, which are the number of the list, and
    7 of the position in the list (from 1). Each process takes its writer number once, when it starts, from a counter in
    the database.
    """

    def __init__(self, writer: int) -> None:
        if not 0 < writer < 1 << WRITER_BITS:
            raise FailedPrecondition(
                f"writer {writer} of recommendations is not between 1 and {(1 << WRITER_BITS) - 1}"
            )
        self._writer = writer
        self._lists = itertools.count(1)
        self._lock = threading.Lock()

    def take(self) -> int:
        """Return the number of a new list."""
        with self._lock:
            number = next(self._lists)
        if number >= 1 << LIST_BITS:
            raise FailedPrecondition("this process has numbered all the lists it can: start it again")
        return self._writer << LIST_BITS | number


class TokenKeys:
    """The key ring.

    Parameters
    ----------
    keys : sequence of bytes
        Secret keys of 32 bytes. The first makes tokens; all verify them.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise InvalidArgument.of("token_keys", f"{len(keys)} keys", f"must be keys of {KEY_BYTES} bytes each")
        self._keys = [_derive(key) for key in keys]

    @classmethod
    def from_text(cls, text: str) -> "TokenKeys":
        """Return the ring of keys in hexadecimal, separated by commas. Raises InvalidArgument and never shows a key."""
        try:
            return cls([bytes.fromhex(each.strip()) for each in text.split(",")])
        except ValueError as error:
            raise InvalidArgument.of("token_keys", "(hidden)", "must be hexadecimal, separated by commas") from error

    def issue(self, number: int, shopper: Shopper) -> str:
        """Return the token of a recommendation made for a shopper."""
        return self.issue_all([number], shopper)[0]

    def issue_all(self, numbers: Sequence[int], shopper: Shopper) -> list[str]:
        """Return the tokens of recommendations made for a shopper."""
        key = self._keys[0]
        kind = shopper.kind
        bound = kind + key.digest(kind, shopper.named(kind))
        return [key.token(number.to_bytes(NUMBER_BYTES, "big") + bound) for number in numbers]

    def issue_list(self, list_of: int, count: int, shopper: Shopper) -> str:
        """Return the token of a list with `count` recommendations made for a shopper; empty for none."""
        return self.issue(WHOLE_LIST | number_at(list_of, count), shopper) if count else ""

    def seal(self, purpose: bytes, content: bytes) -> str:
        """Return content as a token that nobody else can read, make or change; `unseal` wants the same `purpose`."""
        return self._keys[0].of(purpose).token(content)

    def unseal(self, purpose: bytes, token: str) -> bytes | None:
        """Return the content of a token; None when it was not sealed for `purpose` with any key of the ring."""
        raw = _decoded(token)
        if raw is None or len(raw) <= TAG_BYTES:
            return None
        opened = (key.of(purpose).open(raw) for key in self._keys)
        return next((content for content in opened if content is not None), None)

    def verify(self, token: str, shopper: Shopper, field: str) -> int:
        """Return the number of the recommendation that a token names.

        The shopper is compared when it has an id of the kind that the token is bound to. A visitor may have become a
        customer since, so ids of different kinds say nothing.

        Raises
        ------
        NotFound
            If the token was not made with any key of the ring, or was changed.
        InvalidArgument
            If the recommendation was made for another shopper.
        """
        number = self._number(token, shopper, field)
        if number & WHOLE_LIST:
            raise NotFound.of("recommendation", token, field)
        return number

    def verify_list(self, token: str, shopper: Shopper, field: str) -> list[int]:
        """Return the numbers of the recommendations of the list that a token names. Raises as `verify` does."""
        number = self._number(token, shopper, field)
        if not number & WHOLE_LIST:
            raise NotFound.of("recommendation", token, field)
        return numbers_in(list_number(number ^ WHOLE_LIST), position_in_list(number))

    def _number(self, token: str, shopper: Shopper, field: str) -> int:
        raw = _decode(token)
        for key in self._keys if raw is not None else ():
            content = key.open(raw or b"")
            if content is not None:
                return _checked(key, content, token, shopper, field)
        raise NotFound.of("recommendation", token, field)


@dataclass(frozen=True)
class _Key:
    """One secret, as three keys that are used for one thing each."""

    authentication: bytes
    encryption: bytes
    shopper: bytes

    def tag(self, content: bytes) -> bytes:
        return hashlib.blake2b(content, key=self.authentication, digest_size=TAG_BYTES).digest()

    def digest(self, kind: bytes, name: str) -> bytes:
        return hashlib.blake2b(kind + name.encode(), key=self.shopper, digest_size=SHOPPER_BYTES).digest()

    def token(self, content: bytes) -> str:
        tag = self.tag(content)
        return base64.urlsafe_b64encode(tag + self.encrypt(tag, content)).decode()

    def encrypt(self, tag: bytes, content: bytes) -> bytes:
        """Return the content encrypted, or decrypted: the operation is its own inverse."""
        stream = self._stream(tag, len(content))
        return (int.from_bytes(content, "big") ^ int.from_bytes(stream, "big")).to_bytes(len(content), "big")

    def of(self, purpose: bytes) -> "_Key":
        """Return the key for another purpose, whose tokens are not those of this one."""
        return _Key(
            *(
                hashlib.blake2b(purpose, key=each, digest_size=KEY_BYTES).digest()
                for each in (self.authentication, self.encryption, self.shopper)
            )
        )

    def _stream(self, tag: bytes, length: int) -> bytes:
        if length <= BLOCK_BYTES:
            return hashlib.blake2b(tag, key=self.encryption, digest_size=length).digest()
        blocks = (
            hashlib.blake2b(tag + number.to_bytes(4, "big"), key=self.encryption).digest()
            for number in range(-(-length // BLOCK_BYTES))
        )
        return b"".join(blocks)[:length]

    def open(self, raw: bytes) -> bytes | None:
        """Return the content of a token; None when it was not made with this key."""
        tag, encrypted = raw[:TAG_BYTES], raw[TAG_BYTES:]
        content = self.encrypt(tag, encrypted)
        return content if hmac.compare_digest(tag, self.tag(content)) else None


def generate_key() -> bytes:
    """Return a new secret key."""
    return secrets.token_bytes(KEY_BYTES)


def _derive(secret: bytes) -> _Key:
    return _Key(
        *(hashlib.blake2b(purpose, key=secret, digest_size=KEY_BYTES).digest() for purpose in (b"tag", b"text", b"who"))
    )


def _decode(token: str) -> bytes | None:
    """Return the bytes of a recommendation's token; None unless it is the one spelling of that many bytes."""
    raw = _decoded(token)
    return raw if raw is not None and len(raw) == TOKEN_BYTES else None


def _decoded(token: str) -> bytes | None:
    """Return the bytes of a token; None unless it is their one spelling."""
    try:
        raw = base64.b64decode(token.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None
    return raw if base64.urlsafe_b64encode(raw).decode() == token else None


def _checked(key: _Key, content: bytes, token: str, shopper: Shopper, field: str) -> int:
    kind, digest = content[NUMBER_BYTES : NUMBER_BYTES + 1], content[NUMBER_BYTES + 1 :]
    name = shopper.named(kind)
    if name and not hmac.compare_digest(digest, key.digest(kind, name)):
        problem = "names a recommendation that was made for another shopper"
        raise InvalidArgument.of(field, token, problem, ErrorReason.SHOPPER_MISMATCH)
    return int.from_bytes(content[:NUMBER_BYTES], "big")
