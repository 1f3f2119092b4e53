"""All runs of a comparison: the same seeds for every policy, two at a time, each in a process of its own."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.serving.shops import DATABASE, Say
from benchmarks.simulation.behaviour import Behaviour, Sizes
from benchmarks.simulation.knowing import YARDSTICKS
from benchmarks.simulation.policies import POLICIES
from benchmarks.simulation.run import RUNS, SHOP, WORLD, run_file
from benchmarks.simulation.shop import source_digest, start_shop
from benchmarks.simulation.stored_world import parameters, stored
from benchmarks.simulation.world import World, make_world
from cli.datasets.complete_journey import load

FOLDER = ROOT / ".build" / "bench" / "simulation"
AT_ONCE = 2
SEEDS = 10

Run = dict[str, Any]
"""What `run.simulate` returns."""


@dataclass(frozen=True)
class Campaign:
    """What is to be compared.

    Parameters
    ----------
    seeds : int
        Runs of each policy, with the seeds 1 to `seeds`.
    days : int
        Days of a run; 0 for all of `sizes`.
    resume : bool
        Whether runs that were made before, by the same policy of any commit, count.
    quick : bool
        Whether the start shop is trained quickly.
    """

    seeds: int = SEEDS
    days: int = 0
    policies: Sequence[str] = tuple(POLICIES)
    resume: bool = False
    quick: bool = False
    behaviour: Behaviour = field(default_factory=Behaviour)
    sizes: Sizes = field(default_factory=Sizes)
    folder: Path = FOLDER

    @property
    def length(self) -> int:
        """Days of a run."""
        return min(self.days or self.sizes.days, self.sizes.days)

    @property
    def home(self) -> Path:
        """Folder of the world with these parameters and this code; another world has another one."""
        facts = json.dumps(parameters(self.behaviour, self.sizes) | {"quick": self.quick, "code": source_digest()})
        return self.folder / hashlib.sha256(facts.encode()).hexdigest()[:12]

    @property
    def database(self) -> Path:
        """File of the start shop."""
        return self.home / SHOP / DATABASE

    def world(self) -> World:
        """Make the world unless it is there, and return it."""
        return stored(self.home / WORLD, lambda: make_world(load(), self.behaviour, self.sizes))

    def prepare(self, say: Say) -> World:
        """Make the world and the start shop unless they are there, and return the world."""
        world = self.world()
        with start_shop(world, self.home / SHOP, say, quick=self.quick):
            return world

    def runs(self, say: Say) -> list[Run]:
        """Make all runs that are not there, and return all."""
        self.prepare(say)
        if not self.resume:
            with suppress(FileNotFoundError):
                shutil.rmtree(self.home / RUNS)
        wanted = list(self._wanted())
        missing = [each for each in wanted if self._made(*each) is None]
        say(f"{len(missing)} of {len(wanted)} runs to make, {self.length} days each")
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda each: self._make(*each), missing))
        return [run for each in wanted if (run := self._made(*each)) is not None]

    def _wanted(self) -> Iterator[tuple[str, int]]:
        """Yield policies and seeds, all policies of a seed before the next, so that what is there can be compared."""
        for seed in range(1, self.seeds + 1):
            for policy in (*YARDSTICKS, *self.policies):
                yield policy, seed

    def _made(self, policy: str, seed: int) -> Run | None:
        """Return the first days of a run that was made, None where it was not, or not long enough."""
        file = run_file(self.home, policy, seed)
        run: Run = json.loads(file.read_text()) if file.is_file() else {"days": []}
        return run | {"days": run["days"][: self.length]} if len(run["days"]) >= self.length else None

    def _make(self, policy: str, seed: int) -> None:
        command = [sys.executable, "-m", "benchmarks.simulation.run", policy, str(seed)]
        options = ["--folder", str(self.home), "--days", str(self.length)]
        subprocess.run([*command, *options], cwd=ROOT, check=True)
