"""Purges and rebuilds as jobs, over gRPC with a feedback agent."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1 import event_log_pb2
from quintet.type.v1.event_pb2 import Event, ProductView, Purchase, PurchaseLine
from quintet.type.v1.job_pb2 import Job, JobState

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.server import build
from services.feedback.server import build as build_feedback
from services.feedback.server import make_agent
from shared.config import Settings
from shared.db.engine import Database
from shared.errors import Conflict, InvalidArgument
from shared.rpc.client import call, open_channel, stream
from shared.running_job import RunningJob
from tests.integration.coordinator.test_service import NOWHERE
from tests.support.events import NOON, add_customers, add_products, rows
from tests.support.projecting import apply_all


@pytest.fixture
async def stub(sqlite_database: Database) -> AsyncIterator[Any]:
    add_customers(sqlite_database, "ann")
    add_products(sqlite_database, {"tea": (100, "EUR"), "cup": (300, "EUR")})
    settings = Settings(database_url=sqlite_database.url, feedback_port=0, coordinator_port=0, drain_seconds=0)
    feedback = build_feedback(settings, make_agent(settings, sqlite_database))
    addresses = {f"{name}_address": NOWHERE for name in ("customer", "product", "recommendation")}
    addresses["feedback_address"] = f"127.0.0.1:{await feedback.start()}"
    settings = settings.model_copy(update=addresses)
    agent = Coordinator(settings, sqlite_database, AgentClients(settings))
    await agent.start()
    server = build(settings, agent)
    async with open_channel(f"127.0.0.1:{await server.start()}") as channel:
        yield pb_grpc.CoordinatorServiceStub(channel)
    await server.stop()
    await agent.stop()
    await feedback.stop()


async def ended(stub: Any, job: Job) -> Job:
    """Return the job when it has ended, with success."""
    seen = [answer.job async for answer in stream(stub.WatchJob, pb.WatchJobRequest(job_id=job.job_id))]
    assert seen[-1].state == JobState.JOB_STATE_SUCCEEDED, seen[-1].error
    return seen[-1]


async def record(stub: Any, database: Database, *events: Event) -> None:
    for event in events:
        await call(stub.RecordEvent, pb.RecordEventRequest(event=event), 10)
    apply_all(database)


def asked(dry_run: bool = False, request_id: str = "", **conditions: Any) -> event_log_pb2.PurgeEventsRequest:
    wanted = event_log_pb2.EventFilter(**conditions)
    return event_log_pb2.PurgeEventsRequest(filter=wanted, dry_run=dry_run, request_id=request_id)


async def test_a_dry_run_counts_and_a_purge_deletes_once(stub: Any, sqlite_database: Database) -> None:
    lines = [PurchaseLine(product_id="tea")]
    await record(
        stub,
        sqlite_database,
        Event(event_id="v-1", customer_id="ann", product_view=ProductView(product_id="tea")),
        Event(event_id="v-2", customer_id="ann", product_view=ProductView(product_id="cup")),
        Event(event_id="b-1", customer_id="ann", purchase=Purchase(purchase_id="o-1", items=lines)),
    )
    dry = await ended(stub, (await call(stub.PurgeEvents, asked(dry_run=True, product_id="tea"), 10)).job)
    found = dry.purge_events
    assert [(each.kind, each.events, list(each.example_event_ids)) for each in found.kinds] == [
        ("product_view", 1, ["v-1"]),
        ("purchase", 1, ["b-1"]),
    ]
    assert (found.dry_run, found.events, found.shoppers, found.outcomes_rebuilt) == (True, 2, 1, False)
    assert len(rows(sqlite_database, "event_log")) == 3
    first = (await call(stub.PurgeEvents, asked(request_id="once", product_id="tea"), 10)).job
    done = (await ended(stub, first)).purge_events
    assert (done.dry_run, done.events, done.outcomes_rebuilt) == (False, 2, True)
    again = (await call(stub.PurgeEvents, asked(request_id="once", product_id="tea"), 10)).job
    assert again.job_id == first.job_id
    assert len(rows(sqlite_database, "event_log")) == len(rows(sqlite_database, "browsing_history")) == 1
    assert rows(sqlite_database, "purchases") == []


async def test_projections_are_rebuilt_by_jobs(stub: Any, sqlite_database: Database) -> None:
    event = Event(customer_id="ann", product_view=ProductView(product_id="tea"))
    await record(stub, sqlite_database, event)
    for agent in ("customer", "feedback"):
        request = event_log_pb2.RebuildProjectionRequest(agent=agent)
        done = await ended(stub, (await call(stub.RebuildProjection, request, 10)).job)
        assert done.rebuild_projection.agent == agent
    assert len(rows(sqlite_database, "browsing_history")) == 1


async def test_one_at_a_time(stub: Any, sqlite_database: Database) -> None:
    job = RunningJob.claim(sqlite_database, "rebuild_projection")
    with pytest.raises(Conflict, match=job.run.job_id):
        await call(stub.PurgeEvents, asked(customer_id="ann"), 10)


@pytest.mark.parametrize(
    ("conditions", "field"),
    [
        ({}, "filter"),
        ({"kinds": ["view"]}, "filter.kinds[0]"),
        ({"kinds": ["search"] * 21}, "filter.kinds"),
        ({"customer_id": "x" * 129}, "filter.customer_id"),
        ({"attributes": {"source": "x" * 1_001}}, "filter.attributes['source']"),
        ({"attributes": {str(each): "x" for each in range(11)}}, "filter.attributes"),
        (
            {"start_time": NOON, "end_time": NOON - timedelta(days=1)},
            "filter.end_time",
        ),
        ({"start_time": Timestamp(seconds=10**12)}, "filter.start_time"),
    ],
)
async def test_bad_filters_name_the_field(stub: Any, conditions: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await call(stub.PurgeEvents, asked(**conditions), 10)
    assert [each.field for each in caught.value.violations] == [field]


async def test_only_agents_that_apply_events_are_rebuilt(stub: Any) -> None:
    for agent in ("", "product"):
        with pytest.raises(InvalidArgument) as caught:
            await call(stub.RebuildProjection, event_log_pb2.RebuildProjectionRequest(agent=agent), 10)
        assert [each.field for each in caught.value.violations] == ["agent"]
