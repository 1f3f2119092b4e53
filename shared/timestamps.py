"""Moments as the contract's messages."""

import time
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from shared.db.types import from_micros


def to_timestamp(moment: datetime) -> Timestamp:
    """Return an aware datetime as a message."""
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def to_datetime(timestamp: Timestamp) -> datetime:
    """Return a valid message as a datetime in UTC, in whole microseconds."""
    return from_micros(timestamp.seconds * 1_000_000 + timestamp.nanos // 1_000)


def set_now(timestamp: Timestamp) -> None:
    """Set a message to the present moment, in whole microseconds."""
    timestamp.seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
    timestamp.nanos = nanos // 1_000 * 1_000
