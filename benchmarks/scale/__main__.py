"""`python -m benchmarks.scale`: everything that is measured of a system that grows, part by part.

Each part runs in a process of its own, and its figures are added to benchmarks/results/scale.json.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.machine import ROOT
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
    given, others = _parser().parse_known_args(arguments)
    failed = False
    if not given.report_only:
        for part in given.only or PARTS:
            print(f"{part} …", file=sys.stderr, flush=True)
            failed |= not _run(part, others)
    results = Results.load(RESULTS)
    write_page(results, PAGE)
    if given.json:
        print(json.dumps(results.rows, indent=1))
    return int(failed)


def _run(part: str, others: Sequence[str]) -> bool:
    """Run a part, keep its figures, and return whether it succeeded."""
    command = [sys.executable, "-m", f"benchmarks.scale.{part}", *others]
    writes = part in WRITE_THEMSELVES
    done = subprocess.run(command, cwd=ROOT, stdout=None if writes else subprocess.PIPE, text=True, check=False)
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    say = parser.add_argument
    say("--only", action="append", choices=PARTS, help="run this part alone, with further options of it; repeatable")
    say("--report-only", action="store_true", help="write the page from the figures that are there")
    say("--json", action="store_true", help="print all figures as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
