"""A client of one kept connection, as small as can be: what is measured is the server, not a library."""

import json
import socket
from types import TracebackType
from typing import Any, Self

TIMEOUT_SECONDS = 10.0
CHUNK_BYTES = 65_536


class KeepAlive:
    """Asks a server of this machine, one request after the other.

    Parameters
    ----------
    port : int
        Port of 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def get(self, path: str) -> Any:
        """Return the JSON of a path. Raises RuntimeError for an answer other than 200."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head, body = self._head()
        status, *lines = head.decode("latin-1").split("\r\n")
        length = next(int(line.split(":")[1]) for line in lines if line.startswith("content-length:"))
        while len(body) < length:
            body += self._more()
        if " 200 " not in status:
            raise RuntimeError(f"{path}: {status}")
        return json.loads(body)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def _head(self) -> tuple[bytes, bytes]:
        """Return the head of the answer, and what came of the body along with it."""
        found = b""
        while b"\r\n\r\n" not in found:
            found += self._more()
        head, _, body = found.partition(b"\r\n\r\n")
        return head, body

    def _more(self) -> bytes:
        more = self._socket.recv(CHUNK_BYTES)
        if not more:
            raise RuntimeError("the server closed the connection")
        return more
