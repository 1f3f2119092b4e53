"""`python -m benchmarks.learning`: whether what the learning loop finds out is true, and what it brings, part by part.

Each part runs in a process of its own, and its figures are added to benchmarks/results/learning.json.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from time import perf_counter

from benchmarks.learning.figures import keep
from benchmarks.learning.parts import PARTS
from benchmarks.learning.report import write_page
from benchmarks.machine import ROOT, commit, machine
from benchmarks.serving.results import Results

RESULTS = ROOT / "benchmarks" / "results" / "learning.json"
PAGE = ROOT / "docs" / "benchmarks" / "learning.md"


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
    began, measured = perf_counter(), commit()
    command = [sys.executable, "-m", f"benchmarks.learning.{part}", *others]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return False
    results = Results.load(RESULTS)
    keep(part, done.stdout, results, machine=machine(), commit=measured, seconds=round(perf_counter() - began, 1))
    results.save(RESULTS)
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.learning",
        description=__doc__,
        epilog="\n".join(["parts:", *(f"  {name:<12} {title}" for name, title in PARTS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    say = parser.add_argument
    say("--only", action="append", choices=PARTS, help="run this part alone, with further options of it; repeatable")
    say("--report-only", action="store_true", help="write the page from the figures that are there")
    say("--json", action="store_true", help="print all figures as one JSON object")
    return parser


if __name__ == "__main__":
    sys.exit(main())
