"""`python -m benchmarks.web`: what HTTP costs over gRPC, and whether the OpenAPI document holds.

benchmarks/README.md says how it is measured.
"""

import argparse
import json
import random
import sys
from pathlib import Path

from benchmarks.machine import ROOT
from benchmarks.serving.bench import Bench, Options
from benchmarks.serving.generated import Size
from benchmarks.serving.plan import Material
from benchmarks.serving.results import Results
from benchmarks.web.latency import measure
from benchmarks.web.schema_check import check_document
from tests.support.cluster import free_ports

RESULTS = ROOT / "benchmarks" / "results" / "web.json"
FOLDER = ROOT / ".build" / "bench" / "web"
SHOP = Size(5_000, 5_000, 100_000)
LATENCY, SCHEMA = "latency", "schema"
MODES = {"kept": 300.0, "fresh": 0.0}
"""Seconds for which pages are kept, by how pages are answered: kept from a moment ago, or made anew."""
KEPT_CUSTOMERS = 20
"""Customers that are asked for again and again, so that nearly every page is a kept one."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = _parser().parse_args(arguments)
    results = Results.load(given.out)
    bench = Bench(Options(generated=SHOP, seed=given.seed, reuse=True), results, FOLDER)
    bench.start(LATENCY, pairs=given.pairs, shop=[SHOP.products, SHOP.customers, SHOP.events])
    _latency(bench, given.pairs)
    results.save(given.out)
    bench.start(SCHEMA, examples=given.examples, phases=given.phases)
    _schema(bench, given.examples, given.phases, given.minutes)
    results.save(given.out)
    print(given.out, file=sys.stderr)
    return 0


def _latency(bench: Bench, pairs: int) -> None:
    """Measure both kinds of pages; the figure of a percentile is that of the kind where HTTP costs more."""
    worst: dict[int, float] = {}
    for mode, kept_seconds in MODES.items():
        [port] = free_ports(1)
        with bench.agents(bench.generated, http_port=port, keep_pages_seconds=kept_seconds) as agents:
            rng = random.Random(bench.options.seed)  # noqa: S311 - a reproducible order of calls
            found = measure(agents.address, port, _customers(bench, rng, mode), pairs, rng)
        for percentile in (50, 99):
            overhead = found.overhead_ms(percentile)
            worst[percentile] = max(overhead, worst.get(percentile, overhead))
            bench.results.add(LATENCY, f"http.p{percentile}_overhead_{mode}_ms", overhead, "ms", pairs=pairs)
            bench.say(f"  {mode}: p{percentile} {overhead:+.2f} ms")
    for percentile, overhead in worst.items():
        bench.results.add(LATENCY, f"http.p{percentile}_overhead_ms", overhead, "ms", pairs=len(MODES) * pairs)


def _customers(bench: Bench, rng: random.Random, mode: str) -> list[str]:
    """Return customers of the shop to ask for, as often as they act."""
    shoppers = list(Material.read(bench.generated.folder, bench.options.seed).customers)
    return rng.sample(shoppers, KEPT_CUSTOMERS) if mode == "kept" else shoppers


def _schema(bench: Bench, examples: int, phases: str, minutes: float) -> None:
    [port] = free_ports(1)
    report = bench.scratch / "schemathesis.json"
    with bench.agents(bench.generated, http_port=port):
        found = check_document(
            f"http://127.0.0.1:{port}",
            report,
            examples=examples,
            seed=bench.options.seed,
            phases=phases,
            minutes=minutes,
        )
    for line in found.lines:
        bench.say(f"  {line}")
    bench.results.add(SCHEMA, "schemathesis.failures", found.failures, "failures")
    bench.results.add(SCHEMA, "schemathesis.cases", found.cases, "cases")
    bench.say(json.dumps({"cases": found.cases, "failures": found.failures}))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web", description=__doc__)
    say = parser.add_argument
    say("--pairs", type=int, default=3_000, help="pairs of calls of each kind of page (default: 3000)")
    say("--examples", type=int, default=20, help="cases by chance of an operation (default: 20)")
    say("--phases", default="examples,coverage,fuzzing,stateful", help="phases of schemathesis")
    say("--minutes", type=float, default=30.0, help="longest time of each of its two runs (default: 30)")
    say("--seed", type=int, default=0, help="seed of everything by chance (default: 0)")
    say("--out", type=Path, default=RESULTS, help="file of the results (default: benchmarks/results/web.json)")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
