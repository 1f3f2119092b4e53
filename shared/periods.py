"""Periods that requests ask about: the same rules wherever there is a start and an end."""

from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.type.v1.error_pb2 import ErrorReason

from shared.errors import InvalidArgument
from shared.events.check import check_time

DEFAULT_DAYS = 30
"""Length of a period that has no start."""


def asked(request: Message) -> tuple[datetime | None, datetime | None]:
    """Return start and end of the period asked for; None where it is left open.

    Parameters
    ----------
    request : Message
        Has the optional fields `start_time` and `end_time`.

    Raises
    ------
    InvalidArgument
        If a time is none, is before 1970 or more than 24 hours ahead.
    """
    start, end = (_moment(request, name) for name in ("start_time", "end_time"))
    return start, end


def settled(
    start: datetime | None, end: datetime | None, now: datetime, days: int = DEFAULT_DAYS
) -> tuple[datetime, datetime]:
    """Return the period with what was left open: it ends now, and starts `days` before its end.

    Raises
    ------
    InvalidArgument
        If it does not end after its start.
    """
    until = end or now
    since = start or until - timedelta(days=days)
    if until <= since:
        raise InvalidArgument.of(
            "end_time", until.isoformat(), f"must be after start_time {since.isoformat()}", ErrorReason.FIELD_CONFLICT
        )
    return since, until


def _moment(request: Message, name: str) -> datetime | None:
    if not request.HasField(name):
        return None
    value: Timestamp = getattr(request, name)
    check_time(value, name)
    return value.ToDatetime(tzinfo=UTC)
