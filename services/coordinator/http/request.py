"""A request as it comes from the web server: headers, query, cookies, and a body that is never read beyond a limit."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

from services.coordinator.http.problem import Problem
from shared.limits import MAX_ELEMENT_BYTES

Receive = Callable[[], Awaitable[Any]]

MOST_LINE_BYTES = MAX_ELEMENT_BYTES
"""Bytes of one line of a stream."""
MOST_PARAMETERS = 1_000
READ_SECONDS = 10.0
"""Seconds for which the next piece of a body is waited for."""
BODY_SECONDS = 30.0
"""Seconds within which a body that is not a stream must be there."""


class Request:
    """One request.

    Parameters
    ----------
    scope : mapping
        The ASGI scope.
    receive : callable
        Returns the next ASGI message of the request.
    """

    def __init__(self, scope: Any, receive: Receive) -> None:
        self._receive = receive
        self.verb: str = scope["method"]
        self.path: str = scope["raw_path"].decode("ascii")
        self.scheme: str = scope["scheme"]
        self._query: bytes = scope["query_string"]
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        client = scope.get("client")
        self.peer = f"http:{client[0]}:{client[1]}" if client else "http:"

    def header(self, name: str) -> str:
        """Return a header, empty without one; `name` is in small letters."""
        return self._headers.get(name.encode(), b"").decode("latin-1")

    @property
    def content_type(self) -> str:
        """The media type of the body, in small letters and without parameters."""
        return self.header("content-type").partition(";")[0].strip().lower()

    @cached_property
    def query(self) -> list[tuple[str, str]]:
        """The parameters of the query, in order. Raises Problem."""
        try:
            return parse_qsl(
                self._query.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=bool(self._query),
                errors="strict",
                max_num_fields=MOST_PARAMETERS,
            )
        except ValueError as error:
            raise Problem.of_request("QUERY_MALFORMED", "the query is not a list of name=value in UTF-8") from error

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies; none when the header is malformed."""
        try:
            return {name: morsel.value for name, morsel in SimpleCookie(self.header("cookie")).items()}
        except CookieError:
            return {}

    @property
    def encrypted(self) -> bool:
        """Whether the browser reached Quintet, or a proxy before it, by TLS."""
        return self.scheme == "https" or self.header("x-forwarded-proto").lower() == "https"

    async def body(self, most: int) -> bytes:
        """Return the body. Raises Problem when it is larger than `most` bytes, before it is read, or does not come."""
        self._require_plain()
        length = self.header("content-length")
        if length and int(length) > most:
            raise _too_large(most)
        pieces, size = [], 0
        try:
            async with asyncio.timeout(BODY_SECONDS):
                async for piece in self.pieces():
                    size += len(piece)
                    if size > most:
                        raise _too_large(most)
                    pieces.append(piece)
        except TimeoutError as error:
            raise _too_slow() from error
        return b"".join(pieces)

    async def lines(self, most: int = MOST_LINE_BYTES) -> AsyncIterator[bytes]:
        """Yield the lines of a body of any length, without the empty ones. Raises Problem as `body` does."""
        self._require_plain()
        rest = b""
        async for piece in self.pieces():
            *whole, rest = (rest + piece).split(b"\n")
            for line in whole:
                if len(line) > most:
                    raise _too_large(most)
                if line.strip():
                    yield line
            if len(rest) > most:
                raise _too_large(most)
        if rest.strip():
            yield rest

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes. Raises Problem when the client stops sending or goes away."""
        more = True
        while more:
            try:
                async with asyncio.timeout(READ_SECONDS):
                    message = await self._receive()
            except TimeoutError as error:
                raise _too_slow() from error
            if message["type"] == "http.disconnect":
                raise Problem(499, "CANCELLED", "CLIENT_GONE", "the client went away", close=True)
            if message.get("body"):
                yield message["body"]
            more = message.get("more_body", False)

    async def disconnected(self) -> None:
        """Return when the client has gone; to be called when the body is read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    def _require_plain(self) -> None:
        encoding = self.header("content-encoding").strip().lower()
        if encoding not in ("", "identity"):
            detail = "compressed bodies are not taken"
            raise Problem(415, "INVALID_ARGUMENT", "CONTENT_ENCODING_UNSUPPORTED", detail, close=True)


def _too_large(most: int) -> Problem:
    detail = f"a body, or a line of a stream, has at most {most} bytes"
    return Problem(413, "RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE", detail, close=True)


def _too_slow() -> Problem:
    return Problem(408, "DEADLINE_EXCEEDED", "BODY_TOO_SLOW", "the body did not come in time", close=True)
