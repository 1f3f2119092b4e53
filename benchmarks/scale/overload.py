"""`python -m benchmarks.scale.overload`: three times the load that the agents sustain, and what is still answered.

First a closed loop finds the peak. Then an open loop sends three times as much, whatever comes back, with a deadline of
a second. At the end it sends half of the peak: all of it should be answered again. Everything runs on this machine,
the load generator among it, so a share of the processor goes into sending what is refused.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.machine import commit, machine
from benchmarks.scale.load import Answered, agents, make_shop, run
from benchmarks.serving.load import Loop, build

TIMES = 3.0
DEADLINE_SECONDS = 1
CALLERS = 32
CONNECTIONS = 4
SECONDS = 20.0


def main(arguments: list[str] | None = None) -> int:
    """Run the command and print one JSON object; return its exit code."""
    given = _parser().parse_args(arguments)
    build()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with agents(given.database or make_shop(folder)) as cluster:
            phases = overload(cluster.address, given.seconds, folder)
    print(json.dumps(figures(phases) | {"machine": machine(), "commit": commit()}, indent=1))
    return 0


def overload(address: str, seconds: float, folder: Path) -> dict[str, Answered]:
    """Run the three phases; return what came of each by name: peak, overload, after."""
    closed = Loop(seconds, callers=CALLERS, connections=CONNECTIONS)
    run(address, closed, folder)  # the agents read every shopper once
    peak = run(address, closed, folder)
    too_much = _open(peak.full * TIMES, seconds)
    return {
        "peak": peak,
        "overload": run(address, too_much, folder),
        "after": run(address, _open(peak.full / 2, seconds / 2), folder),
    }


def figures(phases: dict[str, Answered]) -> dict[str, Any]:
    """Return the figures of the benchmark, and the phases that they come from."""
    peak, during, after = phases["peak"], phases["overload"], phases["after"]
    return {
        "overload.goodput_ratio": round(during.full / peak.full, 3),
        "overload.answered_ratio": round(during.answered / peak.full, 3),
        "overload.accepted_p99_ms": round(during.p99_ms, 1),
        "overload.refused_share": round(during.refused_share, 3),
        "overload.refused_share_after": round(after.refused_share, 4),
        "phases": {name: asdict(phase) for name, phase in phases.items()},
    }


def _open(rate: float, seconds: float) -> Loop:
    return Loop(seconds, rate=rate, connections=CONNECTIONS, deadline_seconds=DEADLINE_SECONDS)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each phase (default %(default)s)")
    parser.add_argument("--database", default="", help="URL of a filled and trained database; default a small shop")
    return parser


if __name__ == "__main__":
    sys.exit(main())
