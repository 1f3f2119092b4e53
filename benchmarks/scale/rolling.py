"""`python -m benchmarks.scale.rolling`: calls that fail while every process is replaced, one after the other.

Two replicas of each agent run as processes of their own. Callers ask for pages and record events all the time, over
both coordinators. Each process is told to stop, ends by itself and is started again; the next follows when it is
ready. With `--release-before REVISION` the processes run that revision of the source at first, so what is measured is
an upgrade, on a schema that is migrated beforehand.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1 import coordinator_service_pb2_grpc as pb_grpc
from quintet.type.v1.event_pb2 import Event, ProductView

from benchmarks.scale.kept import keep
from benchmarks.scale.load import make_shop
from shared.config import AGENTS, Agent
from shared.rpc import probe
from shared.rpc.client import channel_options
from tests.e2e import small_shop
from tests.support.cluster import free_ports

REPLICAS = 2
CALLERS = 4
READY_SECONDS = 60.0
CALL_SECONDS = 5.0
ORDER: tuple[Agent, ...] = ("recommendation", "product", "customer", "feedback", "coordinator")
"""Coordinators last: they call what the newer agents offer."""
ROOT = Path(__file__).parents[2]


@dataclass
class Replica:
    """A process of an agent; `source` is the folder of the code that it runs."""

    agent: Agent
    port: int
    environment: dict[str, str]
    source: Path
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it is ready. Raises TimeoutError."""
        paths = {"PYTHONPATH": f"{self.source}:{self.source / 'shared' / 'stubs'}"}
        own = {f"QUINTET_{self.agent.upper()}_PORT": str(self.port)}
        command = [sys.executable, "-m", f"services.{self.agent}.server"]
        self.process = subprocess.Popen(
            command, env=os.environ | self.environment | own | paths, cwd=self.source, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + READY_SECONDS
        while probe.health(self.address, self.agent) != "SERVING":
            if time.monotonic() > until:
                raise TimeoutError(f"{self.agent} at {self.address} is not ready")
            time.sleep(0.1)

    def stop(self) -> None:
        """Tell it to stop and wait until it has. Safe to repeat."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(READY_SECONDS)
            self.process = None


class Callers:
    """Threads that call all the time, and what came of their calls, by status."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self.outcomes: Counter[str] = Counter()
        self._target = "ipv4:" + ",".join(addresses)
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        self._threads = [threading.Thread(target=self._call_on, args=(number,)) for number in range(CALLERS)]

    def __enter__(self) -> "Callers":
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for each in self._threads:
            each.join()

    @property
    def failed(self) -> int:
        """Number of calls that did not end well."""
        return sum(count for name, count in self.outcomes.items() if name != "OK")

    def _call_on(self, number: int) -> None:
        product = small_shop.products(small_shop.seeded())[number].product_id
        shopper = f"shopper-{number % small_shop.CUSTOMERS}"
        page = pb.GetRecommendationsRequest(customer_id=shopper, limit=10)
        viewed = pb.RecordEventRequest(event=Event(customer_id=shopper, product_view=ProductView(product_id=product)))
        with grpc.insecure_channel(self._target, channel_options()) as channel:
            stub = pb_grpc.CoordinatorServiceStub(channel)
            while not self._stopping.is_set():
                self._note(stub.GetRecommendations, page)
                self._note(stub.RecordEvent, viewed)

    def _note(self, method: Callable[..., object], request: object) -> None:
        try:
            method(request, timeout=CALL_SECONDS)
            outcome = "OK"
        except grpc.RpcError as error:
            outcome = error.code().name
        with self._guard:
            self.outcomes[outcome] += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the figures with `--keep`; return the exit code, 1 where calls failed."""
    given = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        before = stack.enter_context(_source_of(given.release_before)) if given.release_before else ROOT
        outcomes = _replace_all(make_shop(Path(folder)), before)
    failed = sum(count for name, count in outcomes.items() if name != "OK")
    name = "upgrade" if given.release_before else "drain"
    figures = {f"{name}.failed_calls": failed, f"{name}.calls": outcomes.total()}
    print(json.dumps(figures | {"outcomes": dict(outcomes)}, indent=1))
    if given.keep:
        keep(figures)
    return 1 if failed else 0


def _replace_all(url: str, before: Path) -> Counter[str]:
    replicas = _replicas(url, before)
    try:
        for each in reversed(replicas):  # the agents before the coordinators
            each.start()
        with Callers([each.address for each in replicas if each.agent == "coordinator"]) as callers:
            for each in sorted(replicas, key=lambda replica: ORDER.index(replica.agent)):
                each.stop()
                each.source = ROOT
                each.start()
        return callers.outcomes
    finally:
        for each in replicas:
            each.stop()


def _replicas(url: str, source: Path) -> list[Replica]:
    ports = {agent: free_ports(REPLICAS) for agent in AGENTS}
    environment = {"QUINTET_DATABASE_URL": url, "QUINTET_HTTP_PORT": "0"}
    for agent, some in ports.items():
        environment[f"QUINTET_{agent.upper()}_ADDRESS"] = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in some)
        environment[f"QUINTET_{agent.upper()}_METRICS_PORT"] = "0"
    return [Replica(agent, port, environment, source) for agent, some in ports.items() for port in some]


@contextmanager
def _source_of(revision: str) -> Iterator[Path]:
    """Give a folder with the source as it was at a revision of the history."""
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "--extract", "--directory", folder], input=packed, check=True)
        yield Path(folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.rolling", description=__doc__)
    parser.add_argument("--release-before", default="", help="revision that runs first, such as a tag; default none")
    parser.add_argument("--keep", action="store_true", help="write the figures into benchmarks/results/scale.json")
    return parser


if __name__ == "__main__":
    sys.exit(main())
