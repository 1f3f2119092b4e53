"""What is wrong with events is counted by hour, kind and field, bounded, with ids only."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import event_log_pb2
from quintet.type.v1.event_pb2 import Event, HomeView, ProductView

from services.coordinator import event_monitor
from services.coordinator.event_monitor import EventMonitor
from shared.db import retention
from shared.db.engine import Database
from shared.errors import InvalidArgument
from shared.rpc.client import call
from tests.integration.coordinator.test_service import coordinator
from tests.support.events import rows


def view(event_id: str, product: str = "tea", **more: Any) -> Event:
    return Event(event_id=event_id, customer_id="ann", product_view=ProductView(product_id=product), **more)


async def test_each_fault_is_counted_once_with_its_field(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_monitor, "STORE_EVERY_SECONDS", 0.0)
    late = view("late")
    late.event_time.FromDatetime(datetime.now(UTC) - timedelta(hours=2))
    bad = Event(event_id="bad", customer_id="ann", product_view=ProductView(product_id=""))
    async with coordinator(sqlite_database) as stub:
        events = [view("good"), view("good"), view("new", "unheard-of"), late, bad]
        await call(stub.BatchRecordEvents, pb.BatchRecordEventsRequest(events=events), 10)
        with pytest.raises(InvalidArgument):
            await call(stub.RecordEvent, pb.RecordEventRequest(event=bad), 10)
    async with coordinator(sqlite_database) as stub:
        answer = await call(stub.GetEventQuality, event_log_pb2.GetEventQualityRequest(), 10)
    found = {(each.problem, each.field): (each.events, list(each.example_event_ids)) for each in answer.faults}
    assert found == {
        ("duplicate", ""): (1, ["good"]),
        ("unknown", "product_id"): (1, ["new"]),
        ("late", "event_time"): (1, ["late"]),
        ("malformed", "product_view.product_id"): (2, ["bad", "bad"]),
    }
    assert {each.kind for each in answer.faults} == {"product_view"}
    assert "unheard-of" not in str(rows(sqlite_database, "event_quality"))


def test_counts_add_up_and_are_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_monitor, "MOST_FAULTS", 2)
    monitors = [EventMonitor(database), EventMonitor(database)]
    for monitor in monitors:
        for number in range(10):
            error = InvalidArgument.of(f"events[{number}].field_{number % 5}", "secret", "is wrong")
            monitor.malformed(Event(event_id=f"e{number}", home_view=HomeView()), error)
        monitor.store()
        monitor.store()
    stored = {(row["kind"], row["field"]): (row["events"], row["examples"]) for row in rows(database, "event_quality")}
    assert stored == {
        ("home_view", "field_0"): (4, ["e0", "e5"]),
        ("home_view", "field_1"): (4, ["e1", "e6"]),
        ("other", ""): (12, ["e2", "e3", "e4"]),
    }
    assert retention.drop_event_faults(database, 1) == 0
    assert retention.drop_event_faults(database, -1) == 3


async def test_a_period_that_ends_before_it_starts_is_refused(sqlite_database: Database) -> None:
    request = event_log_pb2.GetEventQualityRequest()
    request.start_time.FromDatetime(datetime.now(UTC))
    request.end_time.FromDatetime(datetime.now(UTC) - timedelta(hours=1))
    async with coordinator(sqlite_database) as stub:
        with pytest.raises(InvalidArgument) as caught:
            await call(stub.GetEventQuality, request, 10)
    assert [each.field for each in caught.value.violations] == ["end_time"]
