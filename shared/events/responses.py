"""Which events can change what is known of recommendations."""

from google.protobuf.message import DecodeError
from quintet.type.v1.event_pb2 import Event

KINDS = frozenset({"feedback", "impression", "add_to_cart", "purchase", "refund"})
"""Kinds that are responses, or that responses are credited with."""


def may_concern_recommendations(kind: str, payload: bytes) -> bool:
    """Say whether a recorded event may be a response to a recommendation, or be credited to one."""
    if kind in KINDS:
        return True
    try:
        return bool(Event.FromString(payload).recommendation_id)
    except DecodeError:
        return False
