"""The parts of the benchmark. Each runs the thing itself and can be run alone."""

import json
import os
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from quintet.coordinator.v1 import coordinator_service_pb2 as pb

from benchmarks.command import import_file, quintet
from benchmarks.machine import commit, machine
from benchmarks.processes import peak_mb_of
from benchmarks.serving.load import Loop, build, send
from benchmarks.serving.plan import Material, Planner
from benchmarks.serving.results import Results
from shared.config import AGENTS
from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.support.cluster import cluster_settings, coordinator_stub, running_cluster
from tests.support.shop import add_customers, add_products
from tests.support.under_fire import Traffic, kill_each_agent

KINDS = ("customers", "products", "events")
FAULT_CUSTOMERS, FAULT_PRODUCTS, FAULT_EVENTS = 20, 30, 2_000
SERVED_SECONDS, SERVED_CALLERS, PLANNED = 20.0, 8, 2_000
RETAIL = "online_retail_2010_2011/transactions.parquet"
RETAIL_OPTIONS: dict[str, Sequence[str]] = {
    "products": ("StockCode=product_id", "Description=name", "UnitPrice=price"),
    "customers": ("CustomerID=customer_id", "Country=region"),
    "events": (
        "InvoiceNo=order_id",
        "StockCode=product_id",
        "Quantity=quantity",
        "UnitPrice=price",
        "InvoiceDate=timestamp",
        "CustomerID=customer_id",
    ),
}
RETAIL_MORE: dict[str, Sequence[str]] = {
    "products": ("--currency", "GBP", "--existing", "keep"),
    "customers": ("--existing", "keep"),
    "events": (
        *("--event-type", "purchase", "--currency", "GBP", "--timezone", "Europe/London"),
        *("--guests", "visitor", "--negative-quantity", "refund"),
    ),
}
"""As docs/interchange.md says."""


@dataclass(frozen=True)
class Bench:
    """Where things are, and where what is found goes."""

    results: Results
    folder: Path
    data: Path
    junit: Path | None = None
    coverage: Path | None = None

    def start(self, part: str) -> None:
        """Begin a part."""
        self.say(f"== {part}")
        self.results.start(part, {"commit": commit(), "machine": machine(), "load": round(os.getloadavg()[0], 2)})

    def add(self, part: str, name: str, value: float, unit: str, **more: Any) -> None:
        """Keep a figure and show it."""
        self.results.add(part, name, value, unit, **more)
        self.say(f"  {name} {value:g} {unit}")

    @staticmethod
    def say(text: str) -> None:
        """Show progress."""
        print(text, file=sys.stderr, flush=True)


def demo(bench: Bench) -> None:
    """Run `quintet demo` from nothing to the printed journey."""
    bench.start("demo")
    folder = bench.folder / "demo"
    settings = cluster_settings("sqlite://")
    ports = {f"QUINTET_{agent.upper()}_PORT": str(settings.port(agent)) for agent in AGENTS}
    addresses = {f"QUINTET_{agent.upper()}_ADDRESS": settings.address(agent) for agent in AGENTS}
    metrics = {f"QUINTET_{agent.upper()}_METRICS_PORT": "0" for agent in AGENTS}
    others = {"QUINTET_HTTP_PORT": "0"}
    found = quintet(ports | addresses | metrics | others, "demo", "--folder", str(folder), "--json")
    bench.add("demo", "demo.seconds", found["seconds"], "s after set-up", failures=len(found["failures"]))
    bench.add("demo", "train.seconds", found["timings"]["training"], "s, the demo shop")
    for name in ("data", "import", "start", "journey"):
        bench.add("demo", f"demo.{name}_seconds", found["timings"][name], "s")


def importing(bench: Bench) -> None:
    """Import the files of the demo into an empty database."""
    bench.start("import")
    files = bench.folder / "import"
    quintet({}, "demo-data", str(files), "--shift-to-now", "--json")
    url = _fresh(files / "quintet.db")
    for kind in KINDS:
        summary = import_file({"QUINTET_DATABASE_URL": url}, kind, files / f"{kind}.parquet")
        counted = {"rows": summary["imported"], "rejected": summary["rejected"], "seconds": summary["seconds"]}
        rate = summary["imported"] / summary["seconds"]
        bench.add("import", f"import.{kind}_per_second", rate, "rows/s", **counted)


def memory(bench: Bench) -> None:
    """Start the five agents on the demo's database, ask them for all pages with events, and read their peaks."""
    folder = bench.folder / "demo"
    if not (folder / "quintet.db").is_file():
        demo(bench)
    bench.start("memory")
    build()
    calls = Planner(Material.read(folder, 0), 0).with_events(PLANNED)
    with running_cluster(f"sqlite:///{folder / 'quintet.db'}") as cluster:
        loop = Loop(SERVED_SECONDS, callers=SERVED_CALLERS)
        found = send(cluster.address, calls, loop, bench.folder)
        for agent in AGENTS:
            peak = peak_mb_of(cluster.pid(agent))
            bench.add("memory", f"peak_mb.{agent}", peak, "MiB", calls=found.total("calls"))


def faults(bench: Bench) -> None:
    """Kill each agent while events are sent, and count what was acknowledged and what was stored."""
    bench.start("faults")
    customers = [f"c{number}" for number in range(FAULT_CUSTOMERS)]
    products = [f"p{number}" for number in range(FAULT_PRODUCTS)]
    database = Database(_fresh(bench.folder / "faults" / "quintet.db"))
    try:
        add_customers(database, *customers)
        add_products(database, *products)
        with running_cluster(database.url, apply_timeout_seconds=0.5) as cluster:
            survived = kill_each_agent(cluster, database, Traffic(FAULT_EVENTS, customers, products))
    finally:
        database.close()
    bench.add("faults", "faults.kills", len(survived.healed), "kill -9, one of each agent")
    bench.add("faults", "faults.acknowledged", len(set(survived.acknowledged)), "events")
    bench.add("faults", "faults.stored", len(survived.stored), "events", again=survived.again)
    bench.add("faults", "faults.lost", len(set(survived.acknowledged) - set(survived.stored)), "events")
    bench.add("faults", "faults.doubled", len(survived.stored) - len(set(survived.stored)), "events")
    longest = max(survived.healed.values())
    bench.add("faults", "faults.recovery_seconds_max", longest, "s, without a trained model", each=survived.healed)


def foreign(bench: Bench) -> None:
    """Import Online Retail as it comes, train on it, and ask."""
    file = bench.data / RETAIL
    if not file.is_file():
        bench.say(f"foreign: left out, there is no {file}")
        return
    bench.start("foreign")
    url = _fresh(bench.folder / "foreign" / "quintet.db")
    environment = {"QUINTET_DATABASE_URL": url}
    bench.add("foreign", "foreign.lines", pq.read_metadata(file).num_rows, "lines in the file")
    for kind, mapped in RETAIL_OPTIONS.items():
        maps = [word for pair in mapped for word in ("--map", pair)]
        rejects = str(bench.folder / "foreign" / f"{kind}.rejects.jsonl")
        summary = import_file(environment, kind, file, *maps, *RETAIL_MORE[kind], "--rejects", rejects)
        bench.add("foreign", f"foreign.{kind}_imported", summary["imported"], "lines", rejected=summary["rejected"])
        bench.add("foreign", f"foreign.{kind}_seconds", summary["seconds"], "s")
    started = time.monotonic()
    quintet(environment, "train", "--json")
    bench.add("foreign", "foreign.train_seconds", time.monotonic() - started, "s")
    _ask(bench, url, str(pq.read_table(file, columns=["CustomerID"])["CustomerID"].drop_null()[0]))


def tests(bench: Bench) -> None:
    """Read what `make test` left: the report of pytest and the coverage."""
    if bench.junit is None or bench.coverage is None:
        bench.say("tests: left out, give --junit and --coverage")
        return
    bench.start("tests")
    for name, value in suite_counts(bench.junit).items():
        bench.add("tests", f"tests.{name}", value, "s" if name == "seconds" else "tests")
    totals = json.loads(bench.coverage.read_text())["totals"]
    covered = totals["percent_covered"]
    bench.add("tests", "tests.branch_coverage", covered, "% of lines and branches", branches=totals["num_branches"])


def suite_counts(junit: Path) -> dict[str, float]:
    """Return how many tests ran, failed (errors included) and were skipped, and the seconds, from a JUnit file."""
    suites = list(ET.parse(junit).getroot().iter("testsuite"))  # noqa: S314 - our own file

    def counted(name: str) -> int:
        return sum(int(suite.get(name, 0)) for suite in suites)

    failed = counted("failures") + counted("errors")
    seconds = sum(float(suite.get("time", 0)) for suite in suites)
    return {"run": counted("tests"), "failed": failed, "skipped": counted("skipped"), "seconds": seconds}


PARTS: dict[str, Callable[[Bench], None]] = {
    "demo": demo,
    "import": importing,
    "memory": memory,
    "faults": faults,
    "foreign": foreign,
    "tests": tests,
}
"""By name, in their order."""


def _ask(bench: Bench, url: str, customer: str) -> None:
    with running_cluster(url) as cluster, coordinator_stub(cluster.address) as stub:
        answer = stub.GetRecommendations(pb.GetRecommendationsRequest(customer_id=customer, limit=10), timeout=30).list
    count, fallbacks = len(answer.recommendations), list(answer.fallbacks)
    bench.add("foreign", "foreign.recommended", count, "products", strategy=answer.strategy, fallbacks=fallbacks)


def _fresh(path: Path) -> str:
    """Make an empty database in the place of what is there and return its address."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return database.url
