"""All scenarios by name, in their order: on which databases each is played, and how briefly in a `--quick` run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.faults import clocks, contents, databases, networks, processes
from benchmarks.faults.stage import Found

DATABASES = ("sqlite", "postgres")


@dataclass(frozen=True)
class Scenario:
    """How something is broken: `play` takes the shop and, in a quick run, the arguments `quick`."""

    play: Callable[..., Found]
    quick: Mapping[str, Any] = field(default_factory=dict)
    databases: tuple[str, ...] = DATABASES


SCENARIOS: dict[str, Scenario] = {
    "kills": Scenario(processes.kills, {"count": 4}),
    "stalls": Scenario(processes.stalls, {"seconds": 1.0}),
    "short_of_memory": Scenario(processes.short_of_memory, {"seconds": 1.0}),
    "locked": Scenario(databases.locked, {"seconds": 4.0}),
    "full_disk": Scenario(databases.full_disk, {"seconds": 2.0}),
    "damaged": Scenario(databases.damaged, databases=("sqlite",)),
    "restarted": Scenario(databases.restarted, {"seconds": 1.0, "times": 1}, ("postgres",)),
    "silent": Scenario(databases.silent, {"seconds": 2.0}, ("postgres",)),
    "parted": Scenario(networks.parted, {"seconds": 1.0}),
    "clock_jumps": Scenario(clocks.clock_jumps, {"seconds": 1.0}),
    "damaged_model": Scenario(contents.damaged_model, {"seconds": 2.0}),
    "failing_projection": Scenario(contents.failing_projection),
    "cut_import": Scenario(contents.cut_import, {"cuts": 1}),
    "cut_migration": Scenario(contents.cut_migration, {"cuts": 1}),
}
