"""Answers that come one by one: a JSON object a line, or server-sent events for browsers."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from services.coordinator.http import codec
from services.coordinator.http.problem import Problem
from services.coordinator.http.request import Request
from services.coordinator.http.response import Response
from shared.rpc.in_process import CallFailed

NDJSON = "application/x-ndjson"
EVENT_STREAM = "text/event-stream"
QUIET_SECONDS = 15.0
"""Seconds after which an empty line shows proxies that a stream lives."""

Encode = Callable[[str, bytes], bytes]


async def stream_response(answers: AsyncIterator[Any], request: Request, request_id: str) -> Response:
    """Return an answer that streams messages. Raises CallFailed when the call ends before the first.

    What goes wrong later is the last line, `{"error": {…}}`, or the event `error`.
    """
    events = request.header("accept").partition(";")[0].strip() == EVENT_STREAM
    feed = _Feed(answers, request)
    try:
        first = await feed.next(None)
    except BaseException:
        feed.close()
        raise
    pieces = _pieces(feed, first, _as_event if events else _as_line, request_id)
    return Response(200, pieces, EVENT_STREAM if events else NDJSON, [("cache-control", "no-store")])


class _Feed:
    """The messages of a call as they come, until it ends or the client is gone.

    One task reads them all: deadlines and context variables of the call belong to it.
    """

    def __init__(self, answers: AsyncIterator[Any], request: Request) -> None:
        self._queue: asyncio.Queue[Any] = asyncio.Queue(1)
        self._reader = asyncio.create_task(self._read(answers))
        self._gone = asyncio.create_task(request.disconnected())
        self._coming: asyncio.Task[Any] | None = None

    async def next(self, patience_seconds: float | None) -> Any:
        """Return the next message; None at the end. Raises TimeoutError after a while, and what the call raised."""
        coming = self._coming = self._coming or asyncio.create_task(self._queue.get())
        await asyncio.wait({coming, self._gone}, timeout=patience_seconds, return_when=asyncio.FIRST_COMPLETED)
        if self._gone.done():
            return None
        if not coming.done():
            raise TimeoutError
        self._coming = None
        item = coming.result()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self) -> None:
        """Stop the call."""
        for task in (self._reader, self._gone, self._coming):
            if task is not None:
                task.cancel()

    async def _read(self, answers: Any) -> None:
        try:
            async with aclosing(answers):
                async for answer in answers:
                    await self._queue.put(answer)
            await self._queue.put(None)
        except Exception as error:  # it is raised where the messages are taken
            await self._queue.put(error)


async def _pieces(feed: _Feed, first: Any, encode: Encode, request_id: str) -> AsyncIterator[bytes]:
    """Yield the pieces of the body until the call ends or the client is gone."""
    try:
        message = first
        while message is not None:
            yield encode("", codec.write_now(message))
            while True:
                try:
                    message = await feed.next(QUIET_SECONDS)
                    break
                except TimeoutError:
                    yield encode("", b"")
    except CallFailed as failed:
        yield encode("error", json.dumps({"error": Problem.of_call(failed).body(request_id)}).encode())
    finally:
        feed.close()


def _as_line(_name: str, text: bytes) -> bytes:
    return text + b"\n"


def _as_event(name: str, text: bytes) -> bytes:
    if not text:
        return b":\n\n"
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + text + b"\n\n"
