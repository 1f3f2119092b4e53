"""A forwarder on loopback that can fall silent (connections stay open and accept bytes, and nothing comes back) or cut
connections."""

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

BYTES = 64 * 1024


class Proxy:
    """Forwards connections to a port of this machine, but between `silence` and `speak`, and `cut` and `mend`."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._speaking = threading.Event()
        self._speaking.set()
        self._whole = True
        self._open: list[socket.socket] = []
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self) -> None:
        """Forward nothing from now on, of open connections and of new ones."""
        self._speaking.clear()

    def speak(self) -> None:
        """Forward again; what came meanwhile as well."""
        self._speaking.set()

    def cut(self) -> None:
        """End all connections, and new ones at once."""
        self._whole = False
        _end(self._open)
        self._open.clear()

    def mend(self) -> None:
        """Take connections again."""
        self._whole = True

    def close(self) -> None:
        """Close the port and all connections."""
        self._speaking.set()
        _end([self._listener, *self._open])

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            outer = self._connected()
            if outer is None:
                inner.close()
                continue
            self._open += [inner, outer]
            for one, other in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._forward, args=(one, other), daemon=True).start()

    def _connected(self) -> socket.socket | None:
        """Return a connection to the target; None where it is cut off or nobody listens."""
        try:
            return socket.create_connection(self._target) if self._whole else None
        except OSError:
            return None

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(BYTES):
                self._speaking.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:  # one side is gone without a word: the other learns of it, as from its system
            _end([source, sink])


def _end(connections: Iterable[socket.socket]) -> None:
    for each in connections:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Give a proxy to a port of this machine."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
