"""Running the load generator, and what it found."""

import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.serving.histogram import Histogram
from benchmarks.serving.plan import Call, write_plan

BUILD = ROOT / "benchmarks" / "serving" / "loadgen" / "build.sh"
PROGRAM = ROOT / ".build" / "bench" / "loadgen"
SPARE_SECONDS = 600
DEADLINE_SECONDS = 10


@dataclass(frozen=True)
class Loop:
    """How calls are sent: `rate` a second whatever happens, or by `callers` that wait for their answers.

    `stream` sends each event of a plan once through one ImportEvents call, however long that takes. With `once` callers
    end when each call of the plan was sent once.
    """

    seconds: float
    callers: int = 1
    rate: float = 0.0
    stream: bool = False
    once: bool = False
    warm_seconds: float = 1.0
    connections: int = 1
    deadline_seconds: float = DEADLINE_SECONDS

    @property
    def name(self) -> str:
        """What the loop is called in the report."""
        if self.stream:
            return "one stream"
        return f"{self.rate:g} a second" if self.rate else f"{self.callers} caller{'s' if self.callers > 1 else ''}"

    def arguments(self) -> list[str]:
        """Return the load generator's options."""
        given = ["-seconds", f"{self.seconds:g}", "-warm", f"{self.warm_seconds:g}", "-callers", str(self.callers)]
        given += ["-rate", f"{self.rate:g}", "-connections", str(self.connections)]
        flags = [f"-{name}" for name in ("stream", "once") if getattr(self, name)]
        return [*given, "-deadline", f"{self.deadline_seconds:g}s", *flags]


@dataclass(frozen=True)
class Measured:
    """What the load generator found; made from its JSON."""

    raw: dict[str, Any]

    @property
    def groups(self) -> list[dict[str, Any]]:
        """What was found by group of calls."""
        return list(self.raw["groups"].values())

    @property
    def histogram(self) -> Histogram:
        """Times of all calls."""
        return Histogram.merged(self.raw["growth"], (group["buckets"] for group in self.groups))

    def histogram_of(self, group: str) -> Histogram:
        """Times of the calls of one group."""
        return Histogram.merged(self.raw["growth"], [self.raw["groups"][group]["buckets"]])

    def total(self, name: str) -> int:
        """Return the sum of a count, such as `items`, over the groups."""
        return sum(int(group[name]) for group in self.groups)

    def counted(self, name: str) -> dict[str, int]:
        """Return the sum of counts by name, `errors` or `fallbacks`, over the groups."""
        counts: Counter[str] = Counter()
        for group in self.groups:
            counts.update(group[name])
        return dict(counts)

    @property
    def per_second(self) -> float:
        """Full answers a second: those without an error or a fallback."""
        return self.total("in_time") / float(self.raw["seconds"])

    def per_second_of(self, group: str) -> float:
        """Return the full answers a second to the calls of one group."""
        return int(self.raw["groups"][group]["in_time"]) / float(self.raw["seconds"])

    @property
    def full_share(self) -> float:
        """Share of the calls that got a full answer."""
        return self.total("full") / max(self.total("calls"), 1)

    @property
    def items_per_second(self) -> float:
        """Products recommended, or events recorded, a second."""
        return self.total("items") / float(self.raw["seconds"])

    def percentile(self, percent: float) -> float:
        """Return a percentile of the time of all calls, in milliseconds."""
        return self.histogram.percentile(percent)


def build() -> Path:
    """Build the load generator and return its path. A failure ends the command."""
    PROGRAM.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([str(BUILD), str(PROGRAM)], check=True)
    return PROGRAM


def send(address: str, calls: list[Call], loop: Loop, folder: Path) -> Measured:
    """Send calls to a coordinator and return what became of them."""
    plan = write_plan(calls, folder / "plan.jsonl")
    found = folder / "load.json"
    command = [str(PROGRAM), "-address", address, "-plan", str(plan), "-out", str(found), *loop.arguments()]
    subprocess.run(command, check=True, timeout=loop.seconds + loop.warm_seconds + SPARE_SECONDS)
    return Measured(json.loads(found.read_text()))
