"""Ids of events that come without one: the same whenever a file is imported."""

from hashlib import blake2b

from quintet.type.v1.event_pb2 import Event

from shared.limits import MAX_ID


def derived_id(event: Event) -> str:
    """Return the id of an event without one, the same whenever it is imported: from the order, else the content."""
    if event.purchase.purchase_id:
        return short_id(f"order:{event.purchase.purchase_id}")
    return content_id(event.SerializeToString(deterministic=True))


def content_id(content: bytes) -> str:
    """Return the id of an event from all that it says, serialised."""
    return f"row:{_digest(content)}"


def short_id(wanted: str) -> str:
    """Return `wanted`, or a digest of it where it is longer than ids may be."""
    return wanted if len(wanted) <= MAX_ID else f"long:{_digest(wanted.encode())}"


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
