"""The web server beside the gRPC server, in the same process and on the same event loop."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from services.coordinator.http.app import HttpApp, Part
from services.coordinator.http.bindings import bindings_of
from services.coordinator.http.cors import Cors
from services.coordinator.http.docs_page import DocsPage
from services.coordinator.http.plain_calls import PlainCalls
from services.coordinator.http.protocol import BoundedProtocol
from services.coordinator.http.transcoder import Transcoder
from shared.config import Settings
from shared.errors import FailedPrecondition
from shared.rpc.in_process import InProcessCalls

SERVICE = pb.DESCRIPTOR.services_by_name["CoordinatorService"]
KEEP_ALIVE_SECONDS = 75
BACKLOG = 512

log = structlog.get_logger()


def build_app(settings: Settings, calls: InProcessCalls) -> HttpApp:
    """Return the application on the servicers behind `calls`."""
    parts: list[Part] = [
        PlainCalls(calls, settings.http_visitor_cookie_days),
        Transcoder(bindings_of(SERVICE), calls),
        DocsPage(),
    ]
    return HttpApp(parts, Cors(settings.allowed_origins()))


class HttpServer:
    """Serves an application; `port` is the one it is bound to, once started.

    Parameters
    ----------
    app : HttpApp
        What answers.
    host : str
        Address to bind to.
    port : int
        Port to bind to; 0 takes a free one.
    drain_seconds : float
        Seconds that requests in progress get when it stops.
    tls : ssl.SSLContext, optional
        Certificate and key; without it the server speaks plain HTTP.
    """

    def __init__(
        self, app: HttpApp, host: str, port: int, drain_seconds: float, tls: ssl.SSLContext | None = None
    ) -> None:
        self._address = (host, port)
        self._server = _Server(_config(app, drain_seconds, tls))
        self._task: asyncio.Task[None] | None = None
        self.port = 0

    async def start(self) -> int:
        """Bind, serve and return the port. Raises FailedPrecondition when the port is taken."""
        listening = _bound(*self._address)
        self.port = listening.getsockname()[1]
        self._task = asyncio.create_task(self._server.serve([listening]))
        log.info("serving http", port=self.port)
        return self.port

    async def stop(self) -> None:
        """Accept no more connections, let requests in progress end, and close."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _config(app: HttpApp, drain_seconds: float, tls: ssl.SSLContext | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what clients do wrong is counted, not logged
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(drain_seconds)),
        backlog=BACKLOG,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)  # who connects from now on is answered once the event loop serves
    except OSError as error:
        listening.close()
        raise FailedPrecondition(f"HTTP port {port} is taken (QUINTET_HTTP_PORT): {error}") from error
    return listening
