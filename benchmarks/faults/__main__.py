"""`make test-faults`: break one thing after the other under load, on both databases, and write what happened.

Everything happens on loopback and in a temporary folder; the full disk is a small one in memory that only these
processes see. A part of the scenarios, and `--quick`, write under `.build/bench/faults` unless `--out` and `--page` say
where.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults.mounts import enter_mount_namespace
from benchmarks.faults.report import PART, add_figures, problems, row, write_page
from benchmarks.faults.scenarios import DATABASES, SCENARIOS
from benchmarks.faults.shops import Shop, shop_on, trained_file
from benchmarks.faults.stage import Found
from benchmarks.machine import ROOT, commit, machine
from benchmarks.serving.results import Results

RESULTS = ROOT / "benchmarks" / "results" / "faults.json"
PAGE = ROOT / "docs" / "benchmarks" / "faults.md"
BUILD = ROOT / ".build" / "bench" / "faults"

STOPPED = 128 + signal.SIGTERM


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit code is 1 when something happened that must not."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(STOPPED))  # what was started and made is cleared away
    # The agents are started by processes that call gRPC too; without this it says so at each start.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    part = given.only or given.quick or given.database
    out, page = (
        given.out or (BUILD / RESULTS.name if part else RESULTS),
        given.page or (BUILD / PAGE.name if part else PAGE),
    )
    if given.report_only:
        results = Results.load(out)
    else:
        began = time.monotonic()
        founds = play_all(given)
        results = Results()
        results.start(PART, _settings(time.monotonic() - began))
        results.phases = [row(found) for found in founds]
        add_figures(results, founds)
        results.save(out)
    write_page(results, page)
    if given.json:
        print(out.read_text(), end="")
    print(f"{out}\n{page}", file=sys.stderr)
    return 1 if any(each["problems"] for each in results.phases) else 0


def play_all(given: argparse.Namespace) -> list[Found]:
    """Play what the command line asks for."""
    names = given.only or list(SCENARIOS)
    if "full_disk" in names:
        enter_mount_namespace()
    with tempfile.TemporaryDirectory(prefix="quintet-faults-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # the user of PostgreSQL has a disk in it
        trained = trained_file(BUILD / "shop" if given.reuse else folder / "shop")
        return [
            found
            for kind in given.database or DATABASES
            for found in play(kind, names, folder / kind, trained, quick=given.quick)
        ]


def play(kind: str, names: Sequence[str], folder: Path, trained: Path, *, quick: bool = False) -> list[Found]:
    """Play scenarios on a kind of database and return what came of each; one that fails ends alone.

    Copies of the database `trained` and all else come into `folder`.
    """
    folder.mkdir()
    with shop_on(kind, folder, trained) as shop:
        return [_play(shop, name, quick) for name in names if kind in SCENARIOS[name].databases]


def _play(shop: Shop, name: str, quick: bool) -> Found:
    scenario = SCENARIOS[name]
    began = time.monotonic()
    try:
        found = scenario.play(shop, **(scenario.quick if quick else {}))
    except Exception as error:  # it is told with the results; the other scenarios say more
        found = Found(name, shop.kind, error=f"{type(error).__name__}: {error}")
    found.seconds = time.monotonic() - began
    what, seconds, _ = found.slowest
    said = "; ".join(problems(found)) or f"{found.faults} faults, whole within {seconds:.1f} s ({what})"
    print(f"{shop.kind} {name}: {said} [{found.seconds:.0f} s]", file=sys.stderr, flush=True)
    return found


def _settings(seconds: float) -> dict[str, object]:
    load = round(os.getloadavg()[0], 2)
    return {"machine": machine(), "commit": commit(), "load": load, "minutes": round(seconds / 60, 1)}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    say = parser.add_argument
    say("--only", nargs="+", choices=list(SCENARIOS), metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    say("--database", nargs="+", choices=DATABASES, help="kinds of databases (default: both)")
    say("--quick", action="store_true", help="few kills and short faults")
    say("--reuse", action="store_true", help="the trained shop of the run before, where there is one")
    say("--out", type=Path, help="file of the results")
    say("--page", type=Path, help="file of the page")
    say("--report-only", action="store_true", help="write the page from the results that are there")
    say("--json", action="store_true", help="print the results")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
