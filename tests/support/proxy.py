"""A forwarder on loopback that can fall silent: connections stay open and accept bytes, and nothing comes back."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

BYTES = 64 * 1024


class Proxy:
    """Forwards connections to a port of this machine until `silence`, and again after `speak`."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._speaking = threading.Event()
        self._speaking.set()
        self._open: list[socket.socket] = []
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self) -> None:
        """Forward nothing from now on, of open connections and of new ones."""
        self._speaking.clear()

    def speak(self) -> None:
        """Forward again; what came meanwhile as well."""
        self._speaking.set()

    def close(self) -> None:
        """Close the port and all connections."""
        self._speaking.set()
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                inner, _ = self._listener.accept()
            except OSError:
                return
            outer = socket.create_connection(self._target)
            self._open += [inner, outer]
            for one, other in ((inner, outer), (outer, inner)):
                threading.Thread(target=self._forward, args=(one, other), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(BYTES):
                self._speaking.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Give a proxy to a port of this machine."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
