"""Several processes of each agent on one database, as operators run them: each can be stopped and started by itself."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.config import AGENTS, Agent
from shared.rpc import probe
from tests.support.cluster import free_ports

EACH = 2
READY_SECONDS = 300.0
STOP_SECONDS = 60.0
LOOK_SECONDS = 0.1
SOURCE = Path(__file__).parents[2]
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
LAST_LINES = 40


@dataclass
class Replica:
    """A process of an agent. `source` is the folder of the code that it runs from its next start on."""

    agent: Agent
    number: int
    port: int
    environment: Mapping[str, str]
    log: Path
    source: Path = SOURCE
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What to call it, such as `feedback-1`."""
        return f"{self.agent}-{self.number}"

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def spawn(self) -> None:
        """Start the process and wait for nothing."""
        own = {f"QUINTET_{self.agent.upper()}_PORT": str(self.port)}
        paths = {"PYTHONPATH": f"{self.source}:{self.source / 'shared' / 'stubs'}"}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"services.{self.agent}.server"],
                env=os.environ | ONE_THREAD | self.environment | own | paths,
                cwd=self.source,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_ready(self) -> None:
        """Wait until it serves. Raises TimeoutError."""
        until = time.monotonic() + READY_SECONDS
        while probe.health(self.address, self.agent) != "SERVING":
            if time.monotonic() > until or self.process is None or self.process.poll() is not None:
                raise TimeoutError(f"{self.name} does not serve; it said last:\n{self.last_lines()}")
            time.sleep(LOOK_SECONDS)

    def start(self) -> None:
        """Start it and wait until it serves. Raises TimeoutError."""
        self.spawn()
        self.wait_ready()

    def stop(self) -> int:
        """Tell it to stop, wait until it has, and return its exit code; 0 where it does not run."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, whatever it does."""
        self._end(signal.SIGKILL)

    def last_lines(self) -> str:
        """Return the end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LAST_LINES:])

    def _end(self, number: signal.Signals) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(STOP_SECONDS)
        finally:
            process.kill()  # nothing where it has ended
            process.wait()


class Replicas:
    """All processes, `each` of every agent, on the database at `url`. Logs go to `folder`.

    `settings` are given to all, by the names of `Settings`.
    """

    def __init__(self, url: str, folder: Path, each: int = EACH, source: Path = SOURCE, **settings: object) -> None:
        ports = free_ports(len(AGENTS) * each)
        of = {agent: ports[place * each :][:each] for place, agent in enumerate(AGENTS)}
        environment = {f"QUINTET_{name.upper()}": str(value) for name, value in settings.items()}
        environment |= {"QUINTET_DATABASE_URL": url, "QUINTET_HTTP_PORT": "0"}
        for agent, some in of.items():
            environment[f"QUINTET_{agent.upper()}_ADDRESS"] = _target(some)
            environment[f"QUINTET_{agent.upper()}_METRICS_PORT"] = "0"
        self.every = [
            Replica(agent, number, port, environment, folder / f"{agent}-{number}.log", source)
            for agent, some in of.items()
            for number, port in enumerate(some)
        ]
        self.target = _target(of["coordinator"])
        """gRPC target of all coordinators, which are called in turn."""

    def of(self, agent: Agent) -> list[Replica]:
        """Return the processes of an agent."""
        return [each for each in self.every if each.agent == agent]

    def start(self) -> None:
        """Start all at once and wait until all serve."""
        for each in self.every:
            each.spawn()
        for each in self.every:
            each.wait_ready()

    def stop(self) -> None:
        """Stop all, coordinators first."""
        with contextlib.ExitStack() as stack:
            for each in reversed(self.every):
                stack.callback(each.stop)


@contextmanager
def running_replicas(
    url: str, folder: Path, each: int = EACH, source: Path = SOURCE, **settings: object
) -> Iterator[Replicas]:
    """Give running processes; on an error show the end of what each said."""
    replicas = Replicas(url, folder, each, source, **settings)
    try:
        replicas.start()
        yield replicas
    except BaseException:
        for one in replicas.every:
            print(f"--- {one.name}\n{one.last_lines() if one.log.exists() else ''}")
        raise
    finally:
        replicas.stop()


def _target(ports: list[int]) -> str:
    return "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
