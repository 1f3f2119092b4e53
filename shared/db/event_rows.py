"""How an event lies in a row of the log: compact, or plainly as releases before 0012 wrote and still read it.

A compact row has the event's id packed and its kind as a letter. Its payload leaves out what the row says: the id, the
time and, where the row has the customer's key, the customer's id. The moment of receipt is in `event_receipts`, one row
for a minute. A view of a product takes 120 bytes of a SQLite file with all indexes, and not 253.
"""

import uuid
from collections.abc import Collection
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from quintet.type.v1.event_pb2 import Event
from quintet.type.v1.recommendation_pb2 import Feedback
from sqlalchemy import ColumnElement

from shared.db.schema import event_log

FEEDBACK, PURCHASE, REFUND = "feedback", "purchase", "refund"
"""Kinds of events in the log; all but feedback are fields of `Event.detail`."""
_LETTERS = {
    "page_view": "p",
    "category_view": "c",
    "search": "s",
    "product_view": "v",
    "add_to_cart": "a",
    "remove_from_cart": "r",
    "cart_view": "k",
    "purchase": "b",
    "refund": "u",
    "impression": "i",
    "custom": "x",
    "home_view": "h",
    FEEDBACK: "f",
}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}
_TEXT, _UUID, _HEX, _OF_FEEDBACK = (bytes([tag]) for tag in range(4))
_FEEDBACK_PREFIX = f"{FEEDBACK}\x1f"
_HEX_DIGITS, _UUID_LENGTH = 32, 36


class StoredEvent(NamedTuple):
    """The columns of a row of the log that are written in two ways."""

    event_id: str | None
    packed_id: bytes | None
    kind: str
    payload: bytes


def compact(event_id: str, kind: str, payload: bytes, customer_key: int | None) -> StoredEvent:
    """Return the columns of an event as they take the least room."""
    short = _without_what_the_row_says(kind, payload, owned=customer_key is not None)
    return StoredEvent(None, pack_id(event_id), _LETTERS.get(kind, kind), short)


def plain(event_id: str, kind: str, payload: bytes) -> StoredEvent:
    """Return the columns of an event as releases before 0012 read them."""
    return StoredEvent(event_id, None, kind, payload)


def kind_of(stored: str) -> str:
    """Return the kind that a row says."""
    return _KINDS.get(stored, stored)


def is_kind(kind: str) -> ColumnElement[bool]:
    """Return the condition that a row of the log is of a kind."""
    return event_log.c.kind.in_(stored_kinds([kind]))


def stored_kinds(kinds: Collection[str]) -> list[str]:
    """Return what rows may say of kinds."""
    return sorted({*kinds, *(_LETTERS[kind] for kind in kinds if kind in _LETTERS)})


def id_of(event_id: str | None, packed_id: bytes | None) -> str:
    """Return the id of an event from its row."""
    return event_id if event_id is not None else unpack_id(bytes(packed_id or _TEXT))


def pack_id(event_id: str) -> bytes:
    """Return an id as bytes, 17 for a UUID and for 32 hexadecimal digits; no two ids have the same."""
    if event_id.startswith(_FEEDBACK_PREFIX):
        return _OF_FEEDBACK + pack_id(event_id.removeprefix(_FEEDBACK_PREFIX))
    if len(event_id) in (_HEX_DIGITS, _UUID_LENGTH):
        digits = _digits(event_id)
        if digits is not None:
            return (_UUID if len(event_id) == _UUID_LENGTH else _HEX) + digits
    return _TEXT + event_id.encode()


def unpack_id(packed: bytes) -> str:
    """Return the id that `pack_id` packed."""
    tag, rest = packed[:1], packed[1:]
    if tag == _OF_FEEDBACK:
        return _FEEDBACK_PREFIX + unpack_id(rest)
    if tag == _UUID:
        return str(uuid.UUID(bytes=rest))
    return rest.hex() if tag == _HEX else rest.decode()


def _digits(event_id: str) -> bytes | None:
    """Return the 16 bytes that lower-case digits mean, with dashes where a UUID has them; None for other text."""
    try:
        digits = bytes.fromhex(event_id.replace("-", ""))
    except ValueError:
        return None
    written = digits.hex()
    if len(event_id) == _UUID_LENGTH:
        written = "-".join((written[:8], written[8:12], written[12:16], written[16:20], written[20:]))
    return digits if written == event_id else None


def _without_what_the_row_says(kind: str, payload: bytes, *, owned: bool) -> bytes:
    message: Any = Feedback() if kind == FEEDBACK else Event()
    try:
        message.MergeFromString(payload)
    except DecodeError:
        return payload  # whoever applies it will say so
    for name in ("feedback_id", "interaction_time") if kind == FEEDBACK else ("event_id", "event_time"):
        message.ClearField(name)
    # A visitor who is named beside the customer becomes that customer: then the names are needed.
    if owned and kind != FEEDBACK and not message.visitor_id:
        message.ClearField("customer_id")
    return bytes(message.SerializeToString())
