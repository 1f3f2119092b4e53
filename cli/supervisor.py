"""Run the agents as processes: ready in order, restarted when they die, stopped cleanly, logs by agent."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.agent_processes import AgentProcess, ForkServer, environment_of, start_process
from shared.config import AGENTS, PORTS_BETWEEN_REPLICAS, Agent, Settings
from shared.errors import FailedPrecondition, Unavailable
from shared.rpc.exposure import require_guarded
from shared.rpc.tls import TLS_CONNECT_MS, probe_channel

FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 3.0
"""An agent that cannot start, as its database is away, must be up within five seconds of what it waits for."""
STEADY_AFTER_SECONDS = 5.0
"""A process that lived so long served, and died of something that the next start may not meet."""
READY_TIMEOUT_SECONDS = 60.0
LOOK_MS = 50
"""Between two looks whether an agent is ready: gRPC on its own waits for seconds after a connection was refused."""
REPLICAS_SETTING = "QUINTET_RECOMMENDATION_REPLICAS"
_QUICK_RECONNECTION = [(f"grpc.{which}_reconnect_backoff_ms", LOOK_MS) for which in ("initial", "min", "max")]
_QUICK_TLS_RECONNECTION = [*_QUICK_RECONNECTION[::2], ("grpc.min_reconnect_backoff_ms", TLS_CONNECT_MS)]

Say = Callable[[Agent, str], None]
"""Takes a line an agent, or the supervisor about it, has to say."""


@dataclass
class _Child:
    agent: Agent
    settings: Settings
    process: AgentProcess | None = None
    restarts: int = 0
    watcher: asyncio.Task[None] | None = field(default=None)


class Supervisor:
    """Keeps the agents running. `say` gets every line they log."""

    def __init__(self, settings: Settings, say: Say) -> None:
        self._settings = settings.for_local_replicas()
        self._say = say
        self._children = {
            (agent, number): _Child(agent, self._settings.of_replica(agent, number))
            for agent in AGENTS
            for number in range(settings.replicas(agent))
        }
        self._forks = ForkServer(environment_of(settings)) if settings.fork_agents else None
        self._stopping = asyncio.Event()

    def restarts(self, agent: Agent, replica: int = 0) -> int:
        """Return how often an agent was restarted."""
        return self._children[agent, replica].restarts

    def pid(self, agent: Agent, replica: int = 0) -> int | None:
        """Return the process id of an agent, or None while it is down."""
        process = self._children[agent, replica].process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        """Start all agents and wait until each is ready.

        Raises FailedPrecondition when somebody listens on a port of theirs already, or they would listen beyond
        loopback without keys and TLS; Unavailable when one is not ready
        within a minute.
        """
        for (agent, replica), child in self._children.items():
            require_guarded(agent, child.settings)
            _require_free(agent, replica, child.settings)
        if self._forks is not None:
            await self._forks.start()
        for child in self._children.values():
            child.watcher = asyncio.create_task(self._keep(child))
        try:
            await asyncio.gather(*(self.wait_ready(*key) for key in self._children))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ask all agents to stop, the coordinator first, and kill those that do not. Safe to repeat."""
        self._stopping.set()
        for child in self._children.values():
            await self._end(child)
        watchers = [child.watcher for child in self._children.values() if child.watcher is not None]
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        if self._forks is not None:
            await self._forks.stop()

    async def wait_ready(self, agent: Agent, replica: int = 0, timeout_seconds: float = READY_TIMEOUT_SECONDS) -> None:
        """Wait until an agent's health is SERVING. Raises Unavailable when it is not in time."""
        until = time.monotonic() + timeout_seconds
        async with self._channel(agent, replica) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            while time.monotonic() < until:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=1.0)  # type: ignore[attr-defined]
                    if answer.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                await asyncio.sleep(LOOK_MS / 1000)
        raise Unavailable(f"{agent} is not ready after {timeout_seconds:.0f} seconds: see what it logged above")

    def _channel(self, agent: Agent, replica: int) -> grpc.aio.Channel:
        settings = self._children[agent, replica].settings
        address = f"127.0.0.1:{settings.port(agent)}"
        credentials, options = probe_channel(agent, settings.tls_files)
        if credentials is None:
            return grpc.aio.insecure_channel(address, _QUICK_RECONNECTION)
        return grpc.aio.secure_channel(address, credentials, [*_QUICK_TLS_RECONNECTION, *options])

    async def _keep(self, child: _Child) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            started = time.monotonic()
            code = await self._run_once(child)
            if self._stopping.is_set():
                return
            pause = pause_after(time.monotonic() - started, pause)
            child.restarts += 1
            self._say(child.agent, f"ended with {_ending(code)}, starting again in {pause:.1f} s")
            await asyncio.sleep(pause)

    async def _run_once(self, child: _Child) -> int:
        module, environment = f"services.{child.agent}.server", environment_of(child.settings)
        child.process = await self._forked(module, environment)
        if child.process is None:
            child.process = await start_process(module, environment)
        elif child.restarts and not self._stopping.is_set():
            self._say(child.agent, f"is forked as process {child.process.pid}")
        assert child.process.stdout is not None  # noqa: S101 - for the type checker: it is piped
        async for line in child.process.stdout:
            self._say(child.agent, line.decode(errors="replace").rstrip())
        return await child.process.wait()

    async def _forked(self, module: str, environment: dict[str, str]) -> AgentProcess | None:
        """Return a process of the fork server; None without one, which is then started for the next time."""
        if self._forks is None:
            return None
        process = await self._forks.fork(module, environment)
        if process is None and not self._stopping.is_set():
            await self._forks.start()
        return process

    async def _end(self, child: _Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(self._settings.drain_seconds + 5):
                await process.wait()
        except TimeoutError:
            self._say(child.agent, "does not stop: killed")
            process.kill()
            await process.wait()


def pause_after(lived_seconds: float, before: float) -> float:
    """Return the seconds until an agent is started again, after those `before`, 0 for none.

    They double only while one start after the other ends soon: then the machine has time for the other agents.
    """
    if lived_seconds > STEADY_AFTER_SECONDS:
        return FIRST_PAUSE_SECONDS
    return min(max(2 * before, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)


def _require_free(agent: Agent, replica: int, settings: Settings) -> None:
    """Raise FailedPrecondition where somebody listens on the agent's port, or on that of its metrics."""
    further = f" + {PORTS_BETWEEN_REPLICAS * replica}; {REPLICAS_SETTING} says how many there are" if replica else ""
    for port, name in ((settings.port(agent), "PORT"), (settings.metrics_port(agent), "METRICS_PORT")):
        if port:
            _require_free_port(port, settings.bind_host, agent, f"QUINTET_{agent.upper()}_{name}{further}")
    if agent == "coordinator" and settings.http_port:
        _require_free_port(settings.http_port, settings.bind_host, agent, "QUINTET_HTTP_PORT")


def _require_free_port(port: int, host: str, agent: Agent, variable: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise FailedPrecondition(f"port {port} of the {agent} agent is taken ({variable}): {error}") from error


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
