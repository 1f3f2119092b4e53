"""How every agent serves: health, reflection, metrics, and a stop that loses no call."""

import asyncio
import signal
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

import grpc
import structlog
import uvloop
from grpc_health.v1 import health, health_pb2_grpc

from shared.config import Agent, Settings
from shared.errors import QuintetError
from shared.garbage import keep_out_what_is_there
from shared.limits import MAX_READ_BYTES
from shared.live_settings import LiveSettings
from shared.rpc.admission import Admission
from shared.rpc.authentication import Authenticator
from shared.rpc.exposure import require_guarded, server_files
from shared.rpc.guard import Guard
from shared.rpc.in_process import InProcessCalls
from shared.rpc.interceptor import EdgeInterceptor
from shared.rpc.own_queue import OwnQueue
from shared.rpc.peers import allowed_peers
from shared.rpc.readiness import Check, Readiness
from shared.rpc.reflection import serve_reflection
from shared.rpc.threads import ThreadsByWork
from shared.rpc.tls import server_credentials
from shared.telemetry import configure_logging, serve_metrics, set_log_level
from shared.tracing import configure_tracing, stop_tracing

READ_AHEAD_BYTES = 4 * 1024 * 1024
"""What a client may send of a stream before it is read, in place of 64 kB. While a portion of events is checked, the
next gathers: messages that are there already cost less than those that are waited for one by one."""
MOST_CALLS = 2_000
"""Calls in progress, health checks too, from which gRPC itself refuses. Admission has fewer places and says more."""
MOST_PENDING = 200
"""Calls that gRPC holds before the event loop takes them up; beyond that it ends some as CANCELLED, at twice as many
all. Admission, which follows how long calls wait there, refuses with a reason long before."""
LONGEST_WAIT_SECONDS = 2.0
"""How long a server that stops waits for a moment at which it has taken all calls up."""
CONNECTION_AGE_MS = 20_000
"""How long a connection is used. Its end loses no call, and makes a client look up the name anew: so it finds replicas
that were added meanwhile."""

LEAST_PING_INTERVAL_MS = 4_000
"""How often a client may ask whether the connection lives while nothing is sent. gRPC's own five minutes end a quiet
stream, such as `WatchJob` during a long stage, of every client that asks each ten seconds."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Service:
    """A servicer, the generated function that registers it, and its full name."""

    servicer: Any
    register: Callable[[Any, grpc.aio.Server], None]
    full_name: str


class _OneQueue:
    """A server whose methods are found when a call comes, so that all calls wait in one queue.

    Methods that are registered with gRPC beforehand each have a queue of their own, whose length nothing shows: health
    checks are answered at once while pages wait for seconds.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self.add_generic_rpc_handlers = server.add_generic_rpc_handlers

    def add_registered_method_handlers(self, _service: str, _handlers: dict[str, Any]) -> None:
        """Leave it to the generic handlers, which have the same methods."""


def server_options() -> list[tuple[str, int]]:
    """Return the options of every server: sizes, ages of connections, bounds of what waits."""
    return [
        ("grpc.max_receive_message_length", MAX_READ_BYTES),
        ("grpc.http2.lookahead_bytes", READ_AHEAD_BYTES),
        ("grpc.max_connection_age_ms", CONNECTION_AGE_MS),
        ("grpc.server.max_pending_requests", MOST_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", 2 * MOST_PENDING),
        ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_INTERVAL_MS),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.so_reuseport", 0),  # a second server on the port is a mistake to be told, not a second backend
    ]


class AgentServer:
    """A gRPC server with health and reflection; `port` is the one it is bound to, once started.

    `checks`, by name, say whether the agent can do its work (`shared/rpc/readiness.py`). Without an `authenticator`
    everybody may call.
    """

    def __init__(
        self,
        agent: Agent,
        settings: Settings,
        services: Sequence[Service],
        checks: Mapping[str, Check] | None = None,
        authenticator: Authenticator | None = None,
    ) -> None:
        self._agent = agent
        self._settings = settings
        self._health = health.aio.HealthServicer()
        self._services = services
        self._names = [service.full_name for service in services]
        self._tls = server_files(agent, settings)
        self._credentials: grpc.ServerCredentials | None = None
        self._admission = Admission(agent)
        self.guard = Guard(authenticator, self._admission, settings.rate_limit_factor)
        self.guard.admission.of_one_caller = settings.concurrency_limit_factor
        peers = allowed_peers(agent) if self._tls and agent != "coordinator" else frozenset()
        debug = settings.log_level == "debug"
        self._interceptors = [EdgeInterceptor(agent, log_calls=debug, guard=self.guard, peers=peers)]
        self._server = grpc.aio.server(
            interceptors=self._interceptors,
            maximum_concurrent_rpcs=MOST_CALLS,
            options=server_options(),
        )
        one_queue = cast(grpc.aio.Server, _OneQueue(self._server))
        for service in services:
            service.register(service.servicer, one_queue)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, one_queue)
        serve_reflection((*self._names, health.SERVICE_NAME), self._server)
        self.port = 0
        self._queue: OwnQueue | None = None
        self._readiness = Readiness(agent, self._health, self._names, checks or {})

    @property
    def settings(self) -> Settings:
        """The settings that it was started with."""
        return self._settings

    def apply(self, settings: Settings) -> None:
        """Take over those settings that may change while it serves."""
        set_log_level(settings.log_level)
        self.guard.rate_factor = settings.rate_limit_factor
        self.guard.admission.of_one_caller = settings.concurrency_limit_factor
        for each in self._interceptors:
            each.log_calls(on=settings.log_level == "debug")

    def in_process(self) -> InProcessCalls:
        """Return a way to call the services from this process, through the same interceptors."""
        return InProcessCalls([partial(each.register, each.servicer) for each in self._services], self._interceptors)

    async def start(self) -> int:
        """Bind, serve, have the health follow the checks, and return the port.

        Raises RuntimeError when the port is taken, FailedPrecondition when a certificate cannot be used.
        """
        self.port = self._bind(f"{self._settings.bind_host}:{self._settings.port(self._agent)}")
        await self._server.start()
        self._queue = OwnQueue(self._agent, self._settings.bind_host, self.port, self._settings.tls_files)
        if self._agent == "coordinator":  # what the other agents are asked was admitted here already
            self._admission.start(self._queue.seconds)
        await self._readiness.start()
        log.info("serving", port=self.port)
        return self.port

    async def stop(self) -> None:
        """Turn the health to NOT_SERVING, let calls in progress end, close. Safe to repeat."""
        await self._readiness.stop()
        await self._admission.stop()
        await self._health.enter_graceful_shutdown()
        queue, self._queue = self._queue, None
        if queue is not None:
            await queue.until_short(min(LONGEST_WAIT_SECONDS, self._settings.drain_seconds))
            await queue.close()
        await self._server.stop(self._settings.drain_seconds)
        log.info("stopped")

    def _bind(self, address: str) -> int:
        if self._tls is None:
            return self._server.add_insecure_port(address)
        self._credentials = server_credentials(self._tls)
        return self._server.add_secure_port(address, self._credentials)


class OtherServer(Protocol):
    """A server of another protocol in the process of an agent."""

    async def start(self) -> int:
        """Bind, serve and return the port. Raises FailedPrecondition when the port is taken."""
        ...

    async def stop(self) -> None:
        """Let requests in progress end, and close."""
        ...


async def serve_until_stopped(server: AgentServer, *others: OtherServer) -> None:
    """Serve until SIGTERM or SIGINT, then stop gracefully. SIGHUP has the file of live settings read again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    live = LiveSettings(server.settings, server.apply)
    loop.add_signal_handler(signal.SIGHUP, live.look_soon)
    keep_out_what_is_there()
    for each in others:
        await each.start()
    await server.start()
    following = asyncio.create_task(live.follow()) if server.settings.live_settings_file else None
    await stop.wait()
    if following is not None:
        following.cancel()
    await asyncio.gather(server.stop(), *(each.stop() for each in others))


def run(agent: Agent, main: Callable[[Settings], Any]) -> None:
    """Run an agent's `main(settings)` as this process: settings, logs and metrics first."""
    settings = Settings()
    configure_logging(settings, agent)
    try:
        require_guarded(agent, settings)
        configure_tracing(settings, agent)
        serve_metrics(settings.metrics_port(agent), settings.bind_host)
        uvloop.run(_with_threads(main(settings)))
    except QuintetError as error:
        log.error("does not start", error=error.message)
        sys.exit(1)
    finally:
        stop_tracing()


async def _with_threads(work: Coroutine[Any, Any, None]) -> None:
    asyncio.get_running_loop().set_default_executor(ThreadsByWork())
    await work
