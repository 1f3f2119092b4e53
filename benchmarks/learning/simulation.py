"""What the whole loop brings, beside best-sellers, fixed weights and a hybrid that learned offline.

The runs, their page and their pictures are those of `python -m benchmarks.simulation`: [simulation.md](simulation.md).
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.learning.figures import Figure, printed
from benchmarks.simulation.__main__ import PAGE
from benchmarks.simulation.campaign import FOLDER, SEEDS, Campaign
from benchmarks.simulation.measure import simulation

ABOUT = __doc__.replace("\n", " ").strip()
ENDS = ("low", "high", "bootstrap_low", "bootstrap_high")
KEPT = ("seeds", "days", "fallbacks", "seconds_a_run", "products", "commit")


def figures(found: Mapping[str, Any]) -> list[Figure]:
    """Return the figures of the simulation, with the ends of their intervals beside them."""
    names = [name for name in found if "." in name and name.rpartition(".")[2] not in ENDS]
    return [Figure(name, found[name], _unit(name), _ends(found, name)) for name in names]


def _ends(found: Mapping[str, Any], name: str) -> dict[str, float]:
    ends = {end: found.get(f"{name}.{end}") for end in ENDS}
    return {end: value for end, value in ends.items() if value is not None}


def _unit(name: str) -> str:
    if name.endswith("_days"):
        return "days"
    return "USD" if name.endswith("_per_session") and name.startswith("policy.") else "share"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learning.simulation", description=ABOUT)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="runs of each policy (default %(default)s)")
    parser.add_argument("--resume", action="store_true", help="keep the runs that are there")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where all is kept (default %(default)s)")
    given = parser.parse_args(arguments)
    campaign = Campaign(seeds=given.seeds, resume=given.resume, folder=given.folder)
    found = simulation(campaign, page=PAGE)
    print(printed(figures(found), ABOUT, **{name: found[name] for name in KEPT}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
