"""Messages about the event log from and to plain values."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from quintet.coordinator.v1 import event_log_pb2 as pb
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import Event

from services.coordinator.convert import from_missing
from shared.db.event_filter import EventFilter
from shared.db.event_quality import FaultCount
from shared.db.event_rows import FEEDBACK
from shared.db.failed_events import FailedEvent
from shared.db.unjoined_events import MostMissing, Period, UnjoinedCounts
from shared.errors import InvalidArgument
from shared.events.check import check_attributes, check_choice, check_count, check_id, check_time
from shared.events.failed import APPLYING
from shared.limits import MAX_PURGED_ATTRIBUTES, MAX_PURGED_KINDS
from shared.timestamps import to_datetime, to_timestamp

_TOKEN = re.compile(r"([0-9]{1,18})-([a-z]{0,40})")
KINDS = {*(each.name for each in Event.DESCRIPTOR.oneofs_by_name["detail"].fields), FEEDBACK}
"""Kinds of what is recorded."""
USUAL_PAGE, LARGEST_PAGE = 100, 1_000
USUAL_HOURS = timedelta(hours=24)
USUAL_LIMIT, LARGEST_LIMIT = 20, 100


class Page(NamedTuple):
    """A page of events: those after the one with a number and an agent, at most `size`."""

    after: tuple[int, str]
    size: int


class _Paged(Protocol):
    page_size: int
    page_token: str


def to_agent(name: str, *, required: bool = False) -> str:
    """Return the agent that a request names, empty for all. Raises InvalidArgument for one that applies no events."""
    if (name or required) and name not in APPLYING:
        raise InvalidArgument.of("agent", name, f"must be one of {', '.join(APPLYING)}")
    return name


def to_page(request: _Paged) -> Page:
    """Return the page that a request asks for. Raises InvalidArgument for a negative size or a bad token."""
    if request.page_size < 0:
        raise InvalidArgument.of("page_size", request.page_size, "must not be negative")
    after = _TOKEN.fullmatch(request.page_token or "0-")
    if after is None:
        problem = "must be the next_page_token of the page before"
        raise InvalidArgument.of("page_token", request.page_token, problem, ErrorReason.PAGE_TOKEN_INVALID)
    return Page((int(after[1]), after[2]), min(request.page_size or USUAL_PAGE, LARGEST_PAGE))


def to_limit(request: pb.ListUnjoinedEventsRequest) -> int:
    """Return how many things are asked for. Raises InvalidArgument for a negative number."""
    if request.limit < 0:
        raise InvalidArgument.of("limit", request.limit, "must not be negative")
    return min(request.limit or USUAL_LIMIT, LARGEST_LIMIT)


def to_hours(request: pb.GetEventQualityRequest) -> tuple[datetime, datetime]:
    """Return the period that is asked for, by default the last 24 hours. Raises InvalidArgument as `to_period`."""
    asked = to_period(request)
    end = asked.end or datetime.now(UTC)
    start = asked.start or end - USUAL_HOURS
    if start >= end:
        raise InvalidArgument.of("end_time", end.isoformat(), "must be after start_time")
    return start, end


def from_faults(found: Sequence[FaultCount]) -> pb.GetEventQualityResponse:
    """Return what was wrong with events."""
    faults = [
        pb.EventFault(
            hour=to_timestamp(each.hour),
            **each.fault._asdict(),
            events=each.events,
            example_event_ids=each.examples,
        )
        for each in found
    ]
    return pb.GetEventQualityResponse(faults=faults)


def to_filter(request: pb.PurgeEventsRequest) -> EventFilter:
    """Return which events are meant. Raises InvalidArgument for a bad condition, or without any."""
    given = request.filter
    if not given.ByteSize():
        raise InvalidArgument.of("filter", "", "needs a condition", ErrorReason.FIELD_REQUIRED)
    check_count(given.kinds, "filter.kinds", MAX_PURGED_KINDS)
    for index, kind in enumerate(given.kinds):
        check_choice(kind, f"filter.kinds[{index}]", KINDS, f"one of {', '.join(sorted(KINDS))}")
    for name in ("customer_id", "visitor_id", "product_id"):
        check_id(getattr(given, name), f"filter.{name}", required=False)
    check_attributes(given.attributes, "filter.attributes", MAX_PURGED_ATTRIBUTES)
    return EventFilter(
        frozenset(given.kinds),
        to_period(given, "filter."),
        given.customer_id,
        given.visitor_id,
        given.product_id,
        dict(given.attributes),
    )


def to_period(request: pb.RejoinEventsRequest | pb.GetEventQualityRequest | pb.EventFilter, prefix: str = "") -> Period:
    """Return the period that is asked for; fields at fault are named after `prefix`.

    Raises InvalidArgument for a bad time or a period that ends too early.
    """
    for name in ("start_time", "end_time"):
        check_time(getattr(request, name), prefix + name)
    start = to_datetime(request.start_time) if request.HasField("start_time") else None
    end = to_datetime(request.end_time) if request.HasField("end_time") else None
    if start is not None and end is not None and end <= start:
        raise InvalidArgument.of(f"{prefix}end_time", end.isoformat(), "must be after start_time")
    return Period(start, end)


def from_unjoined(found: Sequence[MostMissing], counts: UnjoinedCounts) -> pb.ListUnjoinedEventsResponse:
    """Return what kept events wait for."""
    awaited = [
        pb.AwaitedReference(reference=reference, events=each.events, example_event_ids=each.examples)
        for each, reference in zip(found, from_missing([each.missing for each in found]), strict=True)
    ]
    return pb.ListUnjoinedEventsResponse(references=awaited, waiting=counts.waiting, expired=counts.expired)


def from_failed(found: Sequence[FailedEvent], page: Page) -> pb.ListFailedEventsResponse:
    """Return a page of events that were set aside."""
    token = f"{found[-1].sequence}-{found[-1].consumer}" if len(found) == page.size else ""
    return pb.ListFailedEventsResponse(events=[_failed(each) for each in found], next_page_token=token)


def _failed(each: FailedEvent) -> pb.FailedEvent:
    return pb.FailedEvent(
        agent=each.consumer,
        sequence=each.sequence,
        kind=each.kind,
        reason=each.reason,
        first_failure_time=to_timestamp(each.first_failed_at),
        last_failure_time=to_timestamp(each.last_failed_at),
        attempts=each.attempts,
    )
