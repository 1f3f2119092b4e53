"""Calls of the contract over HTTP: a request becomes the message of its RPC, the answer becomes JSON."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from services.coordinator.http import codec
from services.coordinator.http.bindings import WHOLE, Binding
from services.coordinator.http.call_context import KEY_PARAMETER, context_of
from services.coordinator.http.problem import Problem
from services.coordinator.http.query import add_query, set_text
from services.coordinator.http.request import Request
from services.coordinator.http.response import Response
from services.coordinator.http.router import Route, Router
from services.coordinator.http.streaming import NDJSON, stream_response
from services.coordinator.http.uploading import Upload
from shared.rpc.in_process import InProcessCalls, InProcessContext
from shared.rpc.rights import right_of

BODY_TYPES = ("", "application/json", "text/plain")
STREAM_TYPES = (*BODY_TYPES, NDJSON)


class Transcoder:
    """Answers requests by the RPC that their verb and path are bound to.

    Parameters
    ----------
    bindings : sequence of Binding
        How RPCs are called.
    calls : InProcessCalls
        Where they are called.
    """

    def __init__(self, bindings: Sequence[Binding], calls: InProcessCalls) -> None:
        self._router = Router(bindings)
        self._calls = calls

    def verbs(self, path: str) -> list[str]:
        """Return the verbs that a path takes; none when there is no such path."""
        return self._router.verbs(path)

    async def answer(self, request: Request, request_id: str) -> Response | None:
        """Return the answer of a request; None when no RPC is bound to its verb and path.

        Raises
        ------
        Problem
            If the request is malformed.
        CallFailed
            If the call ended with another status than OK.
        """
        try:
            route = self._router.find(request.verb, request.path)
        except UnicodeDecodeError as error:
            raise Problem.of_request("PATH_MALFORMED", "the path is not UTF-8") from error
        if route is None:
            return None
        method = route.binding.method
        context = context_of(request, request_id, endless=method.client_streaming or method.server_streaming)
        if method.client_streaming:
            return await self._upload(route.binding, request, context)
        if method.server_streaming:
            return await self._stream(route, request, request_id, context)
        call = await self._calls.begin(route.binding.rpc, context)
        answer = await call.unary(await _message(route, request), route.binding.response_type)
        return await _answered(route.binding, answer)

    async def _upload(self, binding: Binding, request: Request, context: InProcessContext) -> Response:
        """Call an RPC with the lines of the body, one message each."""
        _require_type(request, STREAM_TYPES)
        _require_no_parameters(request)
        upload = Upload(request, binding.request_type)
        call = await self._calls.begin(binding.rpc, context)
        try:
            answer = await call.unary(upload.messages(), binding.response_type)
        except asyncio.CancelledError as error:
            if upload.problem is None:
                raise
            raise upload.problem from error
        return await _answered(binding, answer)

    async def _stream(self, route: Route, request: Request, request_id: str, context: InProcessContext) -> Response:
        message = await _message(route, request)
        return await stream_response(self._answers(route.binding, message, context), request, request_id)

    async def _answers(self, binding: Binding, message: Any, context: InProcessContext) -> AsyncIterator[Any]:
        """Yield the answers of an RPC that streams them. It begins where they are read: in one task."""
        call = await self._calls.begin(binding.rpc, context)
        async with aclosing(call.stream(message)) as answers:  # type: ignore[type-var]
            async for answer in answers:
                yield answer


async def _message(route: Route, request: Request) -> Any:
    """Return the request of an RPC, out of path, query and body. Raises Problem."""
    binding = route.binding
    message = binding.request_type()
    body = await request.body(right_of(binding.rpc).work.limits.bytes)
    if binding.body:
        _require_type(request, BODY_TYPES)
        await _read_body(binding, body, message)
    elif body.strip():
        raise Problem.of_request("BODY_UNEXPECTED", "this call takes no body")
    for path, text in route.variables.items():
        set_text(message, path, text)
    parameters = [each for each in request.query if each[0] != KEY_PARAMETER]
    if parameters and binding.body == WHOLE:
        raise Problem.of_request("PARAMETER_UNKNOWN", "this call takes its fields in the body", parameters[0][0][:100])
    _require_free(parameters, [*route.variables, binding.body])
    add_query(parameters, message)
    return message


async def _read_body(binding: Binding, body: bytes, message: Any) -> None:
    if binding.body == WHOLE:
        await codec.read(body or b"{}", message)
        return
    target = getattr(message, binding.body)
    target.SetInParent()
    await codec.read(body or b"{}", target, binding.body)


def _require_free(parameters: Sequence[tuple[str, str]], taken: Sequence[str]) -> None:
    """Raise Problem when a parameter names what the path or the body says."""
    for name, _ in parameters:
        if any(each and (name == each or name.startswith(f"{each}.")) for each in taken):
            raise Problem.of_request("PARAMETER_UNKNOWN", f"{name[:100]}: is in the path or the body", name[:100])


def _require_type(request: Request, types: Sequence[str]) -> None:
    if request.content_type not in types:
        detail = f"the body must be {' or '.join(each for each in types if each)}"
        raise Problem(415, "INVALID_ARGUMENT", "CONTENT_TYPE_UNSUPPORTED", detail, close=True)


def _require_no_parameters(request: Request) -> None:
    for name, _ in request.query:
        if name != KEY_PARAMETER:
            raise Problem.of_request("PARAMETER_UNKNOWN", "a stream takes no parameters", name[:100])


async def _answered(binding: Binding, answer: Any) -> Response:
    whole = getattr(answer, binding.response_body) if binding.response_body else answer
    return Response(200, await codec.write(whole))
