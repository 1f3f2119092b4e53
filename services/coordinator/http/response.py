"""An answer on its way to the web server."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

Send = Callable[[Any], Awaitable[None]]

JSON = "application/json"
WRITE_SECONDS = 30.0
"""Seconds within which a client must take the next piece of an answer."""


@dataclass
class Response:
    """An answer.

    Parameters
    ----------
    status : int
        HTTP status.
    body : bytes or async iterator of bytes
        The body, or its pieces as they come.
    content_type : str
        Media type of the body; empty for an answer without one.
    headers : list of (str, str)
        Further headers.
    """

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    content_type: str = JSON
    headers: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def of_json(cls, value: Any, status: int = 200) -> "Response":
        """Return an answer with a value as JSON."""
        return cls(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())

    @classmethod
    def empty(cls) -> "Response":
        """Return an answer without a body: 204."""
        return cls(204, b"", "")

    async def send(self, send: Send) -> None:
        """Send the answer. Raises TimeoutError when the client does not take it."""
        await _in_time(send, {"type": "http.response.start", "status": self.status, "headers": self._raw_headers()})
        if isinstance(self.body, bytes):
            await _in_time(send, {"type": "http.response.body", "body": self.body})
            return
        async with aclosing(self.body):  # type: ignore[type-var]
            async for piece in self.body:
                await _in_time(send, {"type": "http.response.body", "body": piece, "more_body": True})
        await _in_time(send, {"type": "http.response.body", "body": b""})

    def _raw_headers(self) -> list[tuple[bytes, bytes]]:
        headers = list(self.headers)
        if self.content_type:
            headers.append(("content-type", self.content_type))
        if isinstance(self.body, bytes) and self.status != 204:
            headers.append(("content-length", str(len(self.body))))
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _in_time(send: Send, message: Any) -> None:
    async with asyncio.timeout(WRITE_SECONDS):
        await send(message)
