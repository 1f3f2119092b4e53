"""A small trained shop, and load on it from outside: pages and events in turn."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.quiet import NO_JOBS
from benchmarks.serving.load import Loop, Measured, send
from benchmarks.serving.plan import Call
from shared.db.engine import Database
from shared.db.migrate import migrate
from tests.e2e import small_shop
from tests.support.cluster import Cluster, coordinator_stub, running_cluster

CALLS = 5_000
ALL = 100.0


def calls() -> list[Call]:
    """Return pages and views in turn, by all shoppers of the shop."""
    ids = [product.product_id for product in small_shop.products(small_shop.seeded())]
    return [
        call for number in range(CALLS) for call in _of_one(f"shopper-{number % small_shop.CUSTOMERS}", ids, number)
    ]


def _of_one(shopper: str, products: list[str], number: int) -> Iterator[Call]:
    asked = {"customerId": shopper, "limit": 10, "context": {"pageType": "PAGE_TYPE_HOME"}}
    yield {"method": "GetRecommendations", "group": "pages", "request": asked}
    viewed = {"event": {"customerId": shopper, "productView": {"productId": products[number % len(products)]}}}
    yield {"method": "RecordEvent", "group": "events", "request": viewed}


def make_shop(folder: Path) -> str:
    """Fill and train the shop in a new database; return its URL."""
    url = f"sqlite:///{folder / 'quintet.db'}"
    train_shop(url)
    return url


def train_shop(url: str, *, quick: bool = False) -> None:
    """Make the schema in an empty database, and fill and train the shop in it; `quick` trains a first model only."""
    database = Database(url)
    migrate(database)
    database.close()
    with running_cluster(url) as cluster, coordinator_stub(cluster.address) as stub:
        small_shop.fill(stub, quick=quick)


@contextmanager
def agents(url: str, settings: Mapping[str, Any] | None = None) -> Iterator[Cluster]:
    """Give running agents that start nothing by themselves."""
    with running_cluster(url, **(NO_JOBS | dict(settings or {}))) as cluster:
        yield cluster


@dataclass(frozen=True)
class Answered:
    """What came of a phase. Rates are a second; `p99_ms` is of the calls that were answered in full."""

    full: float
    answered: float
    refused_share: float
    p99_ms: float
    errors: dict[str, int]
    fallbacks: dict[str, int]


def run(address: str, loop: Loop, folder: Path) -> Answered:
    """Send the calls and return what came of them."""
    found = send(address, calls(), loop, folder)
    sent, errors = found.total("calls"), found.counted("errors")
    seconds = float(found.raw["seconds"])
    return Answered(
        full=found.total("full") / seconds,
        answered=(sent - sum(errors.values())) / seconds,
        refused_share=sum(errors.values()) / max(1, sent),
        p99_ms=_percentile_of_full(found, 99),
        errors=errors,
        fallbacks=found.counted("fallbacks"),
    )


def _percentile_of_full(found: Measured, percent: float) -> float:
    """Return a percentile of the full answers: the others stand behind them in the histogram, at the deadline."""
    return found.percentile(min(ALL, percent * found.full_share))
