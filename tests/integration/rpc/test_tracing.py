"""Spans of a call through two agents reach a collector as one trace, below the caller's, without personal data."""

import asyncio
from collections.abc import Iterator
from concurrent import futures
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from quintet.feedback.v1 import feedback_service_pb2 as pb
from quintet.feedback.v1 import feedback_service_pb2_grpc as pb_grpc

from shared import tracing
from shared.config import Settings
from shared.errors import NotFound
from shared.rpc.client import call, open_channel
from shared.rpc.server import AgentServer, Service

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc")
messages = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CARRIED = (("traceparent", f"00-{TRACE}-{PARENT}-01"), ("x-request-id", "req-1"))
NAME = "quintet.feedback.v1.FeedbackService"


class Collector(trace_service.TraceServiceServicer):  # type: ignore[misc,name-defined]
    """Takes spans and keeps them."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def Export(self, request: Any, context: Any) -> Any:
        self.spans += [
            span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
        ]
        return messages.ExportTraceServiceResponse()


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    servicer, server = Collector(), grpc.server(futures.ThreadPoolExecutor(1))
    trace_service.add_TraceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield servicer, f"http://127.0.0.1:{port}"
    tracing.stop_tracing()
    server.stop(None)


class Last(pb_grpc.FeedbackServiceServicer):
    """Answers by itself; knows no purchase."""

    async def GetWeights(self, request: pb.GetWeightsRequest, context: Any) -> pb.GetWeightsResponse:
        return pb.GetWeightsResponse(rationale="so")

    async def GetAttribution(self, request: pb.GetAttributionRequest, context: Any) -> pb.GetAttributionResponse:
        raise RuntimeError("a bug")


class First(pb_grpc.FeedbackServiceServicer):
    """Asks another."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    async def GetWeights(self, request: pb.GetWeightsRequest, context: Any) -> Any:
        return await call(self._stub.GetWeights, request, 5.0)

    async def GetAttribution(self, request: pb.GetAttributionRequest, context: Any) -> Any:
        return await call(self._stub.GetAttribution, request, 5.0)


@asynccontextmanager
async def serving(servicer: Any) -> Any:
    settings = Settings(_env_file=None, feedback_port=0, drain_seconds=0)
    server = AgentServer("feedback", settings, [Service(servicer, pb_grpc.add_FeedbackServiceServicer_to_server, NAME)])
    async with open_channel(f"127.0.0.1:{await server.start()}") as channel:
        yield pb_grpc.FeedbackServiceStub(channel)
    await server.stop()


@asynccontextmanager
async def chain() -> Any:
    async with serving(Last()) as last, serving(First(last)) as first:
        yield first


def attributes(span: Any) -> dict[str, Any]:
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


async def exported(collector: Collector) -> list[Any]:
    """Return the spans in the order of their begin, once the last was exported."""
    await asyncio.to_thread(tracing.stop_tracing)
    return sorted(collector.spans, key=lambda each: each.start_time_unix_nano)


async def test_a_call_through_two_agents_is_one_trace(collector: tuple[Collector, str]) -> None:
    tracing.configure_tracing(Settings(_env_file=None, otlp_endpoint=collector[1]), "feedback")
    async with chain() as stub:
        await stub.GetWeights(pb.GetWeightsRequest(), metadata=CARRIED)
    spans = await exported(collector[0])
    assert [span.name for span in spans] == [
        f"/{NAME}/GetWeights",
        "quintet.feedback.v1/GetWeights",
        f"/{NAME}/GetWeights",
    ]
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert [span.parent_span_id for span in spans] == [bytes.fromhex(PARENT), spans[0].span_id, spans[1].span_id]
    assert {attributes(span)["quintet.request_id"] for span in spans} == {"req-1"}


async def test_spans_tell_of_failures_and_nothing_of_the_request(collector: tuple[Collector, str]) -> None:
    tracing.configure_tracing(Settings(_env_file=None, otlp_endpoint=collector[1]), "feedback")
    async with chain() as stub:
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GetAttribution(pb.GetAttributionRequest(purchase_id="secret-order"))
    spans = await exported(collector[0])
    assert [attributes(span)["rpc.grpc.status_code"] for span in spans] == [13, 13, 13]
    assert {span.status.code for span in spans} == {2}
    assert "secret-order" not in str(spans)


async def test_off_nothing_is_carried(collector: tuple[Collector, str]) -> None:
    tracing.configure_tracing(Settings(_env_file=None), "feedback")
    with tracing.client_span(pb.GetWeightsRequest()) as carried:
        assert carried == ()
    async with chain() as stub:
        await stub.GetWeights(pb.GetWeightsRequest(), metadata=CARRIED)
    assert collector[0].spans == []


async def test_what_a_caller_did_not_choose_is_sampled(collector: tuple[Collector, str]) -> None:
    settings = Settings(_env_file=None, otlp_endpoint=collector[1], otlp_sample_share=0.0)
    tracing.configure_tracing(settings, "feedback")
    async with chain() as stub:
        await stub.GetWeights(pb.GetWeightsRequest())
        await stub.GetWeights(pb.GetWeightsRequest(), metadata=CARRIED)
    assert len(await exported(collector[0])) == 3


def test_an_expected_error_is_no_failure() -> None:
    assert NotFound("x").code not in tracing.FAILED
