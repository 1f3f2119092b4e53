"""The HTTP/1.1 of one connection, with bounds that uvicorn leaves open: the head of a request in size and time."""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.coordinator.http.problem import MEDIA_TYPE, Problem

MOST_HEAD_BYTES = 32 * 1024
"""Bytes of the first line and the headers together."""
HEAD_SECONDS = 10.0
"""Seconds from the beginning of a connection or a request until its headers are complete."""
MOST_CONNECTIONS = 2_000


class BoundedProtocol(HttpToolsProtocol):
    """Closes connections that send their headers too slowly or without end, and those that are too many."""

    _head_timer: asyncio.TimerHandle | None = None
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.close()
        else:
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(_HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._arm()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._count(len(name) + len(value))

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._disarm()
        self.scope["state"]["abort"] = self.transport.abort
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP; the parser's own words are for logs."""
        too_large = self._head_bytes > MOST_HEAD_BYTES
        self._refuse(_HEAD_TOO_LARGE if too_large else _MALFORMED)

    def timeout_keep_alive_handler(self) -> None:
        if self.transport.get_write_buffer_size():  # the client does not take the answer
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def _count(self, size: int) -> None:
        """Count what the parser has found. Raises ValueError, which ends the parsing, beyond the limit."""
        self._head_bytes += size
        if self._head_bytes > MOST_HEAD_BYTES:
            raise ValueError("the head of the request is too large")

    def _arm(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._late)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _late(self) -> None:
        self._head_timer = None
        self._refuse(_HEAD_TOO_SLOW)

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application and close."""
        self._disarm()
        if self.transport.is_closing():
            return
        body = problem.to_json("")
        head = (
            f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}\r\ncontent-type: {MEDIA_TYPE}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


def _problem(status: int, reason: str, detail: str) -> Any:
    return Problem(status, "INVALID_ARGUMENT", reason, detail)


_HEAD_TOO_LARGE = _problem(431, "HEADERS_TOO_LARGE", f"path and headers have at most {MOST_HEAD_BYTES} bytes together")
_HEAD_TOO_SLOW = _problem(408, "HEADERS_TOO_SLOW", f"the headers must be there within {HEAD_SECONDS:g} seconds")
_MALFORMED = _problem(400, "HTTP_MALFORMED", "this is not an HTTP/1.1 request")
