"""`python -m benchmarks.scale.train`: what a whole training costs as a shop grows, up to 50 million interactions.

Shops of the same shape are made once and kept; each is trained from nothing by `quintet train`, that is catalogue,
models and customers, in processes of their own. Measured are the wall time, the processor time of all processes, and
the most memory that any of them held. The exponent is the slope of the time over the interactions, both as logarithms.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import ROOT, commit, machine
from benchmarks.scale.train_shop import DATABASE, forget_training
from benchmarks.serving.generated import Size

FULL = Size(products=150_000, customers=1_500_000, events=50_000_000)
PARTS = (25, 5, 1)
"""The shops have one in so many of the products, customers and interactions."""
FOLDER = ROOT / ".build" / "bench" / "scale"
COST = "cost.json"
STEPS = ("catalogue", "models", "customers")
KIB_A_MIB = 1024


@dataclass(frozen=True)
class Training:
    """What a training cost.

    Attributes
    ----------
    seconds, cpu_seconds : float
        Wall time, and processor time of all processes.
    peak_mb : float
        Most memory that one process held, in MiB.
    steps : dict
        Seconds of each step; the parts of that of the models too.
    """

    products: int
    customers: int
    interactions: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    steps: dict[str, float] = field(default_factory=dict)
    commit: str = ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print one JSON object; return the exit code."""
    given = _parser().parse_args(arguments)
    trainings = []
    for part in sorted(given.parts, reverse=True):
        size = _size(part)
        before = _measured_before(size, given.folder) if given.resume else None
        trainings.append(before or _measure(size, given.folder, renew=given.renew))
    print(json.dumps(figures(trainings) | {"machine": machine(), "commit": commit()}, indent=1))
    return 0


def figures(trainings: Sequence[Training]) -> dict[str, Any]:
    """Return the figures of the benchmark: those of the largest shop, and exponents where there are several shops."""
    largest = max(trainings, key=lambda each: each.interactions)
    found: dict[str, Any] = {
        "train.seconds": largest.seconds,
        "train.cpu_seconds": largest.cpu_seconds,
        "train.peak_mb": largest.peak_mb,
        "train.interactions": largest.interactions,
        "shops": [asdict(each) for each in trainings],
    }
    if len(trainings) > 1:
        found["cost.exponent.train"] = exponent(trainings, "seconds")
        found["cost.exponent.train_cpu"] = exponent(trainings, "cpu_seconds")
        found["cost.exponent.train_memory"] = exponent(trainings, "peak_mb")
    return found


def exponent(trainings: Sequence[Training], cost: str) -> float:
    """Return the exponent of a cost in the interactions, by least squares of the logarithms."""
    sizes = np.log([each.interactions for each in trainings])
    return round(float(np.polyfit(sizes, np.log([getattr(each, cost) for each in trainings]), 1)[0]), 3)


def _size(part: int) -> Size:
    return Size(FULL.products // part, FULL.customers // part, FULL.events // part)


def _measure(size: Size, folder: Path, *, renew: bool) -> Training:
    shop = folder / f"train-{size.events}"
    if renew or not (shop / "made.json").exists():
        _say(f"making a shop of {size.events:,} interactions")
        # In a process of its own: what this one held would count as held by its children.
        command = [sys.executable, "-m", "benchmarks.scale.train_shop"]
        subprocess.run([*command, *map(str, (size.products, size.customers, size.events)), str(shop)], check=True)
        (shop / "made.json").write_text(json.dumps(size.as_dict()))
    _say(f"training on {size.events:,} interactions")
    forget_training(shop / DATABASE)
    found = _train(size, shop)
    (shop / COST).write_text(json.dumps(asdict(found)))
    _say(f"{found.seconds:,.0f} s, {found.cpu_seconds:,.0f} s of processor time, {found.peak_mb:,.0f} MiB")
    return found


def _measured_before(size: Size, folder: Path) -> Training | None:
    """Return what the last training of the shop cost, None where none came to its end."""
    file = folder / f"train-{size.events}" / COST
    return Training(**json.loads(file.read_text())) if file.exists() else None


def _train(size: Size, shop: Path) -> Training:
    """Train from nothing; what the processes used is what the system says of them when they have ended."""
    printed = shop / "training.json"
    environment = os.environ | {"QUINTET_DATABASE_URL": f"sqlite:///{shop / DATABASE}"}
    started = time.monotonic()
    with printed.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "train", "--json"], cwd=ROOT, env=environment, stdout=out
        )
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if status:
        raise SystemExit(f"the training failed: {os.waitstatus_to_exitcode(status)}")
    return Training(
        *(size.products, size.customers, size.events),
        round(seconds, 1),
        round(used.ru_utime + used.ru_stime, 1),
        round(used.ru_maxrss / KIB_A_MIB, 1),
        _steps(json.loads(printed.read_text())),
        commit(),
    )


def _steps(result: dict[str, Any]) -> dict[str, float]:
    """Return the seconds of each step, and of the parts of the models' step."""
    steps = {name: float(result[name]["seconds"]) for name in STEPS}
    parts = ("read", "learn", "fit")
    return steps | {f"models.{part}": float(result["models"][f"{part}_seconds"]) for part in parts}


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.train", description=__doc__)
    say = parser.add_argument
    say("--parts", nargs="+", type=int, default=list(PARTS), help="shops of one in so many (default %(default)s)")
    say("--folder", type=Path, default=FOLDER, help="where the shops are kept (default %(default)s)")
    say(
        "--resume", action="store_true", help="take shops that were measured before as they were; each names its commit"
    )
    say("--renew", action="store_true", help="make the shops anew")
    return parser


if __name__ == "__main__":
    sys.exit(main())
