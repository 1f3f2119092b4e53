"""Calls to the servicers of this process through the interceptors of its gRPC server, for another way in such as HTTP.

What an interceptor does for gRPC (keys, limits, metrics, errors, request ids) it does for these calls by the same code.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, NamedTuple, NoReturn

import grpc
from google.rpc import status_pb2

from shared.rpc.status import DETAILS_KEY

Metadata = Sequence[tuple[str, str]]
Continuation = Callable[["CallDetails"], Awaitable[Any]]


class CallDetails(NamedTuple):
    """What an interceptor sees of a call, as `grpc.HandlerCallDetails`."""

    method: str
    invocation_metadata: Metadata


class CallFailed(Exception):
    """A call that ended with a status other than OK.

    Parameters
    ----------
    code : grpc.StatusCode
        The status.
    message : str
        What is wrong, for people.
    status : google.rpc.Status
        The details that the servicer or an interceptor gave; empty when it gave none.
    """

    def __init__(self, code: grpc.StatusCode, message: str, status: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or status_pb2.Status(code=code.value[0], message=message)


class InProcessContext:
    """What a servicer and its interceptors ask of a call, as `grpc.aio.ServicerContext`.

    Parameters
    ----------
    metadata : sequence of (str, str)
        Keys are in small letters, as gRPC has them.
    timeout_seconds : float or None
        Seconds until the caller gives up; None is never.
    peer : str
        Address of the caller.
    """

    def __init__(self, metadata: Metadata, timeout_seconds: float | None = None, peer: str = "") -> None:
        self._metadata = tuple(metadata)
        self._peer = peer
        self.until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailing: Sequence[tuple[str, Any]] = ()

    def invocation_metadata(self) -> Metadata:
        """Return the metadata of the call."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Return the seconds until the caller gives up; None when it waits without a limit."""
        return None if self.until is None else max(0.0, self.until - time.monotonic())

    def peer(self) -> str:
        """Return the address of the caller, such as `http:127.0.0.1:4711`."""
        return self._peer

    def auth_context(self) -> dict[str, Sequence[bytes]]:
        """Return what TLS knows of the caller: nothing here."""
        return {}

    async def send_initial_metadata(self, metadata: Metadata) -> None:
        """Do nothing: another way in has its own headers."""

    def code(self) -> grpc.StatusCode | None:
        """Return the status that was set."""
        return self._code

    def details(self) -> str:
        """Return the message that was set."""
        return self._details

    def trailing_metadata(self) -> Sequence[tuple[str, Any]]:
        """Return the trailing metadata that were set."""
        return self._trailing

    def set_code(self, code: grpc.StatusCode) -> None:
        """Set the status without ending the call."""
        self._code = code

    def set_details(self, details: str) -> None:
        """Set the message without ending the call."""
        self._details = details

    def set_trailing_metadata(self, metadata: Sequence[tuple[str, Any]]) -> None:
        """Set the trailing metadata."""
        self._trailing = metadata

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Sequence[tuple[str, Any]] = ()
    ) -> NoReturn:
        """End the call with a status. Raises grpc.aio.AbortError."""
        self._code, self._details = code, details
        self._trailing = tuple(trailing_metadata) or self._trailing
        raise grpc.aio.AbortError(details)

    def failure(self) -> CallFailed:
        """Return the error that the call was ended with."""
        return CallFailed(self._code or grpc.StatusCode.UNKNOWN, self._details, _status_of(self._trailing))


class InProcessCalls:
    """Begins calls: finds the method behind the interceptors, which see it before its request is read.

    Parameters
    ----------
    register : sequence of callables
        The generated `add_…Servicer_to_server` functions, each bound to its servicer.
    interceptors : sequence of grpc.aio.ServerInterceptor
        Those of the gRPC server, the outermost first.
    """

    def __init__(
        self, register: Sequence[Callable[[Any], None]], interceptors: Sequence[grpc.aio.ServerInterceptor]
    ) -> None:
        self._handlers = _Handlers()
        for each in register:
            each(self._handlers)
        chain: Continuation = self._handlers.find
        for interceptor in reversed(interceptors):
            chain = partial(interceptor.intercept_service, chain)  # type: ignore[arg-type]
        self._chain = chain

    async def begin(self, method: str, context: InProcessContext) -> "InProcessCall":
        """Return a call that the interceptors let begin, before its request is read.

        Raises
        ------
        CallFailed
            If an interceptor refused the call, or there is no such method.
        """
        async with _Ended(context):
            handler = await self._chain(CallDetails(method, context.invocation_metadata()))
        if handler is None:
            raise CallFailed(grpc.StatusCode.UNIMPLEMENTED, f"there is no method {method}")
        if self._handlers.shape_of(method) != _shape(handler):  # an interceptor refuses without reading a request
            await _refused(handler, context)
        return InProcessCall(handler, context)


class InProcessCall:
    """A call that has begun; it is made once, by `unary` or by `stream`, whichever the method is."""

    def __init__(self, handler: Any, context: InProcessContext) -> None:
        self._handler = handler
        self._context = context

    async def unary(self, request: Any, response_type: Any) -> Any:
        """Return the one answer; `request` is a message, or an iterator for a method that takes a stream.

        Raises
        ------
        CallFailed
            If the call ended with another status than OK, DEADLINE_EXCEEDED included.
        """
        async with _Ended(self._context):
            answer = await _behaviour(self._handler)(request, self._context)
        return response_type.FromString(answer) if isinstance(answer, bytes) else answer

    async def stream(self, request: Any) -> AsyncIterator[Any]:
        """Yield the answers of a method. Raises CallFailed as `unary` does, also after some answers."""
        async with _Ended(self._context), aclosing(_behaviour(self._handler)(request, self._context)) as answers:
            async for answer in answers:
                yield answer


def _shape(handler: Any) -> tuple[bool, bool]:
    """Return whether requests and answers of a handler are streams."""
    return bool(handler.request_streaming), bool(handler.response_streaming)


def _behaviour(handler: Any) -> Any:
    kinds = {
        (False, False): handler.unary_unary,
        (False, True): handler.unary_stream,
        (True, False): handler.stream_unary,
        (True, True): handler.stream_stream,
    }
    return kinds[_shape(handler)]


async def _refused(handler: Any, context: InProcessContext) -> NoReturn:
    """Run a handler that only refuses. Raises the CallFailed that it ends with."""
    async with _Ended(context):
        refusing = _behaviour(handler)(None, context)
        if hasattr(refusing, "__aiter__"):
            await anext(refusing, None)
        else:
            await refusing
    raise CallFailed(grpc.StatusCode.INTERNAL, "the call was refused without a status")


class _Handlers:
    """What the generated code registers at a server: the handler of each method by its path."""

    def __init__(self) -> None:
        self._by_path: dict[str, Any] = {}

    def add_generic_rpc_handlers(self, _handlers: Any) -> None:
        """Do nothing: the same handlers are registered by name as well."""

    def add_registered_method_handlers(self, service: str, handlers: dict[str, Any]) -> None:
        self._by_path |= {f"/{service}/{name}": handler for name, handler in handlers.items()}

    async def find(self, details: CallDetails) -> Any:
        return self._by_path.get(details.method)

    def shape_of(self, method: str) -> tuple[bool, bool] | None:
        """Return whether requests and answers of a method are streams; None when there is no such method."""
        handler = self._by_path.get(method)
        return None if handler is None else _shape(handler)


class _Ended:
    """Ends what is done within it at the deadline of the call, and raises how the call ended as CallFailed."""

    def __init__(self, context: InProcessContext) -> None:
        self._context = context
        self._timeout = asyncio.timeout(context.time_remaining())

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise CallFailed(grpc.StatusCode.DEADLINE_EXCEEDED, "the deadline of the call has passed") from late
        if isinstance(error, grpc.aio.AbortError):
            raise self._context.failure() from error
        if error is None and self._context.code() not in (None, grpc.StatusCode.OK):
            raise self._context.failure()


def _status_of(trailing: Sequence[tuple[str, Any]]) -> Any:
    """Return the `google.rpc.Status` among trailing metadata; None without one."""
    return next((status_pb2.Status.FromString(value) for key, value in trailing if key == DETAILS_KEY), None)
