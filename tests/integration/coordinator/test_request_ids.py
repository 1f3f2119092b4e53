"""A request that is repeated with its id is done once and answered as before, over real gRPC."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.consent_pb2 import Consent, ConsentState
from quintet.type.v1.customer_pb2 import Customer
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import Event, HomeView

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.event_rpcs import PORTION
from services.coordinator.server import build
from services.customer.agent import CustomerAgent
from services.customer.server import build as build_customer
from shared.config import Settings
from shared.db import event_log
from shared.db.engine import Database
from shared.errors import InvalidArgument, NotFound
from shared.rpc.client import call, open_channel
from tests.support.shop import add_customers

NOWHERE = "127.0.0.1:1"


@pytest.fixture
async def agent(sqlite_database: Database) -> AsyncIterator[Coordinator]:
    customer_settings = Settings(database_url=sqlite_database.url, customer_port=0, drain_seconds=0)
    customer = build_customer(customer_settings, CustomerAgent(customer_settings, sqlite_database))
    settings = Settings(
        coordinator_port=0,
        drain_seconds=1,
        customer_address=f"127.0.0.1:{await customer.start()}",
        product_address=NOWHERE,
        recommendation_address=NOWHERE,
        feedback_address=NOWHERE,
    )
    agent = Coordinator(settings, sqlite_database, AgentClients(settings))
    await agent.start()
    yield agent
    await agent.stop()
    await customer.stop()


@pytest.fixture
async def stub(agent: Coordinator) -> AsyncIterator[Any]:
    settings = Settings(coordinator_port=0, drain_seconds=1)
    server = build(settings, agent)
    channel = open_channel(f"127.0.0.1:{await server.start()}")
    yield pb_grpc.CoordinatorServiceStub(channel)
    await channel.close()
    await server.stop()


def recorded(database: Database) -> int:
    with database.read() as connection:
        return event_log.last_sequence(connection)


async def test_a_customer_is_registered_and_deleted_once(stub: Any) -> None:
    register = pb.RegisterCustomerRequest(customer=Customer(customer_id="ann", name="Ann"), request_id="r-1")
    answers = [await call(stub.RegisterCustomer, register, 10) for _ in range(2)]
    assert answers[0].customer == answers[1].customer
    delete = pb.DeleteCustomerRequest(customer_id="ann", request_id="r-2")
    receipts = [await call(stub.DeleteCustomer, delete, 10) for _ in range(2)]
    assert receipts[0].receipt.receipt_id
    assert receipts[0] == receipts[1]
    with pytest.raises(NotFound):
        await call(stub.DeleteCustomer, pb.DeleteCustomerRequest(customer_id="ann"), 10)


async def test_a_visitor_is_erased_once(stub: Any) -> None:
    consent = pb.SetVisitorConsentRequest(
        visitor_id="cookie", consent=Consent(train=ConsentState.CONSENT_STATE_GRANTED)
    )
    await call(stub.SetVisitorConsent, consent, 10)
    delete = pb.DeleteVisitorRequest(visitor_id="cookie", request_id="r-1")
    receipts = [await call(stub.DeleteVisitor, delete, 10) for _ in range(2)]
    assert receipts[0].receipt.receipt_id
    assert receipts[0] == receipts[1]
    with pytest.raises(NotFound):
        await call(stub.DeleteVisitor, pb.DeleteVisitorRequest(visitor_id="cookie"), 10)


async def test_an_id_is_for_one_request(stub: Any) -> None:
    for name in ("ann", "bob"):
        request = pb.RegisterCustomerRequest(customer=Customer(customer_id=name), request_id="r-1")
        if name == "ann":
            await call(stub.RegisterCustomer, request, 10)
    with pytest.raises(InvalidArgument) as caught:
        await call(stub.RegisterCustomer, request, 10)
    assert caught.value.reason == ErrorReason.REQUEST_ID_REUSED


async def test_a_job_is_started_once(stub: Any) -> None:
    request = pb.TrainModelsRequest(request_id="r-1")
    first = await call(stub.TrainModels, request, 10)
    again = await call(stub.TrainModels, request, 10)
    assert first.job.job_id == again.job.job_id


async def test_an_event_without_an_id_is_stored_once(stub: Any, sqlite_database: Database) -> None:
    add_customers(sqlite_database, "ann")
    event = Event(customer_id="ann", home_view=HomeView())
    request = pb.RecordEventRequest(event=event, request_id="r-1")
    first, again = [await call(stub.RecordEvent, request, 10) for _ in range(2)]
    assert (first.event_id, first.duplicate, again.duplicate) == (again.event_id, False, True)
    batch = pb.BatchRecordEventsRequest(events=[event, event], request_id="r-2")
    counts = [await call(stub.BatchRecordEvents, batch, 10) for _ in range(2)]
    assert [(each.recorded, each.duplicates) for each in counts] == [(2, 0), (0, 2)]
    assert recorded(sqlite_database) == 3


async def test_a_stream_without_ids_is_stored_once(stub: Any, sqlite_database: Database) -> None:
    add_customers(sqlite_database, "ann")

    async def stream(request_id: str) -> AsyncIterator[pb.ImportEventsRequest]:
        for place in range(PORTION + 2):
            event = Event(customer_id="ann", home_view=HomeView())
            yield pb.ImportEventsRequest(event=event, request_id=request_id if place == 0 else "ignored")

    counts = [await stub.ImportEvents(stream("r-1")) for _ in range(2)]
    assert [(each.recorded, each.duplicates) for each in counts] == [(PORTION + 2, 0), (0, PORTION + 2)]
    assert recorded(sqlite_database) == PORTION + 2
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ImportEvents(stream("x" * 129))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert recorded(sqlite_database) == PORTION + 2


async def test_a_failure_after_an_event_is_recorded_is_not_an_error(
    stub: Any, agent: Coordinator, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error would have the caller, who gave no id, record it again."""
    add_customers(sqlite_database, "ann")

    async def fail(_: Any) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(agent, "recommend", fail)
    event = Event(customer_id="ann", home_view=HomeView())
    answer = await call(stub.RecordEvent, pb.RecordEventRequest(event=event, recommend={}), 10)
    assert list(answer.recommendations.fallbacks) == ["no_recommendations"]
    assert recorded(sqlite_database) == 1


async def test_a_bad_id_is_refused_before_anything_is_recorded(stub: Any, sqlite_database: Database) -> None:
    add_customers(sqlite_database, "ann")
    event = Event(customer_id="ann", home_view=HomeView())
    for method, request in (
        (stub.RecordEvent, pb.RecordEventRequest(event=event, request_id="x" * 129)),
        (stub.BatchRecordEvents, pb.BatchRecordEventsRequest(events=[event], request_id="x" * 129)),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await method(request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert recorded(sqlite_database) == 0
