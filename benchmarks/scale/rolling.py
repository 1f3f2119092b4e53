"""`python -m benchmarks.scale.rolling`: calls that fail while every process is replaced, one after the other.

Two replicas of each agent run on a PostgreSQL server of their own. Shoppers ask for pages and record events all the
time, over both coordinators. Each process is told to stop, ends by itself and is started again; the next follows when
it serves. Part `drain` starts the same release again. Part `upgrade` migrates the database with a newer release while
the older one serves, and starts that one: by default this source with one more migration; with `--release-before`,
this source after that revision.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import grpc
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.customer_pb2 import Customer
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.product_pb2 import Product

from benchmarks.machine import ROOT, commit, machine
from benchmarks.scale.releases import migrate_with, release_after, release_before
from benchmarks.serving.results import Results
from shared.config import Agent
from tests.support.cluster import coordinator_stub
from tests.support.postgres import find_binaries, running_server
from tests.support.replicas import EACH, Replicas, running_replicas
from tests.support.shoppers import Done, Shoppers

CUSTOMERS = [f"customer-{number}" for number in range(100)]
PRODUCTS = [f"product-{number}" for number in range(200)]
PRICE = Money(currency_code="USD", amount_minor=250)
FILL_SECONDS = 60.0
AGAIN_SECONDS = 0.1
ROUNDS = 20
ORDER: tuple[Agent, ...] = ("recommendation", "product", "customer", "feedback", "coordinator")
"""Coordinators last: they call what the newer agents offer."""
DRAIN, UPGRADE = "drain", "upgrade"
RESULTS = ROOT / "benchmarks" / "results" / "scale.json"


def make_shop(target: str) -> None:
    """Add products and customers through the coordinators."""
    products = [Product(product_id=each, name=each, price=PRICE) for each in PRODUCTS]
    customers = [Customer(customer_id=each) for each in CUSTOMERS]
    with coordinator_stub(target) as stub:
        _until_reached(stub.BatchUpsertProducts, pb.BatchUpsertProductsRequest(products=products))
        _until_reached(stub.BatchUpsertCustomers, pb.BatchUpsertCustomersRequest(customers=customers))


def _until_reached(method: Callable[..., object], request: object) -> None:
    """Call again while an agent is not reached: what is said to serve may not be connected yet. Raises RpcError."""
    until = time.monotonic() + FILL_SECONDS
    while True:
        try:
            method(request, timeout=FILL_SECONDS)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE or time.monotonic() > until:
                raise
            time.sleep(AGAIN_SECONDS)
        else:
            return


def replace_all(replicas: Replicas, between: int, after: Path | None = None, url: str = "") -> Done:
    """Replace each process under load: by one of the same release, or after a migration by one of the release `after`.

    `between` two replacements shoppers make so many rounds of calls. Raises what stopped a shopper.
    """
    with Shoppers(replicas.target, CUSTOMERS) as shoppers:
        shoppers.wait_for_rounds(between)
        if after is not None:
            migrate_with(after, url)
        for each in sorted(replicas.every, key=lambda replica: ORDER.index(replica.agent)):
            each.stop()
            each.source = after or each.source
            each.start()
            shoppers.wait_for_rounds(between)
    for error in shoppers.errors:
        raise error
    return shoppers.done


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep the figures; return the exit code, 1 where calls failed."""
    given = _parser().parse_args(arguments)
    results, failed = Results.load(given.out), 0
    for part in given.only:
        done = _measure(part, given.release_before, given.rounds)
        results.start(part, {"machine": machine(), "commit": commit(), **_facts(part, given.release_before, done)})
        results.add(part, f"{part}.failed_calls", done.failed.total(), "calls, while each of 10 processes is replaced")
        results.add(part, f"{part}.calls", done.calls, "calls in all")
        print(f"{part}: {done.summary()}")
        failed += done.failed.total()
    results.save(given.out)
    return 1 if failed else 0


def _measure(part: str, before: str, rounds: int) -> Done:
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL is not installed: `apt-get install postgresql`")
    with tempfile.TemporaryDirectory() as name, running_server(binaries) as url:
        folder = Path(name)
        old, new = _sources(part, before, folder)
        migrate_with(old, url)
        with running_replicas(url, folder, source=old) as replicas:
            make_shop(replicas.target)
            return replace_all(replicas, rounds, new, url)


def _sources(part: str, before: str, folder: Path) -> tuple[Path, Path | None]:
    """Return the folders of the release that runs first and of the one that replaces it; None: the same."""
    if part == DRAIN:
        return ROOT, None
    other = folder / "release"
    other.mkdir()
    return (release_before(before, other), ROOT) if before else (ROOT, release_after(other))


def _facts(part: str, before: str, done: Done) -> dict[str, object]:
    upgrade = f"from {before}" if before else "to this source with one more migration"
    return {
        "replicas": EACH,
        "failed": dict(done.failed),
        "fallbacks": dict(done.fallbacks),
        "slowest_page_seconds": round(done.slowest_seconds, 2),
    } | ({"upgrade": upgrade} if part == UPGRADE else {})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.rolling", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", choices=(DRAIN, UPGRADE), default=[DRAIN, UPGRADE], help="parts to measure"
    )
    parser.add_argument("--release-before", default="", help="revision of the history to upgrade from, such as a tag")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of calls between two (default %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of the results (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
