"""Calls within the process: through the same interceptors, ended by the same deadlines and errors as over gRPC."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from shared.errors import NotFound
from shared.rpc.in_process import CallFailed, InProcessCalls, InProcessContext
from shared.rpc.interceptor import EdgeInterceptor
from shared.telemetry import request_id

SERVICE = "/quintet.coordinator.v1.CoordinatorService"


class Servicer(pb_grpc.CoordinatorServiceServicer):
    """Answers, fails or hangs by the id that it is asked for."""

    async def GetJob(self, request: Any, context: Any) -> Any:
        if request.job_id == "unknown":
            raise NotFound.of("job", "unknown", "job_id")
        if request.job_id == "hangs":
            await asyncio.Event().wait()
        if request.job_id == "says":
            context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
            context.set_details("enough")
        answer = pb.GetJobResponse()
        answer.job.job_id = request_id.get()
        return answer.SerializeToString() if request.job_id == "bytes" else answer

    async def WatchJob(self, request: Any, context: Any) -> AsyncIterator[pb.WatchJobResponse]:
        yield pb.WatchJobResponse()
        raise NotFound.of("job", "gone", "job_id")


class Doorkeeper(grpc.aio.ServerInterceptor):
    """Lets in who has the key; refuses others by a handler that reads no request."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        if ("x-api-key", "right") in handler_call_details.invocation_metadata:
            return await continuation(handler_call_details)

        async def refuse(request: Any, context: Any) -> None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no key")

        return grpc.stream_stream_rpc_method_handler(refuse)


def calls_of(*interceptors: grpc.aio.ServerInterceptor) -> InProcessCalls:
    return InProcessCalls([partial(pb_grpc.add_CoordinatorServiceServicer_to_server, Servicer())], interceptors)


async def get(name: str, context: InProcessContext, calls: InProcessCalls | None = None) -> Any:
    calls = calls or calls_of(EdgeInterceptor("coordinator"))
    call = await calls.begin(f"{SERVICE}/GetJob", context)
    return await call.unary(pb.GetJobRequest(job_id=name), pb.GetJobResponse)


@pytest.mark.parametrize("name", ["message", "bytes"])
async def test_an_answer_comes_back_with_the_callers_request_id(name: str) -> None:
    answer = await get(name, InProcessContext([("x-request-id", "mine")]))
    assert answer.job.job_id == "mine"


async def test_an_error_keeps_its_details() -> None:
    with pytest.raises(CallFailed) as caught:
        await get("unknown", InProcessContext([]))
    bad = error_details_pb2.BadRequest()
    assert caught.value.code == grpc.StatusCode.NOT_FOUND
    assert any(detail.Unpack(bad) for detail in caught.value.status.details)
    assert bad.field_violations[0].field == "job_id"


async def test_a_status_without_an_error_ends_the_call() -> None:
    with pytest.raises(CallFailed, match="enough") as caught:
        await get("says", InProcessContext([]))
    assert caught.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_deadline_ends_the_call() -> None:
    with pytest.raises(CallFailed) as caught:
        await get("hangs", InProcessContext([], timeout_seconds=0.05))
    assert caught.value.code == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_who_cancels_is_not_told_of_a_deadline() -> None:
    task = asyncio.create_task(get("hangs", InProcessContext([], timeout_seconds=60)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_stream_may_fail_after_answers() -> None:
    call = await calls_of(EdgeInterceptor("coordinator")).begin(f"{SERVICE}/WatchJob", InProcessContext([]))
    stream = call.stream(pb.WatchJobRequest())
    await anext(stream)
    with pytest.raises(CallFailed, match="gone"):
        await anext(stream)


async def test_an_interceptor_refuses_as_it_does_over_grpc() -> None:
    calls = calls_of(Doorkeeper(), EdgeInterceptor("coordinator"))
    assert await get("message", InProcessContext([("x-api-key", "right")]), calls)
    with pytest.raises(CallFailed, match="no key") as caught:
        await calls.begin(f"{SERVICE}/GetJob", InProcessContext([("x-api-key", "wrong")]))  # before the request is read
    assert caught.value.code == grpc.StatusCode.UNAUTHENTICATED


async def test_a_method_that_is_not_there_is_said() -> None:
    with pytest.raises(CallFailed) as caught:
        await calls_of().begin(f"{SERVICE}/Nothing", InProcessContext([]))
    assert caught.value.code == grpc.StatusCode.UNIMPLEMENTED
