"""The coordinator's RPCs over real gRPC, with the other agents out of reach: what it must do alone."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.coordinator.v1 import event_log_pb2, operations_pb2
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as recommendation_grpc
from quintet.type.v1.event_pb2 import Event, HomeView, PageType, ProductView, Purchase, PurchaseLine
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import RecommendationContext, RecommendationFilter

from services.coordinator.agent import Coordinator
from services.coordinator.agent_clients import AgentClients
from services.coordinator.event_rpcs import PORTION, PORTIONS_AT_ONCE
from services.coordinator.event_validation import submit_event
from services.coordinator.event_writer import EventWriter
from services.coordinator.server import build
from services.coordinator.shopper_reader import ShopperReader
from shared.config import Settings
from shared.db import event_log
from shared.db.engine import Database
from shared.errors import InvalidArgument, NotFound, QuintetError
from shared.rpc.client import call, open_channel
from tests.support.fake_agents import serving
from tests.support.projecting import apply_all
from tests.support.shop import add_customers, add_products
from tests.support.tokens import KEYS

NOWHERE = "127.0.0.1:1"
REGISTER = recommendation_grpc.add_RecommendationServiceServicer_to_server
ASKED = pb.GetRecommendationsRequest(customer_id="ann")
BUY_AGAIN = RecommendationContext(page_type=PageType.PAGE_TYPE_BUY_AGAIN)


@pytest.fixture
async def stub(sqlite_database: Database) -> AsyncIterator[Any]:
    async with coordinator(sqlite_database) as stub:
        yield stub


@asynccontextmanager
async def coordinator(
    database: Database, recommendation_address: str = NOWHERE, **overrides: Any
) -> AsyncIterator[Any]:
    add_customers(database, "ann")
    add_products(database, "tea", "cup")
    settings = Settings(
        coordinator_port=0,
        drain_seconds=1,
        agent_timeout_seconds=1 if recommendation_address == NOWHERE else 60,
        apply_timeout_seconds=0.2,
        customer_address=NOWHERE,
        product_address=NOWHERE,
        recommendation_address=recommendation_address,
        feedback_address=NOWHERE,
        **overrides,
    )
    agent = Coordinator(settings, database, AgentClients(settings))
    await agent.start()
    server = build(settings, agent)
    channel = open_channel(f"127.0.0.1:{await server.start()}")
    yield pb_grpc.CoordinatorServiceStub(channel)
    await channel.close()
    await server.stop()
    await agent.stop()


class FakeRecommendationAgent(recommendation_grpc.RecommendationServiceServicer):
    """Answers with a list of one product, with an error, or never."""

    def __init__(self) -> None:
        self.hangs = False
        self.error: grpc.StatusCode | None = None
        self.answer = recommendation_pb.RecommendResponse()
        self.answer.list.strategy = "hybrid"
        self.answer.list.recommendations.add(product_id="tea", score=0.5)
        self.asked: list[recommendation_pb.RecommendRequest] = []

    async def Recommend(
        self, request: recommendation_pb.RecommendRequest, context: Any
    ) -> recommendation_pb.RecommendResponse:
        self.asked.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            await context.abort(self.error, "not today")
        return self.answer


def recorded(database: Database) -> int:
    with database.read() as connection:
        return event_log.last_sequence(connection)


async def test_an_event_is_kept_while_the_agents_are_down(stub: Any, sqlite_database: Database) -> None:
    request = pb.RecordEventRequest(event=Event(event_id="1", customer_id="ann", home_view=HomeView()))
    answer = await call(stub.RecordEvent, request, 10)
    assert not answer.duplicate
    assert recorded(sqlite_database) == 1
    async with asyncio.timeout(30):
        while sorted(answer.pending_agents) != ["customer", "feedback"]:
            answer = await call(stub.RecordEvent, request, 10)
            assert answer.duplicate
    assert recorded(sqlite_database) == 1


@pytest.mark.parametrize(
    ("options", "field", "error"),
    [
        ({"limit": -1}, "recommend.limit", InvalidArgument),
        (
            {"context": RecommendationContext(page_type=PageType.PAGE_TYPE_PRODUCT)},
            "recommend.context.product_id",
            InvalidArgument,
        ),
        ({"context": RecommendationContext(product_id="no")}, "recommend.context.product_id", NotFound),
        (
            {"context": RecommendationContext(cart_product_ids=["tea", "no"])},
            "recommend.context.cart_product_ids[1]",
            NotFound,
        ),
    ],
)
async def test_bad_options_are_refused_before_anything_is_recorded(
    stub: Any, sqlite_database: Database, options: dict[str, Any], field: str, error: type[QuintetError]
) -> None:
    event = Event(customer_id="ann", product_view=ProductView(product_id="tea"))
    request = pb.RecordEventRequest(event=event, recommend=pb.RecommendationOptions(**options))
    with pytest.raises(error) as caught:
        await call(stub.RecordEvent, request, 10)
    assert caught.value.violations[0].field == field
    assert recorded(sqlite_database) == 0


async def test_validate_only_says_what_is_unknown_and_records_nothing(stub: Any, sqlite_database: Database) -> None:
    good = Event(event_id="e", customer_id="ann", product_view=ProductView(product_id="tea"))
    checked = await call(stub.RecordEvent, pb.RecordEventRequest(event=good, validate_only=True), 10)
    assert checked.event_id == "e"
    bad = Event(customer_id="ann", product_view=ProductView(product_id="no"))
    checked = await call(stub.RecordEvent, pb.RecordEventRequest(event=bad, validate_only=True), 10)
    assert checked.unjoined
    assert [each.id for each in checked.missing] == ["no"]
    assert (await call(stub.GetStatus, pb.GetStatusRequest(), 10)).unjoined_events == 0
    assert recorded(sqlite_database) == 0


def usd(minor: int) -> Money:
    return Money(currency_code="USD", amount_minor=minor)


@pytest.mark.parametrize(
    ("request_fields", "field"),
    [
        ({"limit": -1}, "limit"),
        ({"customer_id": ""}, "customer_id"),
        ({"context": RecommendationContext(page_type=PageType.PAGE_TYPE_CATEGORY)}, "context.category"),
        ({"context": RecommendationContext(product_id="no")}, "context.product_id"),
        (
            {"filter": RecommendationFilter(min_price=usd(2), max_price=usd(1))},
            "filter.max_price.amount_minor",
        ),
        ({"filter": RecommendationFilter(exclude_product_ids=[""])}, "filter.exclude_product_ids[0]"),
    ],
)
async def test_a_bad_request_is_refused_also_while_best_sellers_stand_in(
    stub: Any, request_fields: dict[str, Any], field: str
) -> None:
    request = pb.GetRecommendationsRequest(**{"customer_id": "ann", **request_fields})
    with pytest.raises(QuintetError) as caught:
        await call(stub.GetRecommendations, request, 10)
    assert [violation.field for violation in caught.value.violations] == [field]


async def test_the_answer_falls_back_and_says_so(stub: Any) -> None:
    answer = await call(stub.GetRecommendations, pb.GetRecommendationsRequest(customer_id="ann"), 10)
    assert list(answer.list.fallbacks) == ["recommendation_agent_unavailable"]


async def best_sellers_known(stub: Any) -> None:
    """Wait until the coordinator has counted its best-sellers."""
    async with asyncio.timeout(30):
        while not (await call(stub.GetRecommendations, ASKED, 10)).list.recommendations:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("code", [grpc.StatusCode.DATA_LOSS, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN])
async def test_best_sellers_stand_in_for_an_agent_that_fails(sqlite_database: Database, code: grpc.StatusCode) -> None:
    fake = FakeRecommendationAgent()
    fake.error = code
    async with serving(fake, REGISTER) as address, coordinator(sqlite_database, address) as stub:
        answer = await call(stub.GetRecommendations, ASKED, 10)
        async with asyncio.timeout(30):  # until the rules were read once
            while "merchandising_not_read" in answer.list.fallbacks:
                answer = await call(stub.GetRecommendations, ASKED, 10)
        assert list(answer.list.fallbacks) == ["recommendation_agent_unavailable"]
        fake.error = grpc.StatusCode.NOT_FOUND
        with pytest.raises(NotFound):
            await call(stub.GetRecommendations, ASKED, 10)


async def test_many_calls_at_once_are_all_answered_by_marked_best_sellers(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.coordinator.agent.ShopperReader", partial(ShopperReader, seconds=5.0))
    async with coordinator(sqlite_database) as stub:
        sell(sqlite_database, "cup")
        await best_sellers_known(stub)
        answers = await asyncio.gather(*(call(stub.GetRecommendations, ASKED, 10) for _ in range(64)))
    assert [[each.product_id for each in answer.list.recommendations] for answer in answers] == [["cup"]] * 64
    assert {tuple(answer.list.fallbacks) for answer in answers} == {("recommendation_agent_unavailable",)}
    first = {answer.list.recommendations[0].recommendation_id for answer in answers}
    assert len(first) == 64, "each is logged under ids of its own"


async def test_a_writer_that_holds_the_database_does_not_keep_best_sellers_from_answering(
    sqlite_database: Database, stub: Any
) -> None:
    sell(sqlite_database, "cup")
    await best_sellers_known(stub)
    with locked_by_another_process(sqlite_database):
        answers = await asyncio.gather(*(call(stub.GetRecommendations, ASKED, 3) for _ in range(16)))
    assert [[each.product_id for each in answer.list.recommendations] for answer in answers] == [["cup"]] * 16


async def test_best_sellers_answer_when_the_file_of_the_database_is_gone(sqlite_database: Database) -> None:
    async with coordinator(sqlite_database) as stub:
        sell(sqlite_database, "cup")
        await best_sellers_known(stub)
        for suffix in ("", "-wal", "-shm"):
            Path(f"{sqlite_database.file}{suffix}").unlink(missing_ok=True)
        sqlite_database.close()
        answer = await call(stub.GetRecommendations, ASKED, 3)
        again = pb.GetRecommendationsRequest(customer_id="ann", context=BUY_AGAIN)
        bought = await call(stub.GetRecommendations, again, 3)
    assert [each.product_id for each in answer.list.recommendations] == ["cup"]
    assert list(answer.list.fallbacks) == ["recommendation_agent_unavailable", "shopper_not_read"]
    assert not bought.list.recommendations


def sell(database: Database, product: str) -> None:
    """Let somebody buy a product, applied at once."""
    add_customers(database, "bob")
    lines = [PurchaseLine(product_id=product)]
    event = Event(customer_id="bob", purchase=Purchase(purchase_id=product, items=lines))
    event.event_time.FromDatetime(datetime.now(UTC))
    [outcome] = EventWriter(database, KEYS).commit([submit_event(event)])
    assert outcome.error is None
    apply_all(database)


LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked_by_another_process(database: Database) -> Iterator[None]:
    """Hold the write lock of a SQLite file in another process."""
    command = [sys.executable, "-c", LOCK, str(database.file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "locked\n"
        yield
        holder.stdin.close()


async def test_the_agents_answer_is_passed_on_as_it_is(sqlite_database: Database) -> None:
    fake = FakeRecommendationAgent()
    asked = pb.GetRecommendationsRequest(customer_id="ann", context=RecommendationContext(product_id="tea"), limit=3)
    event = Event(customer_id="ann", home_view=HomeView())
    with_event = pb.RecordEventRequest(event=event, recommend=pb.RecommendationOptions(limit=2))
    async with serving(fake, REGISTER) as address, coordinator(sqlite_database, address) as stub:
        answer = await call(stub.GetRecommendations, asked, 10)
        recorded = await call(stub.RecordEvent, with_event, 10)
    assert answer.list == fake.answer.list
    assert recorded.recommendations == fake.answer.list
    assert [(each.customer_id, each.context.product_id, each.limit) for each in fake.asked] == [
        ("ann", "tea", 3),
        ("ann", "", 2),
    ]


def test_an_answer_of_the_recommendation_agent_is_one_of_the_coordinator_on_the_wire() -> None:
    def layout(message: Any) -> list[Any]:
        return [
            (field.number, field.name, field.type, field.message_type and field.message_type.full_name)
            for field in message.DESCRIPTOR.fields
        ]

    assert layout(pb.GetRecommendationsResponse) == layout(recommendation_pb.RecommendResponse)


@pytest.mark.parametrize("seconds", [1.0, 0.3])
async def test_an_agent_that_hangs_costs_a_fallback_and_no_deadline(sqlite_database: Database, seconds: float) -> None:
    fake = FakeRecommendationAgent()
    fake.hangs = True
    async with serving(fake, REGISTER) as address, coordinator(sqlite_database, address) as stub:
        asked = pb.GetRecommendationsRequest(customer_id="ann")
        await call(stub.GetStatus, pb.GetStatusRequest(), 10)  # connected
        answer = await call(stub.GetRecommendations, asked, seconds)
    assert list(answer.list.fallbacks) == ["recommendation_agent_unavailable"]
    assert len(fake.asked) == 1


async def test_a_batch_keeps_the_good_and_says_the_bad(stub: Any, sqlite_database: Database) -> None:
    events = [
        Event(event_id="1", customer_id="ann", home_view=HomeView()),
        Event(event_id="2", customer_id="nobody", home_view=HomeView()),
        Event(event_id="3", customer_id="ann"),
        Event(event_id="1", customer_id="ann", home_view=HomeView()),
    ]
    answer = await call(stub.BatchRecordEvents, pb.BatchRecordEventsRequest(events=events), 10)
    assert (answer.recorded, answer.duplicates, answer.unjoined) == (2, 1, 1)
    assert [(each.index, each.id, each.code) for each in answer.rejections] == [(2, "3", "INVALID_ARGUMENT")]
    assert recorded(sqlite_database) == 1


async def test_a_strict_coordinator_refuses_what_is_unknown(sqlite_database: Database) -> None:
    event = Event(event_id="2", customer_id="nobody", home_view=HomeView())
    async with coordinator(sqlite_database, unknown_references="refuse") as stub:
        answer = await call(stub.BatchRecordEvents, pb.BatchRecordEventsRequest(events=[event]), 10)
        assert [(each.id, each.code, each.field) for each in answer.rejections] == [
            ("2", "NOT_FOUND", "events[0].customer_id")
        ]
        for validate_only in (False, True):
            with pytest.raises(NotFound):
                await call(stub.RecordEvent, pb.RecordEventRequest(event=event, validate_only=validate_only), 10)


async def test_an_event_of_something_unknown_is_kept_said_and_joined(stub: Any, sqlite_database: Database) -> None:
    event = Event(event_id="1", customer_id="nobody", product_view=ProductView(product_id="no"))
    request = pb.RecordEventRequest(event=event, recommend=pb.RecommendationOptions(limit=1))
    answer = await call(stub.RecordEvent, request, 10)
    missing = [(each.kind, each.id) for each in answer.missing]
    kinds = event_log_pb2.ReferenceKind
    assert answer.unjoined
    assert missing == [(kinds.REFERENCE_KIND_CUSTOMER, "nobody"), (kinds.REFERENCE_KIND_PRODUCT, "no")]
    assert list(answer.recommendations.fallbacks) == ["recommendation_agent_unavailable"], "as for somebody new"
    assert (await call(stub.GetStatus, pb.GetStatusRequest(), 10)).unjoined_events == 1
    listed = await call(stub.ListUnjoinedEvents, event_log_pb2.ListUnjoinedEventsRequest(limit=1), 10)
    assert [(each.reference.id, each.events, list(each.example_event_ids)) for each in listed.references] == [
        ("nobody", 1, ["1"])
    ]
    add_customers(sqlite_database, "nobody")
    add_products(sqlite_database, "no")
    async with asyncio.timeout(30):
        while (await call(stub.GetStatus, pb.GetStatusRequest(), 10)).unjoined_events:
            await call(stub.RejoinEvents, event_log_pb2.RejoinEventsRequest(), 10)
    assert recorded(sqlite_database) == 1


async def test_the_diagnosis_says_who_is_down_and_what_to_do(stub: Any) -> None:
    answer = await call(stub.GetDiagnosis, operations_pb2.GetDiagnosisRequest(), 20)
    found = {(each.code, each.subject): each for each in answer.findings}
    assert {subject for code, subject in found if code == "agent_not_ready"} == {
        "customer",
        "product",
        "recommendation",
        "feedback",
    }
    missing = found["model_missing", "recommender"]
    assert missing.severity == operations_pb2.FINDING_SEVERITY_WARNING
    assert missing.next_step
    assert missing.since_time.seconds
    severities = [each.severity for each in answer.findings]
    assert severities == sorted(severities, reverse=True)


async def test_the_state_names_who_is_down(stub: Any) -> None:
    answer = await call(stub.GetStatus, pb.GetStatusRequest(), 10)
    assert {each.agent: each.serving for each in answer.agents} == {
        "coordinator": True,
        "customer": False,
        "product": False,
        "recommendation": False,
        "feedback": False,
    }
    assert NOWHERE not in str(answer), "addresses are no business of who asks"


async def test_a_training_that_cannot_reach_an_agent_fails_with_its_reason(stub: Any) -> None:
    with pytest.raises(NotFound):
        await call(stub.GetJob, pb.GetJobRequest(job_id="nothing"), 10)
    job = (await call(stub.TrainModels, pb.TrainModelsRequest(), 10)).job
    seen = [answer.job async for answer in stub.WatchJob(pb.WatchJobRequest(job_id=job.job_id))]
    assert seen[-1].error


async def test_a_stream_is_recorded_in_order_and_what_is_refused_is_said_with_its_place(
    stub: Any, sqlite_database: Database
) -> None:
    names = [f"e-{number}" for number in range(PORTION * (PORTIONS_AT_ONCE + 2))]
    bad = {7: "\n", 8: "", PORTION + 1: "", len(names) - 1: "\n"}

    async def events() -> AsyncIterator[pb.ImportEventsRequest]:
        for number, name in enumerate(names):
            event = Event(event_id=name, customer_id=bad.get(number, "ann"), home_view=HomeView())
            yield pb.ImportEventsRequest(event=event)

    answer = await stub.ImportEvents(events())
    assert (answer.recorded, answer.duplicates, answer.rejected) == (len(names) - len(bad), 0, len(bad))
    assert [(each.index, each.id) for each in answer.rejections] == [(place, names[place]) for place in bad]
    with sqlite_database.read() as connection:
        logged = [each.event_id for each in event_log.read_after(connection, 0, len(names))]
    assert logged == [name for place, name in enumerate(names) if place not in bad]
    assert (await stub.ImportEvents(events())).duplicates == answer.recorded


async def test_a_stream_that_breaks_leaves_the_coordinator_recording(stub: Any) -> None:
    async def broken() -> AsyncIterator[pb.ImportEventsRequest]:
        for _ in range(2 * PORTION):
            yield pb.ImportEventsRequest(event=Event(customer_id="ann", home_view=HomeView()))
        raise RuntimeError("the client's own mistake")

    with pytest.raises((RuntimeError, grpc.aio.AioRpcError, asyncio.CancelledError)):
        await stub.ImportEvents(broken())
    recorded = await stub.RecordEvent(pb.RecordEventRequest(event=Event(customer_id="ann", home_view=HomeView())))
    assert not recorded.duplicate
