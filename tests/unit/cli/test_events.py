"""`quintet events` shows what became of recorded events, has some applied again, and ends with 1 where any fails."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1 import event_log_pb2 as pb

from tests.unit.cli.door import invoke, opened

NEW_YEAR = Timestamp(seconds=1_767_225_600)
FAULT = pb.EventFault(
    hour=NEW_YEAR,
    kind="purchase",
    problem="malformed",
    field="purchase.items[].quantity",
    events=1_200,
    example_event_ids=["e-1"],
)
AWAITED = pb.AwaitedReference(
    reference=pb.MissingReference(kind=pb.REFERENCE_KIND_PRODUCT, id="tea [1]"), events=3, example_event_ids=["e-2"]
)
FAILED = pb.FailedEvent(
    agent="customer", sequence=4711, kind="purchase", reason="KeyError", attempts=2, last_failure_time=NEW_YEAR
)


class Door(pb_grpc.CoordinatorServiceServicer):
    """Stands for a coordinator that knows one thing of each kind; keeps what it was asked for last."""

    def __init__(self) -> None:
        self.asked: Any = None
        self.fails = 0

    def GetEventQuality(self, request: pb.GetEventQualityRequest, context: Any) -> pb.GetEventQualityResponse:
        return pb.GetEventQualityResponse(faults=[FAULT])

    def ListUnjoinedEvents(self, request: pb.ListUnjoinedEventsRequest, context: Any) -> pb.ListUnjoinedEventsResponse:
        self.asked = request
        return pb.ListUnjoinedEventsResponse(references=[AWAITED], waiting=3, expired=1)

    def RejoinEvents(self, request: pb.RejoinEventsRequest, context: Any) -> pb.RejoinEventsResponse:
        return pb.RejoinEventsResponse(joined=2, waiting=1)

    def ListFailedEvents(self, request: pb.ListFailedEventsRequest, context: Any) -> pb.ListFailedEventsResponse:
        self.asked = request
        return pb.ListFailedEventsResponse(events=[FAILED])

    def ReplayFailedEvents(self, request: pb.ReplayFailedEventsRequest, context: Any) -> pb.ReplayFailedEventsResponse:
        self.asked = request
        return pb.ReplayFailedEventsResponse(applied=5, failed=self.fails)


@pytest.fixture
def door() -> Iterator[tuple[Door, str]]:
    servicer = Door()
    with opened(servicer) as address:
        yield servicer, address


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        (("quality",), ("2026-01-01 00:00", "purchase", "malformed", "purchase.items[].quantity", "1,200", "e-1")),
        (("unjoined", "--limit", "7"), ("product", "tea [1]", "e-2", "3 events wait, 1 waited too long")),
        (("rejoin",), ("2 joined, 1 wait on",)),
        (("failed", "list", "--agent", "customer"), ("customer", "4711", "KeyError", "2026-01-01 00:00:00")),
        (("failed", "replay", "4711", "4712"), ("5 applied, 0 failed again",)),
    ],
    ids=lambda each: each[0],
)
def test_what_became_of_events_is_shown(
    door: tuple[Door, str], command: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    result, text = invoke("events", *command, "--address", door[1])
    assert result.exit_code == 0, text
    for part in parts:
        assert part in text


def test_commands_ask_for_what_they_are_told(door: tuple[Door, str]) -> None:
    servicer, address = door
    invoke("events", "unjoined", "--limit", "7", "--address", address)
    assert servicer.asked.limit == 7
    invoke("events", "failed", "list", "--agent", "feedback", "--limit", "9", "--address", address)
    assert (servicer.asked.agent, servicer.asked.page_size) == ("feedback", 9)
    invoke("events", "failed", "replay", "4711", "4712", "--agent", "customer", "--address", address)
    assert (servicer.asked.agent, list(servicer.asked.sequences)) == ("customer", [4711, 4712])


def test_what_fails_again_ends_with_1(door: tuple[Door, str]) -> None:
    servicer, address = door
    servicer.fails = 2
    result, text = invoke("events", "failed", "replay", "--json", "--address", address)
    assert result.exit_code == 1
    assert json.loads(text) == {"applied": 5, "failed": 2}
