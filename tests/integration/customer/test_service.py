"""The customer service over the wire: every RPC, its errors, and the process that serves it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.field_mask_pb2 import FieldMask
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from quintet.customer.v1 import customer_service_pb2 as pb
from quintet.customer.v1 import customer_service_pb2_grpc as pb_grpc
from quintet.type.v1 import customer_pb2 as types
from quintet.type.v1.consent_pb2 import Consent, ConsentState

from services.customer import server as server_module
from services.customer.agent import CustomerAgent
from services.customer.segmentation import LEAST_EVENTS
from services.customer.server import build
from shared.config import Settings
from shared.db.engine import Database
from shared.db.log_consumer import Applied
from shared.db.schema import erasure_receipts
from shared.errors import FailedPrecondition
from tests.integration.customer.small_shop import open_shop
from tests.support.events import NOON, add, add_customers, append, event, purchase, rows, view


@pytest_asyncio.fixture
async def stub(sqlite_database: Database) -> AsyncIterator[Any]:
    """A stub of a server in this process, on a shop with four products."""
    open_shop(sqlite_database)
    settings = Settings(
        _env_file=None, database_url=sqlite_database.url, customer_port=0, drain_seconds=0, train_threads=1
    )
    server = build(settings, CustomerAgent(settings, sqlite_database))
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield pb_grpc.CustomerServiceStub(channel)
    await server.stop()


async def register(stub: Any, *names: str, **more: Any) -> pb.UpsertCustomersResponse:
    customers = [types.Customer(customer_id=name, **more) for name in names]
    return await stub.UpsertCustomers(pb.UpsertCustomersRequest(customers=customers))  # type: ignore[no-any-return]


async def profile(stub: Any, name: str) -> types.CustomerProfile:
    return (await stub.GetProfile(pb.GetProfileRequest(customer_id=name))).profile  # type: ignore[no-any-return]


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    """Return the status and the field at fault of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    status = rpc_status.from_call(caught.value)
    bad = error_details_pb2.BadRequest()
    fields = [bad.field_violations[0].field for detail in status.details if detail.Unpack(bad)]
    return caught.value.code(), fields[0] if fields else ""


async def test_a_customer_is_registered_changed_and_shown(stub: Any) -> None:
    demographics = types.Demographics(age=47, region="Bavaria", attributes={"shoe": "42"})
    answer = await register(stub, "anna", name="Anna", email="anna@example.org", demographics=demographics)
    assert (answer.created, answer.updated) == (1, 0)
    assert (await register(stub, "anna", name="Anne")).updated == 1
    shown = (await profile(stub, "anna")).customer
    assert (shown.name, shown.email) == ("Anne", "anna@example.org")
    assert (shown.demographics.age, shown.demographics.age_group) == (47, "45-54")
    assert dict(shown.demographics.attributes) == {"shoe": "42"}
    assert shown.HasField("registration_time")
    assert not shown.HasField("last_active_time")


async def test_a_profile_right_after_the_events(stub: Any, sqlite_database: Database) -> None:
    await register(stub, "anna")
    append(
        sqlite_database,
        [view("anna", "a1"), add("anna", {"b1": 2}, 1), purchase("anna", "o-1", [("a1", 1, 500)], 2)],
    )
    applied = await stub.ApplyEvents(pb.ApplyEventsRequest(up_to_sequence=3))
    assert (applied.applied_sequence, applied.applied) == (3, 3)
    found = await profile(stub, "anna")
    assert [each.product_id for each in found.views] == ["a1"]
    assert [(each.product_name, each.quantity) for each in found.cart] == [("Product b1", 2.0)]
    assert (found.purchases[0].amount.amount_minor, found.purchases[0].amount.currency_code) == (500, "USD")
    assert found.preferences.price_median.amount_minor == 500
    assert {each.value for each in found.preferences.categories} == {"category a", "category b"}
    assert sum(each.share for each in found.preferences.categories) == pytest.approx(1.0)
    assert len(found.embedding) == 3
    assert found.HasField("embedding_time")
    assert found.sessions == 1
    alone = await stub.GetPreferences(pb.GetPreferencesRequest(customer_id="anna"))
    assert alone.preferences.evidence == found.preferences.evidence == 3


async def test_what_is_due_again(stub: Any, sqlite_database: Database) -> None:
    await register(stub, "anna")
    minutes = (datetime.now(UTC) - NOON).total_seconds() / 60
    days = [minutes - day * 24 * 60 for day in (65, 45, 25)]
    append(sqlite_database, [purchase("anna", f"o-{n}", [("a2", 1, 700)], at) for n, at in enumerate(days)])
    await stub.ApplyEvents(pb.ApplyEventsRequest())
    found = (await stub.GetPreferences(pb.GetPreferencesRequest(customer_id="anna"))).preferences
    assert [(each.product_id, each.interval_days) for each in found.due] == [("a2", 20.0)]
    assert found.due[0].due_time.seconds - found.due[0].last_purchase_time.seconds == 20 * 86_400
    assert found.purchase_interval_days == 20.0


async def test_change_says_when_there_is_not_enough_history(stub: Any) -> None:
    await register(stub, "anna")
    answer = await stub.DetectBehaviorChange(pb.DetectBehaviorChangeRequest(customer_id="anna"))
    assert (answer.enough_history, answer.false_alarm_rate, len(answer.changes)) == (False, 0.01, 0)


@pytest.mark.parametrize("rate", [-0.1, 0.51, float("nan")])
async def test_a_bad_false_alarm_rate_is_named(stub: Any, rate: float) -> None:
    request = pb.DetectBehaviorChangeRequest(customer_id="anna", false_alarm_rate=rate)
    assert await refused(stub.DetectBehaviorChange(request)) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "false_alarm_rate",
    )


async def test_one_bad_customer_keeps_all_out(stub: Any, sqlite_database: Database) -> None:
    await register(stub, "anna", email="anna@example.org")
    bad = [types.Customer(customer_id="ben"), types.Customer(customer_id="cleo", email="no address")]
    code, field = await refused(stub.UpsertCustomers(pb.UpsertCustomersRequest(customers=bad)))
    assert (code, field) == (grpc.StatusCode.INVALID_ARGUMENT, "customers[1].email")
    known = pb.UpsertCustomersRequest(customers=[types.Customer(customer_id="anna")], create_only=True)
    assert await refused(stub.UpsertCustomers(known)) == (grpc.StatusCode.ALREADY_EXISTS, "customers[0].customer_id")
    assert len(rows(sqlite_database, "customers")) == 1


async def test_nobody_is_not_found(stub: Any) -> None:
    calls = [
        stub.GetProfile(pb.GetProfileRequest(customer_id="nobody")),
        stub.GetPreferences(pb.GetPreferencesRequest(customer_id="nobody")),
        stub.GetSegments(pb.GetSegmentsRequest(customer_id="nobody")),
        stub.DetectBehaviorChange(pb.DetectBehaviorChangeRequest(customer_id="nobody")),
        stub.EraseCustomer(pb.EraseCustomerRequest(customer_id="nobody")),
        stub.ExportCustomer(pb.ExportCustomerRequest(customer_id="nobody")).read(),
    ]
    for call in calls:
        assert await refused(call) == (grpc.StatusCode.NOT_FOUND, "customer_id")


async def test_a_negative_number_of_the_log_is_refused(stub: Any) -> None:
    code, field = await refused(stub.ApplyEvents(pb.ApplyEventsRequest(up_to_sequence=-1)))
    assert (code, field) == (grpc.StatusCode.INVALID_ARGUMENT, "up_to_sequence")


async def test_applying_begins_nothing_after_the_callers_deadline(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float | None] = []

    def apply_events(_agent: CustomerAgent, sequence: int, until: float | None = None) -> Applied:
        given.append(until)
        return Applied(sequence, 0)

    monkeypatch.setattr(CustomerAgent, "apply_events", apply_events)
    await stub.ApplyEvents(pb.ApplyEventsRequest(up_to_sequence=1), timeout=5)
    [until] = given
    assert until is not None
    assert 0 < until - time.monotonic() < 5.1  # the wire rounds the time that is left


async def test_a_replay_projects_what_was_set_aside(
    stub: Any, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await register(stub, "anna")
    append(sqlite_database, [view("anna", "a1")])
    with monkeypatch.context() as broken:
        broken.setattr("shared.db.projection.insert_rows", lambda *_: {}["a bug"])
        await stub.ApplyEvents(pb.ApplyEventsRequest())
    [failed] = rows(sqlite_database, "failed_events")
    assert rows(sqlite_database, "browsing_history") == []
    request = pb.ReplayFailedEventsRequest(sequences=[failed["sequence"]])
    answer = await stub.ReplayFailedEvents(request)
    assert (answer.applied, answer.failed) == (1, 0)
    assert len(rows(sqlite_database, "browsing_history")) == 1
    assert (await stub.ReplayFailedEvents(request)).applied == 0
    nothing = stub.ReplayFailedEvents(pb.ReplayFailedEventsRequest())
    assert await refused(nothing) == (grpc.StatusCode.INVALID_ARGUMENT, "sequences")


async def test_everything_is_exported_and_then_erased(stub: Any, sqlite_database: Database) -> None:
    await register(stub, "anna")
    many = [view("anna", "a1", minute) for minute in range(450)]
    append(sqlite_database, [*many, event("anna", 451, search={"query": "tea"})])
    await stub.ApplyEvents(pb.ApplyEventsRequest())
    exported = [each async for each in stub.ExportCustomer(pb.ExportCustomerRequest(customer_id="anna"))]
    tables = [each.table for each in exported]
    assert tables.count("browsing_history") == 450
    (customer,) = (json.loads(each.row_json) for each in exported if each.table == "customers")
    assert customer["external_id"] == "anna"
    answer = await stub.EraseCustomer(pb.EraseCustomerRequest(customer_id="anna"))
    assert {each.table: each.rows for each in answer.receipt.erased} == {
        name: tables.count(name) for name in set(tables)
    }
    code, _ = await refused(stub.GetProfile(pb.GetProfileRequest(customer_id="anna")))
    assert code is grpc.StatusCode.NOT_FOUND
    wanted = pb.GetErasureReceiptRequest(receipt_id=answer.receipt.receipt_id)
    assert (await stub.GetErasureReceipt(wanted)).receipt == answer.receipt
    assert answer.receipt.models == types.ModelsState.MODELS_STATE_UNUSED
    assert "erase again" in answer.receipt.backups_note
    with sqlite_database.write() as connection:
        connection.execute(erasure_receipts.update().values(rows={"customers": 2}))
    code, _ = await refused(stub.GetErasureReceipt(wanted))
    assert code is grpc.StatusCode.DATA_LOSS


async def test_customers_are_read_and_listed_page_by_page(stub: Any) -> None:
    await register(stub, "anna", "ben", "cleo", name="Somebody")
    assert (await stub.GetCustomer(pb.GetCustomerRequest(customer_id="ben"))).customer.name == "Somebody"
    first = await stub.ListCustomers(pb.ListCustomersRequest(page_size=2))
    rest = await stub.ListCustomers(pb.ListCustomersRequest(page_size=2, page_token=first.next_page_token))
    assert [each.customer_id for page in (first, rest) for each in page.customers] == ["anna", "ben", "cleo"]
    assert rest.next_page_token == ""
    other = pb.ListCustomersRequest(page_token=first.next_page_token, segment_name="loyal")
    assert await refused(stub.ListCustomers(other)) == (grpc.StatusCode.INVALID_ARGUMENT, "page_token")


async def test_a_mask_clears_and_a_bad_path_is_named(stub: Any) -> None:
    await register(stub, "anna", name="Anna", email="anna@example.org")
    anna = types.Customer(customer_id="anna")
    request = pb.UpsertCustomersRequest(customers=[anna], update_masks=[FieldMask(paths=["email"])])
    await stub.UpsertCustomers(request)
    stored = (await stub.GetCustomer(pb.GetCustomerRequest(customer_id="anna"))).customer
    assert (stored.name, stored.email) == ("Anna", "")
    request.update_masks[0].paths[:] = ["customer_id"]
    code, field = await refused(stub.UpsertCustomers(request))
    assert (code, field) == (grpc.StatusCode.INVALID_ARGUMENT, "customers[0].update_mask.paths[0]")


async def test_a_visitor_consents_is_exported_and_erased(stub: Any, sqlite_database: Database) -> None:
    denied = Consent(train=ConsentState.CONSENT_STATE_DENIED)
    said = await stub.SetVisitorConsent(pb.SetVisitorConsentRequest(visitor_id="v-1", consent=denied))
    assert said.consent.train == ConsentState.CONSENT_STATE_DENIED
    append(sqlite_database, [event("", 0, visitor="v-1", search={"query": "tea"})])
    await stub.ApplyEvents(pb.ApplyEventsRequest())
    export = pb.ExportCustomerRequest(visitor_id="v-1")
    tables = {each.table async for each in stub.ExportCustomer(export)}
    assert tables == {"customers", "visitors", "sessions", "page_events", "event_log"}
    receipt = (await stub.EraseCustomer(pb.EraseCustomerRequest(visitor_id="v-1"))).receipt
    assert {each.table for each in receipt.erased} == tables
    assert not any(rows(sqlite_database, table) for table in tables)
    again = stub.EraseCustomer(pb.EraseCustomerRequest(visitor_id="v-1"))
    assert await refused(again) == (grpc.StatusCode.NOT_FOUND, "visitor_id")


async def test_a_visitor_who_became_a_customer_is_the_customers(stub: Any, sqlite_database: Database) -> None:
    await register(stub, "anna")
    append(sqlite_database, [event("anna", 0, visitor="v-1", search={"query": "tea"})])
    await stub.ApplyEvents(pb.ApplyEventsRequest())
    denied = Consent(train=ConsentState.CONSENT_STATE_DENIED)
    for call in (
        stub.EraseCustomer(pb.EraseCustomerRequest(visitor_id="v-1")),
        stub.SetVisitorConsent(pb.SetVisitorConsentRequest(visitor_id="v-1", consent=denied)),
    ):
        code, field = await refused(call)
        assert (code, field) == (grpc.StatusCode.FAILED_PRECONDITION, "visitor_id")
    assert len(rows(sqlite_database, "customers")) == 1


async def test_a_refresh_streams_its_progress_and_puts_customers_into_segments(
    stub: Any, sqlite_database: Database
) -> None:
    await register(stub, "anna")
    await register(stub, "ben")
    enough = [purchase("anna", f"o-{number}", [("a1", 1, 500)], number) for number in range(LEAST_EVENTS)]
    append(sqlite_database, [*enough, purchase("ben", "once", [("a1", 1, 500)])])
    await stub.ApplyEvents(pb.ApplyEventsRequest())
    steps = [each.progress async for each in stub.RefreshCustomers(pb.RefreshCustomersRequest())]
    fractions = [step.progress for step in steps]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert steps[-1].refresh_customers.customers == 2
    rarely = await stub.GetSegments(pb.GetSegmentsRequest(customer_id="ben"))
    assert [each.kind for each in rarely.segments] == [types.SegmentKind.SEGMENT_KIND_RFM]
    found = await stub.GetSegments(pb.GetSegmentsRequest(customer_id="anna"))
    assert {types.SegmentKind.SEGMENT_KIND_RFM, types.SegmentKind.SEGMENT_KIND_LEARNED} == {
        each.kind for each in found.segments
    }
    assert json.loads(found.segments[0].criteria_json)
    confidences = [each.confidence for each in found.segments]
    assert confidences == sorted(confidences, reverse=True)


async def test_a_second_refresh_meanwhile_is_aborted(stub: Any) -> None:
    running = stub.RefreshCustomers(pb.RefreshCustomersRequest())
    steps = aiter(running)
    await anext(steps)
    code, _ = await refused(stub.RefreshCustomers(pb.RefreshCustomersRequest()).read())
    assert code is grpc.StatusCode.ABORTED
    assert [each async for each in steps][-1].progress.progress == 1.0


async def test_the_process_catches_up_by_itself(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    open_shop(sqlite_database)
    add_customers(sqlite_database, "anna")
    append(sqlite_database, [view("anna", "a1")])

    async def until_applied(_: Any) -> None:
        async with asyncio.timeout(20):
            while not rows(sqlite_database, "browsing_history"):
                await asyncio.sleep(0.01)

    monkeypatch.setattr(server_module, "serve_until_stopped", until_applied)
    await server_module.main(Settings(_env_file=None, database_url=sqlite_database.url, customer_port=0))


async def test_the_process_wants_a_schema(tmp_path: Any) -> None:
    with pytest.raises(FailedPrecondition, match="quintet migrate"):
        await server_module.main(Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/empty.db"))
