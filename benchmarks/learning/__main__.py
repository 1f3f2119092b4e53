"""`python -m benchmarks.learning`: whether what the learning loop finds out is true, and what it brings, part by part.

Each part runs in a process of its own, and its figures are added to benchmarks/results/learning.json.
"""

import sys
from collections.abc import Sequence
from time import perf_counter

from benchmarks.learning.figures import keep
from benchmarks.learning.parts import PARTS
from benchmarks.learning.report import write_page
from benchmarks.machine import ROOT, commit, machine
from benchmarks.part_by_part import PartByPart, run_module
from benchmarks.serving.results import Results

RESULTS = ROOT / "benchmarks" / "results" / "learning.json"
PAGE = ROOT / "docs" / "benchmarks" / "learning.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts and write the page; return the exit code, 1 where a part failed."""
    return PartByPart("benchmarks.learning", __doc__, PARTS, RESULTS, PAGE, write_page, _run).main(arguments)


def _run(part: str, others: Sequence[str]) -> bool:
    """Run a part, keep its figures, and return whether it succeeded."""
    began, measured = perf_counter(), commit()
    done = run_module("benchmarks.learning", part, others)
    if done.returncode:
        return False
    results = Results.load(RESULTS)
    keep(part, done.stdout, results, machine=machine(), commit=measured, seconds=round(perf_counter() - began, 1))
    results.save(RESULTS)
    return True


if __name__ == "__main__":
    sys.exit(main())
