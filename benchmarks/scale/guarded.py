"""`python -m benchmarks.scale.guarded`: what API keys and TLS cost, in turns with agents that have neither."""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.command import quintet
from benchmarks.machine import commit, machine
from benchmarks.processes import cpu_seconds_of
from benchmarks.scale.load import agents, make_shop, run
from benchmarks.serving.load import Loop, build
from shared.config import AGENTS
from tests.support.cluster import Cluster

ROUNDS = 3
SECONDS = 10.0
CALLERS = 8


class Cost(NamedTuple):
    """What was answered a second, and the processor time of all agents for one call, in milliseconds."""

    a_second: float
    cpu_ms: float


def main(arguments: list[str] | None = None) -> int:
    """Run the command and print one JSON object; return its exit code."""
    given = _parser().parse_args(arguments)
    build()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = given.database or make_shop(folder)
        settings, shown = guard(url, folder)
        plain, guarded = [], []
        for _ in range(given.rounds):
            plain.append(_measure(url, {}, {}, given.seconds, folder))
            guarded.append(_measure(url, settings, shown, given.seconds, folder))
    print(json.dumps(figures(plain, guarded) | {"machine": machine(), "commit": commit()}, indent=1))
    return 0


def figures(plain: list[Cost], guarded: list[Cost]) -> dict[str, Any]:
    """Return the figures of the benchmark by the medians of the rounds, and the rounds."""
    fast, slow = (statistics.median(each.a_second for each in rounds) for rounds in (plain, guarded))
    cheap, dear = (statistics.median(each.cpu_ms for each in rounds) for rounds in (plain, guarded))
    return {
        "guarded.throughput_ratio": round(slow / fast, 3),
        "guarded.cpu_ratio": round(dear / cheap, 3),
        "plain": [each._asdict() for each in plain],
        "guarded": [each._asdict() for each in guarded],
    }


def guard(url: str, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Make certificates and a key; return the settings of the agents, and the environment of who calls them."""
    certs, environment = folder / "certs", {"QUINTET_DATABASE_URL": url}
    quintet(environment, "certs", str(certs), "--json")
    key = quintet(environment, "keys", "create", "--name", "load", "--role", "admin", "--json")["key"]
    settings = {
        "auth": "required",
        "tls_cert": str(certs / "public.crt"),
        "tls_key": str(certs / "public.key"),
        "agents_tls_cert": str(certs / "{agent}.crt"),
        "agents_tls_key": str(certs / "{agent}.key"),
        "agents_tls_ca": str(certs / "agents-ca.crt"),
    }
    return settings, {"QUINTET_TLS_CA": str(certs / "public-ca.crt"), "QUINTET_API_KEY": key}


def _measure(url: str, settings: dict[str, Any], shown: dict[str, str], seconds: float, folder: Path) -> Cost:
    loop = Loop(seconds, callers=CALLERS, connections=2, warm_seconds=0)
    with _environment(shown), agents(url, settings) as cluster:
        run(cluster.address, loop, folder)  # the agents read every shopper once
        before = _cpu_seconds(cluster)
        full = run(cluster.address, loop, folder).full
        used = _cpu_seconds(cluster) - before
    return Cost(round(full, 1), round(1_000 * used / (full * seconds), 3))


def _cpu_seconds(cluster: Cluster) -> float:
    return sum(cpu_seconds_of(cluster.pid(agent)) for agent in AGENTS)


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            del os.environ[name]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.guarded", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of both (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement (default %(default)s)")
    parser.add_argument("--database", default="", help="URL of a filled and trained database; default a small shop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
