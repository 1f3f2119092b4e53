"""HTTP requests of tests: one connection each, answers whole."""

import asyncio
import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

TIMEOUT_SECONDS = 30


class Answer(NamedTuple):
    """Status, headers in small letters, and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


def request(
    port: int, verb: str, path: str, body: Any = None, tls: ssl.SSLContext | None = None, **headers: str
) -> Answer:
    """Return the answer of 127.0.0.1:`port`, by TLS where it is given.

    `body` is bytes, or a value that is sent as JSON; headers are given with `_` for `-`.
    """
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("content-type", "application/json")
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS, context=tls)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    )
    try:
        connection.request(verb, path, body, sent)
        answer = connection.getresponse()
        return Answer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class HttpClient:
    """Sends requests to a port without blocking the event loop that answers them."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.port = port
        self._tls = tls

    async def __call__(self, verb: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Return the answer, as `request` does."""
        return await asyncio.to_thread(request, self.port, verb, path, body, self._tls, **headers)
