"""`python -m benchmarks.scale`: everything that is measured of a system that grows, part by part.

Each part runs in a process of its own, and its figures are added to benchmarks/results/scale.json.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.machine import ROOT
from benchmarks.part_by_part import PartByPart, run_module
from benchmarks.scale.report import write_page
from benchmarks.serving.results import Results

PARTS = ("growth", "guarded", "overload", "rolling", "train")
WRITE_THEMSELVES = ("rolling",)
"""Parts that write their figures into the file; the others print them."""
RESULTS = ROOT / "benchmarks" / "results" / "scale.json"
UNITS = {
    "seconds": "s",
    "_mb": "MiB",
    "_ms": "ms",
    "_ratio": "ratio",
    "_share": "share",
    "bytes_per_event": "bytes",
    "bytes_per_answer": "bytes",
    "events_a_second": "events a second",
    "microseconds_per_event": "µs",
    "interactions": "interactions",
}
PAGE = ROOT / "docs" / "benchmarks" / "scale.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts and write the page; return the exit code, 1 where a part failed."""
    return PartByPart("benchmarks.scale", __doc__, PARTS, RESULTS, PAGE, write_page, _run).main(arguments)


def _run(part: str, others: Sequence[str]) -> bool:
    """Run a part, keep its figures, and return whether it succeeded."""
    done = run_module("benchmarks.scale", part, others, printed=part not in WRITE_THEMSELVES)
    if done.stdout:
        results = Results.load(RESULTS)
        keep(part, json.loads(done.stdout), results)
        results.save(RESULTS)
    return done.returncode == 0


def keep(part: str, printed: dict[str, Any], results: Results) -> None:
    """Put what a part printed in the place of what was there of it: figures as rows, all else as its settings."""
    figures = {name: value for name, value in printed.items() if "." in name}
    results.start(part, {name: value for name, value in printed.items() if name not in figures})
    for name, value in figures.items():
        results.add(part, name, value, unit_of(name))


def unit_of(name: str) -> str:
    """Return the unit of a figure, which its name ends with."""
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), "")


if __name__ == "__main__":
    sys.exit(main())
