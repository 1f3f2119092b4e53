"""What every server does around every call: request id, deadline, error status, metrics, one log line."""

import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import grpc
import structlog

from shared.errors import QuintetError
from shared.rpc.status import DETAILS_KEY, to_status
from shared.telemetry import RPC_IN_PROGRESS, RPC_SECONDS, request_id

deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""Moment on the monotonic clock by which the caller wants its answer; calls to other agents inherit it."""

log = structlog.get_logger()
QUIET_SERVICES = ("/grpc.health.v1.", "/grpc.reflection.")


class EdgeInterceptor(grpc.aio.ServerInterceptor):
    """Answer a raised QuintetError with its status; anything else is a bug: logged with its trace, said as INTERNAL."""

    def __init__(self, agent: str) -> None:
        self._agent = agent

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or method.startswith(QUIET_SERVICES):
            return handler
        if handler.response_streaming:
            return self._streaming(handler, method)
        return self._unary(handler, method)

    def _unary(self, handler: Any, method: str) -> Any:
        behaviour = handler.stream_unary if handler.request_streaming else handler.unary_unary
        make = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        )

        async def call(request: Any, context: Any) -> Any:
            async with self._around(method, context):
                return await behaviour(request, context)

        return make(call, handler.request_deserializer, handler.response_serializer)

    def _streaming(self, handler: Any, method: str) -> Any:
        behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )

        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            async with self._around(method, context):
                async for response in behaviour(request, context):
                    yield response

        return make(call, handler.request_deserializer, handler.response_serializer)

    @asynccontextmanager
    async def _around(self, method: str, context: Any) -> AsyncIterator[None]:
        started = time.perf_counter()
        _adopt(context)
        code = grpc.StatusCode.OK
        RPC_IN_PROGRESS.labels(self._agent).inc()
        try:
            yield
        except QuintetError as error:
            code = error.code
            log.info("call refused", method=method, code=code.name, error=error.message)
            await _abort(context, error)
        except grpc.aio.AbortError:
            code = context.code() or grpc.StatusCode.UNKNOWN
            raise
        except Exception:  # the caller is told where to look, not what a stack trace would give away
            code = grpc.StatusCode.INTERNAL
            log.exception("call failed", method=method)
            await context.abort(code, f"internal error, see the log of {self._agent} for request {request_id.get()}")
        finally:
            seconds = time.perf_counter() - started
            RPC_IN_PROGRESS.labels(self._agent).dec()
            RPC_SECONDS.labels(self._agent, method, code.name).observe(seconds)
            log.debug("call", method=method, code=code.name, milliseconds=round(seconds * 1000, 2))


def _adopt(context: Any) -> None:
    """Take over the caller's request id and deadline for this call and the calls it makes."""
    given = next((value for key, value in context.invocation_metadata() or () if key == "x-request-id"), "")
    request_id.set(given if isinstance(given, str) and 0 < len(given) <= 64 else uuid.uuid4().hex)
    remaining = context.time_remaining()
    deadline.set(None if remaining is None else time.monotonic() + remaining)


async def _abort(context: Any, error: QuintetError) -> None:
    await context.abort(error.code, error.message, ((DETAILS_KEY, to_status(error).SerializeToString()),))
