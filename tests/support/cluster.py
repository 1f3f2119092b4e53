"""The five agents as real processes on free ports, for tests that need the whole."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc

from cli.supervisor import Supervisor
from shared.config import AGENTS, MOST_USUAL_REPLICAS, PORTS_BETWEEN_REPLICAS, Agent, Settings
from shared.rpc.client import open_coordinator

T = TypeVar("T")


def free_ports(count: int, replicas: int = 1) -> list[int]:
    """Return ports that nobody listens on now, nor on those that so many replicas would take."""
    with ExitStack() as held:
        return [_hold(held, replicas) for _ in range(count)]


def _hold(held: ExitStack, replicas: int) -> int:
    """Bind a free port and those of further replicas, and return the first."""
    while True:
        first = held.enter_context(socket.socket())
        first.bind(("127.0.0.1", 0))
        port = int(first.getsockname()[1])
        try:
            for number in range(1, replicas):
                held.enter_context(socket.socket()).bind(("127.0.0.1", port + PORTS_BETWEEN_REPLICAS * number))
        except (OSError, OverflowError):  # taken, or beyond the last port
            continue
        return port


def cluster_settings(database_url: str, **overrides: Any) -> Settings:
    """Return settings for agents on free ports that work on `database_url`, one of each and nothing to fork from."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "drain_seconds": 2.0,
        "recommendation_replicas": 1,
        "fork_agents": False,
        "http_port": 0,
    }
    for agent, port in zip(AGENTS, free_ports(len(AGENTS), MOST_USUAL_REPLICAS), strict=True):
        values |= {f"{agent}_port": port, f"{agent}_address": f"127.0.0.1:{port}", f"{agent}_metrics_port": 0}
    return Settings(**(values | overrides))


class Cluster:
    """Running agents. `log` has every line they said."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log: list[str] = []
        self._supervisor = self._new_supervisor()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="cluster", daemon=True)

    @property
    def address(self) -> str:
        """Address of the coordinator."""
        return self.settings.coordinator_address

    def start(self) -> None:
        """Start all agents and wait until they are ready."""
        self._thread.start()
        self._run(self._supervisor.start())

    def stop_agents(self) -> None:
        """Stop all agents, until `start_again`."""
        self._run(self._supervisor.stop())

    def start_again(self) -> None:
        """Start all agents that `stop_agents` stopped, and wait until they are ready."""
        self._supervisor = self._new_supervisor()
        self._run(self._supervisor.start())

    def kill(self, agent: Agent, replica: int = 0) -> None:
        """Kill an agent with SIGKILL; the supervisor starts it again."""
        os.kill(self.pid(agent, replica), signal.SIGKILL)

    def pid(self, agent: Agent, replica: int = 0) -> int:
        """Return the process id of an agent."""
        pid = self._supervisor.pid(agent, replica)
        assert pid is not None, f"{agent} is not running"
        return pid

    def wait_ready(self, agent: Agent, replica: int = 0) -> None:
        """Wait until an agent serves."""
        self._run(self._supervisor.wait_ready(agent, replica))

    def restarts(self, agent: Agent) -> int:
        """How often an agent was restarted."""
        return self._supervisor.restarts(agent)

    def stop(self) -> None:
        """Stop all agents, for good."""
        self.stop_agents()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)
        self._loop.close()

    def _new_supervisor(self) -> Supervisor:
        return Supervisor(self.settings, lambda agent, line: self.log.append(f"{agent}: {line}"))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=120)


@contextmanager
def running_cluster(database_url: str, **overrides: Any) -> Iterator[Cluster]:
    """Give running agents; on an error show what they logged."""
    cluster = Cluster(cluster_settings(database_url, **overrides))
    try:
        cluster.start()
        yield cluster
    except BaseException:
        print("\n".join(cluster.log[-200:]))
        raise
    finally:
        cluster.stop()


@contextmanager
def coordinator_stub(address: str, *, events_have_ids: bool = False) -> Iterator[pb_grpc.CoordinatorServiceStub]:
    """Give a stub of the coordinator, with the key and the certificates of the environment."""
    with open_coordinator(Settings(), address, events_have_ids=events_have_ids) as channel:
        yield pb_grpc.CoordinatorServiceStub(channel)
