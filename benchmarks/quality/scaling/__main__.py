"""`python -m benchmarks.quality.scaling`: measure what each algorithm costs as data grows, and write the page."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, commit, machine
from benchmarks.quality.scaling.report import write_page
from services.recommendation.algorithms.registry import CLASSES

RESULTS = ROOT / "benchmarks" / "results" / "scaling.json"
PAGE = ROOT / "docs" / "benchmarks" / "scaling.md"
CACHE = ROOT / ".build" / "bench" / "scaling"
PRODUCTS = (10_000, 30_000, 100_000)
THREADS = "2"
NEEDS_RELATIONS = ("similar", "complementary")
"""These only keep what the product agent found, and the data sets have nothing of it."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = _parser().parse_args(arguments)
    if given.report_only:
        results = json.loads(given.out.read_text())
    else:
        results = _measured(given.products, given.algorithms or _names(), 60 * given.minutes, given.out)
    write_page(results, given.page)
    return 0


def _measured(sizes: list[int], names: list[str], limit_seconds: float, out: Path) -> dict[str, Any]:
    """Measure everybody in every data set, and write what is known after each: the large data sets take long."""
    for folder in (CACHE, out.parent):
        folder.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"rows": [], "commit": commit(), "machine": machine()}
    for size in sizes:
        for name in names:
            results["rows"].append(_row(name, size, limit_seconds))
            out.write_text(json.dumps(results, indent=1) + "\n")
    return results


def _row(name: str, size: int, limit_seconds: float) -> dict[str, Any]:
    """Have a child measure; what takes too long or fails is said in the row."""
    out = CACHE / f"{name}-{size}.json"
    command = [sys.executable, "-m", "benchmarks.quality.scaling.child", name, str(size), str(out)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": THREADS, "OMP_NUM_THREADS": THREADS}
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, timeout=limit_seconds, check=False)
        row: dict[str, Any] = json.loads(out.read_text()) if done.returncode == 0 else _failed(name, size, "failed")
    except subprocess.TimeoutExpired:
        row = _failed(name, size, f"over {limit_seconds / 60:.0f} min")
    print(f"{size:>8,} {name:24} {row.get('train_seconds', row.get('failed'))}", file=sys.stderr, flush=True)
    return row


def _failed(name: str, size: int, why: str) -> dict[str, Any]:
    return {"algorithm": name, "products": size, "failed": why}


def _names() -> list[str]:
    return [*(each.name for each in CLASSES if each.name not in NEEDS_RELATIONS), "quintet"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.scaling", description=__doc__)
    say = parser.add_argument
    say("--products", nargs="+", type=int, default=list(PRODUCTS), help="sizes of the data sets")
    say("--algorithms", nargs="+", metavar="NAME", help="who is measured (default: all, and quintet)")
    say("--minutes", type=float, default=20.0, help="time limit of each (default: 20)")
    say("--out", type=Path, default=RESULTS, help="file of the results")
    say("--page", type=Path, default=PAGE, help="file of the page")
    say("--report-only", action="store_true", help="write the page from the results that are there")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
