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
from benchmarks.scale.kept import keep, kept
from benchmarks.scale.report import write_page

PARTS = ("growth", "guarded", "overload", "rolling", "train")
PAGE = ROOT / "docs" / "benchmarks" / "scale.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts and write the page; return the exit code, 1 where a part failed."""
    given, others = _parser().parse_known_args(arguments)
    failed = False
    if not given.report_only:
        for part in given.only or PARTS:
            print(f"{part} …", file=sys.stderr, flush=True)
            failed |= not _run(part, others)
    every = kept()
    write_page(every, PAGE)
    if given.json:
        print(json.dumps(every, indent=1))
    return int(failed)


def _run(part: str, others: Sequence[str]) -> bool:
    """Run a part, keep its figures, and return whether it succeeded."""
    command = [sys.executable, "-m", f"benchmarks.scale.{part}", *others]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.stdout:
        keep(figures_of(part, json.loads(done.stdout)))
    return done.returncode == 0


def figures_of(part: str, printed: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of what a part printed: its figures, and where and on what they were measured."""
    figures = {name: value for name, value in printed.items() if "." in name}
    return figures | {f"{part}.{name}": printed[name] for name in ("machine", "commit") if name in printed}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    say = parser.add_argument
    say("--only", action="append", choices=PARTS, help="run this part alone, with further options of it; repeatable")
    say("--report-only", action="store_true", help="write the page from the figures that are there")
    say("--json", action="store_true", help="print all figures as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
