"""Moments as the contract's messages."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp


def to_timestamp(moment: datetime) -> Timestamp:
    """Return an aware datetime as a message."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp
