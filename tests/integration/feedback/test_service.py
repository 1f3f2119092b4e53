"""The feedback service over gRPC, from messages to messages, and the process that serves it."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from quintet.feedback.v1 import feedback_service_pb2 as pb
from quintet.feedback.v1 import feedback_service_pb2_grpc as pb_grpc
from quintet.type.v1.event_pb2 import PageType, ProductView
from quintet.type.v1.recommendation_pb2 import ATTRIBUTION_RULE_FIRST_TOUCH as FIRST_TOUCH
from quintet.type.v1.recommendation_pb2 import ATTRIBUTION_RULE_LAST_TOUCH as LAST_TOUCH
from quintet.type.v1.recommendation_pb2 import ATTRIBUTION_RULE_LINEAR as LINEAR
from quintet.type.v1.recommendation_pb2 import ATTRIBUTION_RULE_POSITION as POSITION
from quintet.type.v1.recommendation_pb2 import (
    CREDIT_KIND_CLICK,
    CREDIT_KIND_REFUNDED,
    CREDIT_KIND_VIEW_THROUGH,
    AlgorithmWeight,
)

from services.feedback.agent import FeedbackAgent
from services.feedback.server import build, main, make_agent
from shared.algorithms import DEFAULT_WEIGHTS
from shared.config import Settings
from shared.db import event_log
from shared.db.engine import Database
from shared.db.log_consumer import Applied
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList, log_recommendations, mark_clicked, mark_shown
from shared.db.schema import products
from shared.errors import FailedPrecondition
from shared.recommendation_tokens import list_number, number_at
from shared.telemetry import RESPONSES
from tests.integration.feedback.small_shop import ANN, NOON, Log, line, open_shop, recommend
from tests.support.recommendations import list_of_one
from tests.support.tokens import next_number

SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)


@pytest_asyncio.fixture
async def stub(sqlite_database: Database) -> AsyncIterator[pb_grpc.FeedbackServiceStub]:
    """A stub of a server in this process, on a shop with two customers and five products."""
    with sqlite_database.write() as connection:
        open_shop(connection)
    settings = Settings(_env_file=None, database_url=sqlite_database.url, feedback_port=0, drain_seconds=0)
    server = build(settings, make_agent(settings, sqlite_database))
    port = await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield pb_grpc.FeedbackServiceStub(channel)
    await server.stop()


def stamp(moment: datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(moment)
    return message


def field_at_fault(error: grpc.aio.AioRpcError) -> str:
    status = rpc_status.from_call(error)
    assert status is not None
    request = error_details_pb2.BadRequest()
    assert any(detail.Unpack(request) for detail in status.details)
    return str(request.field_violations[0].field)


def weights_of(answer: pb.GetWeightsResponse | pb.UpdateWeightsResponse) -> dict[str, float]:
    return {each.algorithm: each.weight for each in answer.weights}


def weigh(**weights: float) -> pb.UpdateWeightsRequest:
    return pb.UpdateWeightsRequest(weights=[AlgorithmWeight(algorithm=k, weight=v) for k, v in weights.items()])


async def test_applying_events_says_how_far_it_got(
    stub: pb_grpc.FeedbackServiceStub, sqlite_database: Database
) -> None:
    log = Log(sqlite_database)
    for _ in range(3):
        log.buy(NOON, "o-1")
    log.record()
    first = await stub.ApplyEvents(pb.ApplyEventsRequest())
    again = await stub.ApplyEvents(pb.ApplyEventsRequest(up_to_sequence=first.applied_sequence))
    assert (first.applied, again.applied) == (3, 0)
    assert again.applied_sequence == first.applied_sequence


async def test_applying_begins_nothing_after_the_callers_deadline(
    stub: pb_grpc.FeedbackServiceStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float | None] = []

    def apply_events(_agent: FeedbackAgent, sequence: int, until: float | None = None) -> Applied:
        given.append(until)
        return Applied(sequence, 0)

    monkeypatch.setattr(FeedbackAgent, "apply_events", apply_events)
    await stub.ApplyEvents(pb.ApplyEventsRequest(up_to_sequence=1), timeout=5)
    [until] = given
    assert until is not None
    assert 0 < until - time.monotonic() < 5.1  # the wire rounds the time that is left


def responses() -> dict[str, float]:
    kinds = ("shown", "click", "purchase", "view_through")
    return {kind: RESPONSES.labels(kind)._value.get() for kind in kinds}


async def test_the_credits_of_a_purchase(stub: pb_grpc.FeedbackServiceStub, sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        clicked, seen = recommend(connection, 1), recommend(connection, 2, algorithm="content")
    log = Log(sqlite_database)
    log.see(NOON, seen)
    log.click(NOON + HOUR, clicked)
    log.buy(NOON + 2 * HOUR, "o-1", line("p1"), line("p2"), line("p3"))
    log.record()
    before = responses()
    await stub.ApplyEvents(pb.ApplyEventsRequest())
    assert responses() == {kind: count + 1 for kind, count in before.items()}, "one of each is counted"
    answer = await stub.GetAttribution(pb.GetAttributionRequest(purchase_id="o-1"))
    first, second = sorted(answer.outcomes, key=lambda each: each.product_id)
    assert (first.product_id, first.algorithm, first.click_time) == ("p1", "ease", stamp(NOON + HOUR))
    assert not first.HasField("show_time")
    (credit,) = first.credits
    others = [(each.rule, each.share, each.amount) for each in first.alternative_credits]
    assert others == [(rule, 1.0, credit.amount) for rule in (FIRST_TOUCH, LINEAR, POSITION)]
    assert (credit.rule, credit.share, credit.HasField("margin")) == (LAST_TOUCH, 1.0, False)
    assert (credit.purchase_id, credit.kind, credit.touch_time) == ("o-1", CREDIT_KIND_CLICK, stamp(NOON + HOUR))
    assert credit.amount.amount_minor > 0
    assert second.show_time == stamp(NOON)
    assert [each.kind for each in second.credits] == [CREDIT_KIND_VIEW_THROUGH]
    alone = await stub.GetAttribution(pb.GetAttributionRequest(recommendation_number=clicked))
    assert list(alone.outcomes) == [first]


async def test_all_that_came_of_a_list(stub: pb_grpc.FeedbackServiceStub, sqlite_database: Database) -> None:
    number = list_number(next_number())
    items = [
        ListItem(1, 3, 0.9, "ease", {"ease": 0.75, "content": 0.25}),
        ListItem(2, 1, 0.8, "content"),
        ListItem(3, 2, 0.7, "ease"),
    ]
    with sqlite_database.write() as connection:
        connection.execute(products.update().values(cost=40))
        new = NewList(number, "r", ANN, "CART", NOON, PackedItems.of(items), "hybrid", "v7", "cart-side")
        log_recommendations(connection, [new])
    bought, given_back = number_at(number, 2), number_at(number, 3)
    log = Log(sqlite_database)
    log.see(NOON, bought, given_back)
    log.click(NOON, bought)
    log.add(NOON + SECOND, product_view=ProductView(product_id="p1", duration_seconds=5))
    log.click(NOON, given_back, "p2")
    log.buy(NOON + HOUR, "o-1", line("p1", 100), line("p2", 100))
    log.refund(NOON + 2 * HOUR, "o-1", p2=1)
    log.respond(NOON + 2 * HOUR, given_back, "DISMISS")
    log.record()
    await stub.ApplyEvents(pb.ApplyEventsRequest())
    answer = await stub.GetAttribution(pb.GetAttributionRequest(list_number=number))
    assert (answer.list.placement_id, answer.list.page_type) == ("cart-side", PageType.PAGE_TYPE_CART)
    assert (answer.list.strategy, answer.list.model_version) == ("hybrid", "v7")
    assert answer.list.generate_time == stamp(NOON)
    assert [(each.position, each.product_id) for each in answer.outcomes] == [(1, "p3"), (2, "p1"), (3, "p2")]
    nothing, kept, back = answer.outcomes
    assert [(each.algorithm, each.contribution) for each in nothing.contributions] == [
        ("ease", 0.75),
        ("content", 0.25),
    ]
    assert not any((nothing.purchased, nothing.refunded, nothing.credits, nothing.HasField("click_grade")))
    assert (kept.purchased, kept.refunded, kept.dismissed) == (True, False, False)
    assert (kept.click_grade, kept.dwell_seconds) == (pytest.approx(0.2), 5.0)
    assert {each.margin.amount_minor for each in (*kept.credits, *kept.alternative_credits)} == {60}
    assert (back.purchased, back.refunded, back.dismissed) == (False, True, True)
    assert {each.kind for each in (*back.credits, *back.alternative_credits)} == {CREDIT_KIND_REFUNDED}


async def test_an_unknown_list_is_not_found(stub: pb_grpc.FeedbackServiceStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetAttribution(pb.GetAttributionRequest(list_number=4711))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_recommendation_without_response_has_an_outcome(
    stub: pb_grpc.FeedbackServiceStub, sqlite_database: Database
) -> None:
    with sqlite_database.write() as connection:
        number = recommend(connection, 1)
    (outcome,) = (await stub.GetAttribution(pb.GetAttributionRequest(recommendation_number=number))).outcomes
    assert outcome.product_id
    assert not outcome.credits
    assert not outcome.HasField("click_time")


async def test_an_unknown_recommendation_is_not_found(stub: pb_grpc.FeedbackServiceStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetAttribution(pb.GetAttributionRequest(recommendation_number=2**40))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_weights_are_set_once_for_each_request_and_say_why(stub: pb_grpc.FeedbackServiceStub) -> None:
    request = weigh(ease=1, content=3)
    request.reason = "spring"
    request.request_key.request_id, request.request_key.digest = "r", b"d"
    await stub.UpdateWeights(request)
    await stub.UpdateWeights(weigh(ease=1))
    again = await stub.UpdateWeights(request)
    found = await stub.GetWeights(pb.GetWeightsRequest())
    assert (weights_of(again), again.rationale) == ({"content": 0.75, "ease": 0.25}, "spring")
    assert weights_of(found) == {"ease": 1.0}


async def test_a_reset_forgets_what_was_set_by_hand(stub: pb_grpc.FeedbackServiceStub) -> None:
    await stub.UpdateWeights(weigh(ease=1))
    reset = await stub.UpdateWeights(pb.UpdateWeightsRequest(reset=True, reason="Spring is over."))
    assert weights_of(reset) == pytest.approx(DEFAULT_WEIGHTS)
    assert reset.rationale.startswith("Spring is over. Reset.")
    assert weights_of(await stub.GetWeights(pb.GetWeightsRequest())) == pytest.approx(DEFAULT_WEIGHTS)


async def test_an_unknown_purchase_is_not_found(stub: pb_grpc.FeedbackServiceStub) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.GetAttribution(pb.GetAttributionRequest(purchase_id="o-9"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "'o-9'" in str(caught.value.details())


async def test_the_performance_of_a_period(stub: pb_grpc.FeedbackServiceStub, sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        keys = [recommend(connection, 1) for _ in range(4)]
        recommend(connection, 1, at=NOON + DAY)
    log = Log(sqlite_database)
    log.see(NOON, *keys)
    log.click(NOON + HOUR, keys[0])
    log.respond(NOON + HOUR, keys[0], "ADD_TO_CART")
    log.buy(NOON + 2 * HOUR, "o-1", line("p1", 1234))
    log.record()
    await stub.ApplyEvents(pb.ApplyEventsRequest())
    period = pb.GetAlgorithmPerformanceRequest(start_time=stamp(NOON), end_time=stamp(NOON + DAY))
    (ease,) = (await stub.GetAlgorithmPerformance(period)).algorithms
    counted = (ease.algorithm, ease.generated, ease.shown, ease.clicked, ease.added_to_cart, ease.purchased)
    assert counted == ("ease", 4, 4, 1, 1, 1)
    assert ease.purchased_after_view == 0
    assert (ease.click_through_rate, ease.add_to_cart_rate, ease.conversion_rate) == (0.25, 0.25, 0.25)
    assert 0 < ease.click_through_rate_low < 0.25 < ease.click_through_rate_high < 1
    assert [(money.currency_code, money.amount_minor) for money in ease.revenue] == [("EUR", 1234)]


async def test_the_period_is_the_last_30_days_by_default(
    stub: pb_grpc.FeedbackServiceStub, sqlite_database: Database
) -> None:
    now = datetime.now(UTC)
    with sqlite_database.write() as connection:
        for days in (1, 29, 31):
            recommend(connection, 1, at=now - days * DAY)
    (recent,) = (await stub.GetAlgorithmPerformance(pb.GetAlgorithmPerformanceRequest())).algorithms
    up_to_a_week_ago = pb.GetAlgorithmPerformanceRequest(end_time=stamp(now - 7 * DAY))
    (earlier,) = (await stub.GetAlgorithmPerformance(up_to_a_week_ago)).algorithms
    assert (recent.generated, earlier.generated) == (2, 2)


async def test_weights_start_at_the_defaults(stub: pb_grpc.FeedbackServiceStub) -> None:
    answer = await stub.GetWeights(pb.GetWeightsRequest())
    assert weights_of(answer) == DEFAULT_WEIGHTS
    assert [each.weight for each in answer.weights] == sorted(DEFAULT_WEIGHTS.values(), reverse=True)
    assert not answer.HasField("update_time")


async def test_given_weights_are_in_force_at_once_relative_to_one_another(stub: pb_grpc.FeedbackServiceStub) -> None:
    updated = await stub.UpdateWeights(weigh(ease=1, content=3))
    answer = await stub.GetWeights(pb.GetWeightsRequest())
    assert weights_of(answer) == weights_of(updated) == {"content": 0.75, "ease": 0.25}
    assert answer.HasField("update_time")
    assert updated.rationale == "Set by the operator."


async def test_without_evidence_the_weights_stay_and_it_is_said(stub: pb_grpc.FeedbackServiceStub) -> None:
    updated = await stub.UpdateWeights(pb.UpdateWeightsRequest())
    answer = await stub.GetWeights(pb.GetWeightsRequest())
    assert weights_of(updated) == DEFAULT_WEIGHTS
    assert updated.rationale.startswith("Unchanged: only 0 recommendations were shown")
    assert not answer.HasField("update_time")


async def test_weights_follow_the_measured_performance(
    stub: pb_grpc.FeedbackServiceStub, sqlite_database: Database
) -> None:
    yesterday = datetime.now(UTC) - DAY
    keys = [next_number() for _ in range(2000)]
    algorithms = ["ease"] * 1000 + ["content"] * 1000
    lists = [list_of_one(key, ANN, 1, yesterday, name) for key, name in zip(keys, algorithms, strict=True)]
    with sqlite_database.write() as connection:
        log_recommendations(connection, lists)
        mark_shown(connection, dict.fromkeys(keys, yesterday))
        mark_clicked(connection, dict.fromkeys(keys[:200], yesterday))
    updated = await stub.UpdateWeights(pb.UpdateWeightsRequest())
    weights = weights_of(await stub.GetWeights(pb.GetWeightsRequest()))
    assert weights == weights_of(updated)
    assert weights["ease"] > DEFAULT_WEIGHTS["ease"]
    assert weights["content"] < DEFAULT_WEIGHTS["content"]
    assert f"ease {DEFAULT_WEIGHTS['ease']:.3f} to" in updated.rationale


@pytest.mark.parametrize(
    ("method", "request_message", "field"),
    [
        ("ApplyEvents", pb.ApplyEventsRequest(up_to_sequence=-1), "up_to_sequence"),
        ("GetAttribution", pb.GetAttributionRequest(), "purchase_id"),
        (
            "GetAlgorithmPerformance",
            pb.GetAlgorithmPerformanceRequest(start_time=stamp(NOON + HOUR), end_time=stamp(NOON)),
            "end_time",
        ),
        (
            "GetAlgorithmPerformance",
            pb.GetAlgorithmPerformanceRequest(start_time=Timestamp(seconds=10**12)),
            "start_time",
        ),
        ("UpdateWeights", weigh(ease=1, content=1, magic=1), "weights[2].algorithm"),
        ("UpdateWeights", weigh(ease=1, content=-0.5), "weights[1].weight"),
        ("UpdateWeights", weigh(ease=float("nan")), "weights[0].weight"),
        ("UpdateWeights", weigh(ease=float("inf")), "weights[0].weight"),
        ("UpdateWeights", weigh(ease=0, content=0), "weights"),
        (
            "UpdateWeights",
            pb.UpdateWeightsRequest(weights=[AlgorithmWeight(algorithm="ease", weight=1)] * 2),
            "weights[1].algorithm",
        ),
    ],
)
async def test_a_bad_request_names_its_field_and_changes_nothing(
    stub: pb_grpc.FeedbackServiceStub, method: str, request_message: object, field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub, method)(request_message)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert field_at_fault(caught.value) == field
    assert weights_of(await stub.GetWeights(pb.GetWeightsRequest())) == DEFAULT_WEIGHTS


async def test_the_process_catches_up_by_itself_and_stops_on_sigterm(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        open_shop(connection)
    log = Log(sqlite_database)
    log.buy(NOON, "o-1")
    log.record()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(_env_file=None, database_url=sqlite_database.url, feedback_port=port, drain_seconds=0)
    process = asyncio.create_task(main(settings))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = pb_grpc.FeedbackServiceStub(channel)
        await stub.GetWeights(pb.GetWeightsRequest(), wait_for_ready=True, timeout=10)
        async with asyncio.timeout(10):
            while not _applied(sqlite_database):
                await asyncio.sleep(0.01)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(process, 10)


async def test_a_database_without_schema_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match="quintet migrate"):
        await main(Settings(_env_file=None, database_url=f"sqlite:///{tmp_path / 'empty.db'}"))


def _applied(database: Database) -> int:
    with database.read() as connection:
        return event_log.cursor(connection, "feedback")
