"""`python -m benchmarks.simulation`: compare policies in the simulated shop, with real agents.

Runs are kept under .build/bench/simulation; `--resume` makes only those that are missing. The page is
docs/benchmarks/simulation.md where all is measured, else one below .build unless `--page` says where.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.simulation.campaign import FOLDER, SEEDS, Campaign
from benchmarks.simulation.measure import simulation
from benchmarks.simulation.parts import PARTS
from benchmarks.simulation.policies import POLICIES

PAGE = ROOT / "docs" / "benchmarks" / "simulation.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the runs, write the page and print the figures; return the exit code."""
    given = _parser().parse_args(arguments)
    campaign = Campaign(
        seeds=given.seeds,
        days=given.days,
        policies=tuple(given.policies),
        resume=given.resume,
        quick=given.quick,
        folder=given.folder,
    )
    figures = simulation(campaign, given.only, page=given.page or _page(given))
    print(json.dumps(figures, indent=1) if given.json else _lines(figures))
    return 0


def _page(given: argparse.Namespace) -> Path:
    """Return the page of the documentation for a whole measurement, else one that is not kept."""
    part = given.only or given.quick or given.days or given.seeds != SEEDS or given.policies != list(POLICIES)
    return given.folder / PAGE.name if part else PAGE


def _lines(figures: Mapping[str, Any]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in figures.items() if "." in name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulation", description=__doc__)
    say = parser.add_argument
    say("--seeds", type=int, default=SEEDS, help="runs of each policy (default %(default)s)")
    say("--days", type=int, default=0, help="only the first days of each run (default: all)")
    say("--policies", nargs="+", choices=list(POLICIES), default=list(POLICIES), help="what is compared (default: all)")
    say("--only", nargs="+", choices=list(PARTS), default=[], help="which figures (default: all)")
    say("--resume", action="store_true", help="keep the runs that are there")
    say("--quick", action="store_true", help="a start shop that was trained quickly")
    say("--folder", type=Path, default=FOLDER, help="where all is kept (default %(default)s)")
    say("--page", type=Path, help="the page to write")
    say("--json", action="store_true", help="print everything as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
