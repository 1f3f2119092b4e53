"""What every server does around every call: admission, request id, deadline, error status, metrics, one log line."""

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextvars import ContextVar
from typing import Any, NamedTuple

import grpc
import structlog
from google.protobuf.message import Message
from prometheus_client import Histogram

from shared.errors import InvalidArgument, QuintetError, UnknownMethod
from shared.lease import LEASE_KEY, Lease, working_for
from shared.rpc.guard import Guard, caller, check_request
from shared.rpc.peers import check_peer
from shared.rpc.requests import readable, reading
from shared.rpc.rights import CHANGES
from shared.rpc.status import DETAILS_KEY, to_status
from shared.telemetry import CALLS_REFUSED, RPC_IN_PROGRESS, RPC_SECONDS, request_id
from shared.tracing import end_span, start_server_span

DO_NOT_REPEAT = ("grpc-retry-pushback-ms", "-1")
"""Tells a client's gRPC, which repeats some methods by itself, to pass the error on (gRFC A6)."""
LEAST_TO_REPEAT_SECONDS = 0.5
"""With less left of its deadline a repeated call would end without an answer, not even with this one."""
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
"""Moment on the monotonic clock by which the caller wants its answer; calls to other agents inherit it."""

log = structlog.get_logger()
_KEY = re.compile(r"\[(?!\d+\]).*?\](?=\.|$)")
UNKNOWN_METHOD = "unknown"
"""Label of all methods that do not exist: callers choose their names, and metrics must stay few."""
HEALTH = "/grpc.health.v1."
"""Whoever reaches a server may ask whether it serves, however busy it is."""
REFLECTION = "/grpc.reflection."


class EdgeInterceptor(grpc.aio.ServerInterceptor):
    """Answer a raised QuintetError with its status; anything else is a bug: logged with its trace, said as INTERNAL.

    A unary method may return bytes: an answer in its own wire format, passed on from another agent as it came.
    """

    def __init__(
        self, agent: str, *, log_calls: bool = False, guard: Guard | None = None, peers: frozenset[str] = frozenset()
    ) -> None:
        self._edge = _Edge(agent, log_calls, peers)
        self._guard = guard or Guard()
        self._handlers: dict[str, Any] = {}

    def log_calls(self, *, on: bool) -> None:
        """Log a line for each call from now on, or none any more."""
        self._edge.log_calls = on

    async def intercept_service(
        self,
        continuation: "Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]]",
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        method = handler_call_details.method
        handler = self._handlers.get(method)
        if handler is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return self._refusal(UNKNOWN_METHOD, _no_such(method))
            if method.startswith(HEALTH):
                return handler
            handler = self._handlers.setdefault(method, self._around(handler, method))
        try:
            leave = await self._guard.admit(method, handler_call_details.invocation_metadata)
        except QuintetError as error:
            CALLS_REFUSED.labels(self._edge.agent, error.reason_name).inc()
            return self._refusal(method, error)
        _at_the_end_of_the_call(leave)
        return handler

    def _around(self, handler: Any, method: str) -> Any:
        if method.startswith(REFLECTION):
            return handler
        return self._streaming(handler, method) if handler.response_streaming else self._unary(handler, method)

    def _unary(self, handler: Any, method: str) -> Any:
        behaviour = handler.stream_unary if handler.request_streaming else handler.unary_unary
        make = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else grpc.unary_unary_rpc_method_handler
        )
        serializer = handler.response_serializer

        async def call(request: Any, context: Any) -> Any:
            async with _Around(self._edge, method, context):
                return await behaviour(_checked(readable(request), method), context)

        def serialize(response: Any) -> bytes:
            return response if isinstance(response, bytes) else serializer(response)

        return make(call, reading(handler.request_deserializer, method), serialize)

    def _streaming(self, handler: Any, method: str) -> Any:
        behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
        make = (
            grpc.stream_stream_rpc_method_handler if handler.request_streaming else grpc.unary_stream_rpc_method_handler
        )

        async def call(request: Any, context: Any) -> AsyncIterator[Any]:
            async with _Around(self._edge, method, context):
                async for response in behaviour(_checked(readable(request), method), context):
                    yield response

        return make(call, reading(handler.request_deserializer, method), handler.response_serializer)

    def _refusal(self, method: str, error: QuintetError) -> Any:
        """Return a handler that answers with `error`. It streams, so that not even one message is read."""

        async def refuse(_requests: Any, context: Any) -> None:
            async with _Around(self._edge, method, context):
                raise error

        async def refuse_stream(requests: Any, context: Any) -> AsyncIterator[Any]:
            nothing: tuple[bytes, ...] = ()
            for each in nothing:  # what makes this a stream
                yield each
            await refuse(requests, context)

        return _Refusal(True, True, None, None, None, None, refuse, refuse_stream)


class _Refusal(NamedTuple):
    """A `grpc.RpcMethodHandler` that calls in this process can use for one answer as well as for a stream of them."""

    request_streaming: bool
    response_streaming: bool
    request_deserializer: None
    response_serializer: None
    unary_unary: None
    unary_stream: None
    stream_unary: Any
    stream_stream: Any


def _no_such(method: str) -> UnknownMethod:
    return UnknownMethod(f"there is no method {method}", metadata={"method": method})


def _at_the_end_of_the_call(leave: Callable[[], None]) -> None:
    """Have `leave` called when the call has ended, however it does: gRPC runs each in a task of its own."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - for the type checker: gRPC runs interceptors in a task
    task.add_done_callback(lambda _: leave())


def _checked(request: Any, method: str) -> Any:
    """Return a request that its caller may make. Streams are closed to callers whose requests are looked at."""
    if isinstance(request, Message):
        check_request(method, request)
    return request


class _Edge:
    """What all calls of a server have in common. Metrics are found by their labels once: that takes microseconds."""

    def __init__(self, agent: str, log_calls: bool, peers: frozenset[str]) -> None:
        self.agent = agent
        self.peers = peers
        self.log_calls = log_calls
        self.in_progress = RPC_IN_PROGRESS.labels(agent)
        self._seconds: dict[tuple[str, grpc.StatusCode], Histogram] = {}

    def seconds(self, method: str, code: grpc.StatusCode) -> Histogram:
        """Return the histogram of the calls of a method that ended with a status."""
        known = self._seconds.get((method, code))
        if known is None:
            known = self._seconds[method, code] = RPC_SECONDS.labels(self.agent, method, code.name)
        return known


class _Around:
    """What is done before and after one call."""

    def __init__(self, edge: _Edge, method: str, context: Any) -> None:
        self._edge = edge
        self._method = method
        self._context = context
        self._started = time.perf_counter()
        self._span: Any = None

    async def __aenter__(self) -> None:
        _adopt(self._context)
        self._span = start_server_span(self._method, self._context)
        self._edge.in_progress.inc()
        if self._edge.peers:
            await self._check_peer()

    async def _check_peer(self) -> None:
        try:
            check_peer(self._context.auth_context(), self._edge.peers)
        except QuintetError as error:
            await self.__aexit__(type(error), error, None)

    async def __aexit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        code = grpc.StatusCode.UNKNOWN
        try:
            code = self._code(error)
            await self._answer(error)
        finally:
            seconds = time.perf_counter() - self._started
            self._edge.in_progress.dec()
            self._edge.seconds(self._method, code).observe(seconds)
            end_span(self._span, code)
            if self._edge.log_calls:
                log.debug("call", method=self._method, code=code.name, milliseconds=round(seconds * 1000, 2))
            if code is grpc.StatusCode.OK and self._method in CHANGES:
                log.info("changed", method=self._method, key_id=caller.get().key_id)

    def _code(self, error: BaseException | None) -> grpc.StatusCode:
        """Return the status that the caller sees: without an answer in time it is DEADLINE_EXCEEDED, whatever came."""
        remaining = self._context.time_remaining()
        if remaining is not None and remaining <= 0:
            return grpc.StatusCode.DEADLINE_EXCEEDED
        if error is None:
            return grpc.StatusCode.OK
        if isinstance(error, QuintetError):
            return error.code
        if isinstance(error, grpc.aio.AbortError):
            return self._context.code() or grpc.StatusCode.UNKNOWN
        if isinstance(error, asyncio.CancelledError | GeneratorExit):  # the caller went away
            return grpc.StatusCode.CANCELLED
        return grpc.StatusCode.INTERNAL

    async def _answer(self, error: BaseException | None) -> None:
        """End the call with the status of its error."""
        if isinstance(error, QuintetError):
            # not the message, which names values: they may be personal
            field = _without_keys(error.field)
            log.info("call refused", method=self._method, code=error.code.name, reason=error.reason_name, field=field)
            await _abort(self._context, error)
        elif isinstance(error, Exception) and not isinstance(error, grpc.aio.AbortError):
            # the caller is told where to look, not what a stack trace would give away
            log.error("call failed", method=self._method, exc_info=error)
            where = f"internal error, see the log of {self._edge.agent} for request {request_id.get()}"
            await _abort(self._context, QuintetError(where))


def _without_keys(field: str) -> str:
    """Return the path of a field without names of attributes, which are the caller's own words."""
    return _KEY.sub("[…]", field)


def _adopt(context: Any) -> None:
    """Take over the caller's request id, deadline and lease for this call and the calls it makes."""
    metadata = dict(context.invocation_metadata() or ())
    given = metadata.get("x-request-id", "")
    request_id.set(given if isinstance(given, str) and 0 < len(given) <= 64 else uuid.uuid4().hex)
    remaining = context.time_remaining()
    deadline.set(None if remaining is None else time.monotonic() + remaining)
    if lease := metadata.get(LEASE_KEY):
        working_for.set(_parse_lease(lease))


def _parse_lease(text: str) -> Lease:
    try:
        return Lease.parse(text)
    except ValueError as error:
        raise InvalidArgument(f"{LEASE_KEY}: must be a name and a number") from error


async def _abort(context: Any, error: QuintetError) -> None:
    trailing = [(DETAILS_KEY, to_status(error, request_id.get()).SerializeToString())]
    remaining = context.time_remaining()
    if remaining is not None and remaining < LEAST_TO_REPEAT_SECONDS:
        trailing.append(DO_NOT_REPEAT)
    await context.abort(error.code, error.message, tuple(trailing))
