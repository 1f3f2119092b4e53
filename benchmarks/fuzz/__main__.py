"""`python -m benchmarks.fuzz`: send odd requests to five real agents on loopback, and write what came of them."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.customer_pb2 import Customer
from quintet.type.v1.product_pb2 import Product

from benchmarks.fuzz.findings import Findings
from benchmarks.fuzz.generator import KNOWN_IDS, known_name
from benchmarks.fuzz.searcher import search
from benchmarks.fuzz.sender import JOBS, plan, send, targets
from benchmarks.machine import ROOT, commit, machine
from benchmarks.processes import own_mb_of
from benchmarks.serving.results import Results
from shared.config import AGENTS
from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.support.cluster import Cluster, coordinator_stub, running_cluster

RESULTS = ROOT / "benchmarks" / "results" / "fuzz.json"
PART = "fuzz"
INPUTS = 100_000
EXAMPLES = 100
SEED = 20_260_101
MOST_GROWTH_MB = 256
"""By how much an agent may grow between the two looks at memory: a leak of 4 KiB a request is more."""
WARM_SHARE = 0.3
"""Of the requests, before memory is looked at first: caches fill up to their limits by then."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code is 1 when something happened that must not."""
    given = _parser().parse_args(arguments)
    findings, grown, crashes, seconds = fuzz(given.inputs, given.seed, given.examples)
    results = Results.load(given.out)
    settings = {"machine": machine(), "commit": commit(), "seed": given.seed, "seconds": round(seconds)}
    results.start(PART, settings)
    for name, value, unit in (
        ("fuzz.inputs", findings.inputs, "requests"),
        ("fuzz.internal_errors", findings.internal_errors, "answers"),
        ("fuzz.hangs", findings.hangs, "calls"),
        ("fuzz.crashes", crashes, "agents"),
        ("fuzz.memory_growth_mb", max(grown.values()), "MiB, the agent that grew most"),
    ):
        results.add(PART, name, value, unit)
    results.phases += [{"part": PART, **row} for row in findings.rows()]
    results.save(given.out)
    for sample in findings.samples:
        print(sample, file=sys.stderr)
    print(f"{findings.by_code()}\n{grown}\n{given.out}", file=sys.stderr)
    return 1 if is_bad(findings, grown, crashes) else 0


def fuzz(inputs: int, seed: int, examples: int) -> tuple[Findings, dict[str, float], int, float]:
    """Return what came of the requests, by how many MiB each agent grew, how many died, and the seconds it took.

    `inputs` requests are drawn by the seed, and hypothesis makes up to `examples` for each method beside them.
    """
    findings = Findings()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'quintet.db'}"
        database = Database(url)
        migrate(database)
        database.close()
        with running_cluster(url, train_hours=0, optimize_hours=0, refresh_catalog_hours=0) as cluster:
            fill(cluster.address)
            started = time.monotonic()
            warm = round(inputs * WARM_SHARE)
            addresses = {agent: cluster.settings.address(agent) for agent in AGENTS}
            planned = plan(inputs, seed)
            asyncio.run(send(addresses, planned[:warm], seed, findings))
            before = memory(cluster)
            asyncio.run(send(addresses, planned[warm:], seed + warm, findings))
            search(addresses, [each for each in targets() if each.descriptor.name not in JOBS], examples, findings)
            grown = {agent: round(now - before[agent], 1) for agent, now in memory(cluster).items()}
            crashes = sum(cluster.restarts(agent) for agent in AGENTS)
            return findings, grown, crashes, time.monotonic() - started


def is_bad(findings: Findings, grown: dict[str, float], crashes: int) -> bool:
    """Say whether something happened that must not: an internal error, a hang, a death, or growth without end."""
    return bool(findings.internal_errors or findings.hangs or crashes or max(grown.values()) > MOST_GROWTH_MB)


def fill(address: str) -> None:
    """Make the things that requests name now and then."""
    numbers = range(KNOWN_IDS)
    products: list[Any] = [Product(product_id=known_name("product", each), name=f"Tea {each}") for each in numbers]
    customers = [Customer(customer_id=known_name("customer", each)) for each in numbers]
    with coordinator_stub(address) as stub:
        stub.BatchUpsertProducts(pb.BatchUpsertProductsRequest(products=products), timeout=30)
        stub.BatchUpsertCustomers(pb.BatchUpsertCustomersRequest(customers=customers), timeout=30)


def memory(cluster: Cluster) -> dict[str, float]:
    """Return what each agent holds alone, in MiB."""
    return {agent: own_mb_of(cluster.pid(agent)) for agent in AGENTS}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=INPUTS, help="requests to send (default %(default)s)")
    parser.add_argument("--examples", type=int, default=EXAMPLES, help="of hypothesis for each method (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="of the requests (default %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of the results")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
