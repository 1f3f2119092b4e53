"""The daily look counts what came in and what came of it, finds what changed, and is recorded once a day."""

from datetime import UTC, datetime, timedelta

import grpc
import pytest
from quintet.feedback.v1 import feedback_service_pb2 as pb
from quintet.feedback.v1 import feedback_service_pb2_grpc as pb_grpc
from quintet.type.v1.improvement_pb2 import QualityLook
from sqlalchemy import select

from services.feedback.drift.alarm import Thresholds
from services.feedback.drift.look import REFERENCE_DAYS, last_whole_day, look
from services.feedback.drift.quality import Look
from services.feedback.server import build, make_agent
from shared.config import Settings
from shared.db import drift_checks, input_counts
from shared.db.engine import Database
from shared.db.metric_cells import Cell, add_to_cells, start_of
from shared.db.products import product_keys
from shared.db.schema import browsing_history, customers, event_log, event_receipts, sessions
from shared.db.schema import input_counts as counts_table
from shared.metric_numbers import MetricNumbers
from tests.support.shop import add_products

NOW = datetime(2026, 3, 10, 2, tzinfo=UTC)
DAY = last_whole_day(NOW)
CLICK_DAYS = 7.0


@pytest.fixture
def shop(database: Database) -> Database:
    """A shop of two categories that are viewed alike each day, and of a page with a steady response."""
    add_products(database, "tea", "coffee", category="Drinks")
    add_products(database, "cup", category="Cups")
    for day in range(DAY - REFERENCE_DAYS, DAY + 1):
        view(database, day, tea=60 + day % 5, cup=40 - day % 3)
        respond(database, day, shown=2_000, clicked=100 + day % 7)
    return database


def view(database: Database, day: int, **times: int) -> None:
    """Have products viewed so many times on a day."""
    with database.write() as connection:
        customer = connection.execute(
            customers.insert().values(registration_date=start_of(day)).returning(customers.c.customer_id)
        ).scalar_one()
        session = connection.execute(
            sessions.insert()
            .values(
                customer_id=customer, started_at=start_of(day), last_event_at=start_of(day), external_id=f"{day}{times}"
            )
            .returning(sessions.c.session_id)
        ).scalar_one()
        keys = product_keys(connection, list(times))
        rows = [
            {
                "customer_id": customer,
                "product_id": keys[name],
                "session_id": session,
                "view_time": start_of(day) + timedelta(minutes=n),
            }
            for name, count in times.items()
            for n in range(count)
        ]
        connection.execute(browsing_history.insert(), rows)


def respond(database: Database, day: int, shown: int, clicked: int) -> None:
    """Have so many recommendations shown and clicked on a day, all by one algorithm."""
    with database.write() as connection:
        for algorithm in ("", "ease"):
            cell = Cell(day, "home", "HOME", algorithm, "", "", "v1")
            numbers = MetricNumbers(counts={"shown": shown, "clicked": clicked})
            add_to_cells(connection, {cell: numbers})


def checked(database: Database, **facts: object) -> drift_checks.DriftCheck:
    return look(database, DAY, Thresholds(), CLICK_DAYS, NOW, **facts)  # type: ignore[arg-type]


def test_a_day_like_the_others_is_no_drift(shop: Database) -> None:
    check = checked(shop)
    assert [(each["kind"], each["subject"]) for each in check.tests] == [
        ("inputs", "views by category"),
        ("response", "click-through rate of algorithm ease"),
        ("response", "click-through rate of placement home"),
    ]
    assert not check.found


def test_a_response_that_falls_is_found_and_recorded(shop: Database) -> None:
    respond(shop, DAY, shown=4_000, clicked=0)
    check = checked(shop)
    assert check.found
    found = {each["subject"] for each in check.tests if each["found"]}
    assert found == {"click-through rate of algorithm ease", "click-through rate of placement home"}
    with shop.read() as connection:
        assert drift_checks.latest(connection) == check


def test_categories_that_change_are_found(shop: Database) -> None:
    view(shop, DAY, cup=900)
    [inputs] = [each for each in checked(shop).tests if each["kind"] == "inputs"]
    assert inputs["found"]
    assert (inputs["detail"], inputs["size"] > 0.2) in (("Cups", True), ("Drinks", True))


def test_a_second_look_at_the_day_replaces_the_first_and_keeps_its_training(shop: Database) -> None:
    checked(shop)
    with shop.write() as connection:
        drift_checks.set_job(connection, DAY, "job")
    assert checked(shop).job_id == "job"


def test_a_day_is_counted_once(shop: Database) -> None:
    first = input_counts.counts_by_day(shop, [DAY])
    view(shop, DAY, tea=5)
    assert input_counts.counts_by_day(shop, [DAY]) == first
    empty = input_counts.counts_by_day(shop, [DAY - 300])
    assert empty == {name: {DAY - 300: {}} for name in first}
    with shop.read() as connection:
        assert len(connection.execute(select(counts_table).where(counts_table.c.day == DAY - 300)).all()) == 3


def test_events_count_on_the_day_that_they_happened_if_they_came_then(database: Database) -> None:
    day = start_of(DAY)
    moments = [(1, day - timedelta(days=30)), (2, day + timedelta(hours=3)), (3, day + timedelta(hours=4))]
    with database.write() as connection:
        connection.execute(
            event_receipts.insert(),
            [
                {"first_sequence": 1, "received_at": day - timedelta(days=1)},
                {"first_sequence": 2, "received_at": day + timedelta(hours=3)},
                {"first_sequence": 4, "received_at": day + timedelta(days=3)},
            ],
        )
        rows = [(n, "v" if n < 3 else "purchase", at) for n, at in [*moments, (4, day + timedelta(hours=5))]]
        connection.execute(
            event_log.insert(),
            [
                {"sequence": n, "kind": kind, "occurred_at": at, "payload": b"", "event_id": str(n)}
                for n, kind, at in rows
            ],
        )
    found = input_counts.counts_by_day(database, [DAY])
    assert found[input_counts.EVENTS][DAY] == {"product_view": 1, "purchase": 1}


def test_quality_is_compared_with_the_looks_at_the_same_model(shop: Database) -> None:
    good, bad = Look(500, 0.2, 0.1, 0.005), Look(500, 0.12, 0.03, 0.005)
    assert not any(each["kind"] == "quality" for each in checked(shop, model_version="v1", quality=good).tests)
    at_training = checked(shop, model_version="v1", quality=bad, at_training=good)
    [test] = [each for each in at_training.tests if each["kind"] == "quality"]
    assert (test["found"], test["value"], test["before"]) == (True, 0.03, 0.1)
    assert at_training.quality["questions"] == 500


async def test_the_look_is_asked_for_over_grpc(shop: Database) -> None:
    settings = Settings(_env_file=None, database_url=shop.url, feedback_port=0, drain_seconds=0)
    day = last_whole_day(datetime.now(UTC))
    server = build(settings, make_agent(settings, shop))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await server.start()}") as channel:
        stub = pb_grpc.FeedbackServiceStub(channel)
        look_at = QualityLook(questions=400, quality=0.2, gain=0.1, standard_error=0.01)
        request = pb.CheckDriftRequest(day=day, model_version="v1", quality=look_at)
        check = (await stub.CheckDrift(request)).check
        assert (check.date, check.quality, check.found) == (f"{start_of(day):%Y-%m-%d}", look_at, False)
        for bad in (day + 1, 0):
            with pytest.raises(grpc.aio.AioRpcError, match="day"):
                await stub.CheckDrift(pb.CheckDriftRequest(day=bad))
    await server.stop()
