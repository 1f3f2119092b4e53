"""What all parts of the benchmark share: the shops, the lengths of phases, the results, and how a phase is run."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, commit, machine
from benchmarks.processes import own_mb_of, peak_mb_of
from benchmarks.serving.generated import Size
from benchmarks.serving.load import Loop, Measured, send
from benchmarks.serving.page_counts import PageCounts
from benchmarks.serving.plan import Call, Material, Planner
from benchmarks.serving.results import Results
from benchmarks.serving.shops import Shop
from shared.config import AGENTS, MOST_USUAL_REPLICAS, Agent, Settings
from tests.support.cluster import Cluster, cluster_settings, free_ports

CACHE = ROOT / ".build" / "bench" / "serving"
RECOMMENDATION: Agent = "recommendation"
USUAL = 0
"""Recommendation agents: as many as `quintet up` runs where nobody says how many."""
SECONDS, QUICK_SECONDS = 15.0, 4.0
FIRST_SECONDS = 120.0
STREAMED, QUICK_STREAMED = 30_000, 5_000
GENERATED = Size(100_000, 200_000, 5_000_000)
MILLION = Size(1_000_000, 200_000, 5_000_000)
SEED_STEP = 1_000
"""Draws of calls that there are for a seed."""
PLANNED = 2_000
"""Calls of a plan; the load generator begins again at its end."""


@dataclass(frozen=True)
class Options:
    """What to measure and how."""

    quick: bool = False
    phase_seconds: float | None = None
    seed: int = 0
    generated: Size = GENERATED
    million: Size = MILLION
    minutes: float = 90.0
    """Longest time that the import of a file, or a training, may take."""
    renew: bool = False
    reuse: bool = False

    @property
    def seconds(self) -> float:
        """Seconds of a phase."""
        if self.phase_seconds is not None:
            return self.phase_seconds
        return QUICK_SECONDS if self.quick else SECONDS

    @property
    def first_seconds(self) -> float:
        """Longest time in which each shopper is asked for once."""
        return QUICK_SECONDS if self.quick else FIRST_SECONDS

    @property
    def streamed(self) -> int:
        """Events of a stream."""
        return QUICK_STREAMED if self.quick else STREAMED


class Agents:
    """Five running agents on a copy of a shop's database."""

    def __init__(self, shop: Shop, name: str, start_seconds: float, cluster: Cluster) -> None:
        self.shop = shop
        self.name = name
        self.start_seconds = start_seconds
        self.cluster = cluster

    @property
    def address(self) -> str:
        """Address of the coordinator."""
        return self.cluster.address


class Bench:
    """Runs phases and keeps what they find."""

    def __init__(self, options: Options, results: Results, folder: Path = CACHE) -> None:
        self.options = options
        self.results = results
        self._folder = folder
        self._prepared: set[str] = set()
        self._pages: PageCounts | None = None

    @cached_property
    def demo(self) -> Shop:
        """The Complete Journey."""
        return Shop("demo", self._folder / "demo")

    @cached_property
    def generated(self) -> Shop:
        """The generated shop."""
        return Shop("generated", self._folder / "generated", self.options.generated)

    @cached_property
    def million(self) -> Shop:
        """The generated shop with a large catalogue."""
        return Shop("million", self._folder / "million", self.options.million)

    @property
    def scratch(self) -> Path:
        """A folder for what is needed during a phase only."""
        folder = self._folder / "run"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def start(self, part: str, **settings: Any) -> None:
        """Begin a part: forget its earlier results and note how it is measured."""
        self.say(f"== {part}")
        given = {"commit": commit(), "machine": machine(), "seed": self.options.seed, "quick": self.options.quick}
        self.results.start(part, given | {"phase_seconds": self.options.seconds, "load": _load()} | settings)

    def leave_out(self, part: str, reason: str) -> None:
        """Note that a part could not be measured; what was measured of it before is forgotten."""
        self.start(part, left_out=reason)
        self.say(f"  left out: {reason}")

    def ready(self, shop: Shop) -> Shop:
        """Return a shop, imported and trained."""
        if shop.name not in self._prepared:
            how = self.options
            shop.prepare(self.say, renew=how.renew, reuse=how.reuse, minutes=how.minutes)
            self._prepared.add(shop.name)
        return shop

    def planner(self, shop: Shop, draw: int = 0) -> Planner:
        """Return what draws calls for a shop; each `draw` gives other calls."""
        return Planner(Material.read(shop.folder, self.options.seed), SEED_STEP * self.options.seed + draw)

    @contextmanager
    def agents(self, shop: Shop, replicas: int = USUAL, **settings: Any) -> Iterator[Agents]:
        """Give the agents, as `quintet up` starts them unless said otherwise, on a copy of the database of a shop."""
        url = self.ready(shop).copy(self.scratch / "quintet.db")
        never = dict.fromkeys(("refresh_catalog_hours", "optimize_hours", "train_hours", "improve_hours"), 0)
        [metrics_port] = free_ports(1, MOST_USUAL_REPLICAS)
        ports = {"recommendation_metrics_port": metrics_port}
        cluster = Cluster(cluster_settings(url, recommendation_replicas=replicas, **never, **ports, **settings))
        began = time.perf_counter()
        try:
            cluster.start()
            name = shop.name if replicas == USUAL else f"{shop.name}, {replicas} recommendation agent"
            self._pages = PageCounts([each.metrics_port(RECOMMENDATION) for each in recommenders(cluster.settings)])
            yield Agents(shop, name, time.perf_counter() - began, cluster)
        except BaseException:
            print("\n".join(cluster.log[-50:]), file=sys.stderr)
            raise
        finally:
            self._pages = None
            cluster.stop()
            (self.scratch / "agents.log").write_text("\n".join(cluster.log))

    def phase(self, part: str, shop: str, what: str, address: str, calls: list[Call], loop: Loop) -> Measured:
        """Send calls, keep a row of what became of them, and return it."""
        before = self._pages.read() if self._pages else None
        found = send(address, calls, loop, self.scratch)
        row = {
            "part": part,
            "shop": shop,
            "calls": what,
            "loop": loop.name,
            "per_second": round(found.items_per_second if loop.stream else found.per_second, 1),
            "p50_ms": _ms(found.percentile(50)),
            "p95_ms": _ms(found.percentile(95)),
            "p99_ms": _ms(found.percentile(99)),
            "measured": found.total("calls"),
            "empty": found.total("empty"),
            "pending": found.total("pending"),
            "errors": found.counted("errors"),
            "fallbacks": found.counted("fallbacks"),
            "kept_share": self._pages.kept_since(before) if self._pages and before is not None else None,
            "generator_cores": round(found.raw["cpu_seconds"] / (float(found.raw["seconds"]) + loop.warm_seconds), 3),
        }
        self.results.phases.append(row)
        self.say(
            f"  {shop}: {what}, {loop.name}: {row['per_second']:,} a second, p50 {row['p50_ms']} ms, "
            f"p99 {row['p99_ms']} ms{_trouble(row)}"
        )
        return found

    def loop(self, **how: Any) -> Loop:
        """Return a loop as long as phases are here."""
        return Loop(self.options.seconds, **how)

    @staticmethod
    def say(text: str) -> None:
        """Show progress."""
        print(text, file=sys.stderr, flush=True)


def peaks(cluster: Cluster) -> dict[str, float]:
    """Return the peak memory of each agent in MiB; where it has replicas, of that with the most."""
    return {agent: max(map(peak_mb_of, pids(cluster, agent))) for agent in AGENTS}


def own(cluster: Cluster) -> dict[str, float]:
    """Return the memory of each agent in MiB that it shares with no other process, that of its replicas in sum."""
    return {agent: sum(map(own_mb_of, pids(cluster, agent))) for agent in AGENTS}


def pids(cluster: Cluster, agent: Agent) -> list[int]:
    """Return the process ids of an agent, one for each replica."""
    return [cluster.pid(agent, number) for number in range(cluster.settings.replicas(agent))]


def recommenders(settings: Settings) -> list[Settings]:
    """Return the settings of each recommendation agent."""
    return [settings.of_replica(RECOMMENDATION, number) for number in range(settings.replicas(RECOMMENDATION))]


def _ms(value: float) -> float | None:
    return None if value != value else round(value, 2)


def _trouble(row: dict[str, Any]) -> str:
    said = {**row["errors"], **row["fallbacks"]} | ({"empty": row["empty"]} if row["empty"] else {})
    return "".join(f", {name} {count:,}" for name, count in said.items())


def _load() -> float:
    """Return how many processes wanted a core in the last minute."""
    return round(os.getloadavg()[0], 2)
