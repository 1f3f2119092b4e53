"""The coordinator's RPCs about the event log: what failed is listed page by page and replayed by its agent."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import event_log_pb2
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import Event, HomeView

from shared.db import event_log, failed_events
from shared.db.engine import Database
from shared.errors import InvalidArgument, Unavailable
from shared.rpc.client import call
from tests.integration.coordinator.test_service import coordinator


@pytest.fixture
async def stub(sqlite_database: Database) -> AsyncIterator[Any]:
    async with coordinator(sqlite_database) as stub:
        yield stub


async def fail(stub: Any, database: Database, *consumers: str) -> int:
    """Record an event, say that the consumers could not apply it, and return its number."""
    await call(stub.RecordEvent, pb.RecordEventRequest(event=Event(customer_id="ann", home_view=HomeView())), 10)
    with database.write() as connection:
        last = event_log.last_sequence(connection)
        [event] = event_log.read_after(connection, last - 1, 1)
        for consumer in consumers:
            failed_events.set_aside(connection, consumer, event, "KeyError at shared.db.projection:1")
    return last


async def test_failed_events_are_listed_page_by_page(stub: Any, sqlite_database: Database) -> None:
    first = await fail(stub, sqlite_database, "customer", "feedback")
    second = await fail(stub, sqlite_database, "feedback")
    listed, token = [], ""
    while True:
        request = event_log_pb2.ListFailedEventsRequest(page_size=1, page_token=token)
        answer = await call(stub.ListFailedEvents, request, 10)
        listed += [(each.agent, each.sequence) for each in answer.events]
        token = answer.next_page_token
        if not token:
            break
    assert listed == [("customer", first), ("feedback", first), ("feedback", second)]
    of_customer = await call(stub.ListFailedEvents, event_log_pb2.ListFailedEventsRequest(agent="customer"), 10)
    assert [(each.kind, each.attempts) for each in of_customer.events] == [("home_view", 1)]


async def test_the_status_counts_failed_events_by_agent(stub: Any, sqlite_database: Database) -> None:
    await fail(stub, sqlite_database, "customer", "feedback")
    await fail(stub, sqlite_database, "feedback")
    status = await call(stub.GetStatus, pb.GetStatusRequest(), 10)
    counts = {each.agent: each.failed_events for each in status.agents if each.failed_events}
    assert counts == {"customer": 1, "feedback": 2}


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (event_log_pb2.ListFailedEventsRequest(agent="product"), "agent"),
        (event_log_pb2.ListFailedEventsRequest(page_size=-1), "page_size"),
        (event_log_pb2.ListFailedEventsRequest(page_token="7; DROP"), "page_token"),  # noqa: S106 - no password
        (event_log_pb2.ReplayFailedEventsRequest(agent="x"), "agent"),
        (event_log_pb2.ReplayFailedEventsRequest(sequences=[1, 0]), "sequences[1]"),
        (event_log_pb2.ReplayFailedEventsRequest(sequences=range(1, 1_002)), "sequences"),
    ],
)
async def test_bad_requests_name_the_field(stub: Any, request_: Any, field: str) -> None:
    listing = isinstance(request_, event_log_pb2.ListFailedEventsRequest)
    with pytest.raises(InvalidArgument) as caught:
        await call(stub.ListFailedEvents if listing else stub.ReplayFailedEvents, request_, 10)
    assert [each.field for each in caught.value.violations] == [field]
    assert (caught.value.reason == ErrorReason.PAGE_TOKEN_INVALID) == (field == "page_token")


async def test_a_replay_needs_the_agent_and_nothing_failed_needs_nobody(stub: Any, sqlite_database: Database) -> None:
    request = event_log_pb2.ReplayFailedEventsRequest()
    assert (await call(stub.ReplayFailedEvents, request, 10)).applied == 0
    await fail(stub, sqlite_database, "customer")
    with pytest.raises(Unavailable):
        await call(stub.ReplayFailedEvents, request, 10)
