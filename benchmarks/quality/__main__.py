"""`python -m benchmarks.quality`: measure on the public data sets and write the report. See benchmarks/README.md."""

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.machine import DATA, DEFAULT_DATA, ROOT, commit, machine
from benchmarks.quality import sets
from benchmarks.quality.order import ABLATE, EVALUATE, NO_DATA, PREPARE, Order
from benchmarks.quality.report import write_report
from benchmarks.quality.results import ABLATION, DIFFERENCES, ROWS, SETTINGS, SLICES, Results, key_of
from benchmarks.quality.sets.dataset import Dataset
from benchmarks.quality.study import say

CACHE = ROOT / ".build" / "bench"
RESULTS = ROOT / "benchmarks" / "results" / "quality.json"
PAGE = ROOT / "docs" / "benchmarks" / "quality.md"

ABLATED = (("completejourney", 0), ("retailrocket_sessions", 0), ("tmall_multibehavior", 0))
"""The evaluations in which the product is measured without each part: set, and which of its evaluations."""

QUICK_QUESTIONS = 1000


@dataclass(frozen=True)
class Options:
    """What to measure and how."""

    data: Path
    out: Path
    page: Path
    sets: tuple[str, ...]
    algorithms: tuple[str, ...]
    quick: bool
    ablation: bool
    evaluation: bool
    threads: int
    seed: int

    def order(self, task: str, dataset: Dataset, number: int = 0) -> Order:
        """Return an order for the child."""
        cache = CACHE / dataset.name
        return Order(
            task=task,
            dataset=dataset.name,
            cache=str(cache),
            out=str(cache / f"{task}-{number}.json"),
            data=str(self.data),
            evaluation=number,
            algorithms=self.algorithms,
            most_questions=QUICK_QUESTIONS if self.quick else None,
            bootstrap=0 if self.quick else 1000,
            seed=self.seed,
            threads=self.threads,
        )


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = _parser().parse_args(arguments)
    options = _options(given)
    results = Results.load(options.out)
    if not given.report_only:
        _measure(options, results)
    write_report(results, options.page)
    print(f"{options.out}\n{options.page}", file=sys.stderr)
    return 0


def _measure(options: Options, results: Results) -> None:
    for name in options.sets:
        dataset = sets.BY_NAME[name]
        say(dataset.title)
        if _run(options.order(PREPARE, dataset)) is None:
            say(f"  left out: it is not in {options.data}")
            continue
        for number in range(len(dataset.evaluations)):
            if options.evaluation:
                _evaluate(options, results, dataset, number)
            if options.ablation and (name, number) in ABLATED:
                _ablate(options, results, dataset, number)
            # what took an hour is not lost when the next set fails
            results.ordered([key_of(each.name, how.protocol) for each in sets.ALL for how in each.evaluations])
            results.save(options.out)


def _evaluate(options: Options, results: Results, dataset: Dataset, number: int) -> None:
    protocol = dataset.evaluations[number].protocol
    found = _run(options.order(EVALUATE, dataset, number)) or {}
    for name in (ROWS, SLICES, DIFFERENCES):
        results.replace(name, dataset.name, protocol, found[name])
    made = {"commit": commit(), "machine": machine(), "seconds": found["seconds"], "quick": options.quick}
    results.settings[key_of(dataset.name, protocol)] = found[SETTINGS] | made


def _ablate(options: Options, results: Results, dataset: Dataset, number: int) -> None:
    found = _run(options.order(ABLATE, dataset, number)) or {}
    # they share what they fit, so that their times and memory say nothing
    rows = [row | dict.fromkeys(("train_seconds", "ms_per_user", "peak_mb")) for row in found[ROWS]]
    results.replace(ABLATION, dataset.name, dataset.evaluations[number].protocol, rows)


def _run(order: Order) -> dict[str, Any] | None:
    """Have a child do it and return what it found, None if the data is not there. A failure ends the command."""
    Path(order.cache).mkdir(parents=True, exist_ok=True)
    threads = str(order.threads)
    environment = os.environ | {"OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    command = [sys.executable, "-m", "benchmarks.quality.child", order.as_json()]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False)
    if done.returncode == NO_DATA:
        return None
    if done.returncode:
        raise SystemExit(f"{order.task} of {order.dataset} failed with exit code {done.returncode}")
    found: dict[str, Any] = json.loads(Path(order.out).read_text())
    say(f"\r  {order.task} {order.evaluation}: {found['seconds']} s{'':<60}".rstrip())
    return found


def _options(given: argparse.Namespace) -> Options:
    quick = CACHE / "quick"
    return Options(
        data=given.data.absolute(),
        out=quick / RESULTS.name if given.quick else RESULTS,
        page=quick / PAGE.name if given.quick else PAGE,
        sets=tuple(given.sets or [dataset.name for dataset in sets.ALL]),
        algorithms=tuple(given.algorithms or ()),
        quick=given.quick,
        ablation=not given.no_ablation,
        evaluation=not given.only_ablation,
        threads=given.threads,
        seed=given.seed,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    folder = Path(os.environ.get(DATA, DEFAULT_DATA))
    say = parser.add_argument
    say("--data", type=Path, default=folder, help=f"folder of the data sets (default: ${DATA}, else ../shared/data)")
    say(
        "--sets",
        nargs="+",
        choices=list(sets.BY_NAME),
        metavar="SET",
        help="measure these and keep the others' results",
    )
    say("--algorithms", nargs="+", metavar="NAME", help="who takes part (default: quintet, its parts, the baselines)")
    say("--threads", type=int, default=2, help="threads of training and of the libraries (default: 2)")
    say("--seed", type=int, default=0, help="seed of everything by chance (default: 0)")
    say("--quick", action="store_true", help="at most 1,000 questions, no intervals, report under .build/bench/quick")
    say("--no-ablation", action="store_true", help="do not measure the product without each of its parts")
    say("--only-ablation", action="store_true", help="measure nothing else")
    say("--report-only", action="store_true", help="write the report from the results that are there")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
