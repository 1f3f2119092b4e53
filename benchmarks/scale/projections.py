"""`python -m benchmarks.scale.projections`: how fast customer agents apply the log, by processes and partitions.

A PostgreSQL server of its own gets a shop and a log of events that nobody has applied. Then so many processes apply it
as customer agents do, without the rest of an agent. One event in a hundred is the login of a new visitor, which all
partitions wait for.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

from quintet.type.v1.event_pb2 import AddToCart, Event, HomeView, ProductQuantity, ProductView, Purchase, PurchaseLine

from benchmarks.machine import ROOT, commit, machine
from benchmarks.serving.results import Results
from shared.db import customers, event_log
from shared.db.engine import Connection, Database
from shared.db.event_log import CUSTOMER_CONSUMER, LoggedEvent, NewEvent
from shared.db.log_consumer import LogConsumer
from shared.db.migrate import migrate
from shared.db.projection import decode, project
from tests.support.postgres import find_binaries, running_server
from tests.support.shop import add_customers, add_products

CUSTOMERS, PRODUCTS, EVENTS = 5_000, 500, 40_000
AT_ONCE = 2_000
LOGIN_EVERY = 100
PART = "projections"
RESULTS = ROOT / "benchmarks" / "results" / "scale.json"


class Arrangement(NamedTuple):
    """So many processes apply the log of customers in so many partitions."""

    processes: int
    partitions: int


ARRANGEMENTS = (Arrangement(1, 1), Arrangement(2, 1), Arrangement(1, 4), Arrangement(2, 2), Arrangement(2, 4))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and keep the figures; return the exit code."""
    given = _parser().parse_args(arguments)
    results = Results.load(given.out)
    results.start(PART, {"machine": machine(), "commit": commit(), "events": given.events, "customers": CUSTOMERS})
    for arrangement in ARRANGEMENTS:
        rates = [_measure(arrangement, given.events) for _ in range(given.rounds)]
        name = f"{PART}.events_per_second.{arrangement.processes}_processes_{arrangement.partitions}_partitions"
        results.add(PART, name, max(rates), "1/s, the best round", rounds=[round(each) for each in rates])
        print(json.dumps({"name": name, "rounds": rates}), flush=True)
    results.save(given.out)
    return 0


def _measure(arrangement: Arrangement, events: int) -> float:
    """Return how many events all processes apply a second."""
    with _shop(events) as url:
        spawn = multiprocessing.get_context("spawn")
        barrier = spawn.Barrier(arrangement.processes + 1)
        work = [
            spawn.Process(target=_apply, args=(url, arrangement.partitions, barrier))
            for _ in range(arrangement.processes)
        ]
        for each in work:
            each.start()
        barrier.wait()
        began = time.monotonic()
        for each in work:
            each.join()
        return events / (time.monotonic() - began)


def _apply(url: str, partitions: int, barrier: Barrier) -> None:
    database = Database(url)
    consumer = LogConsumer(database, CUSTOMER_CONSUMER, _project, partitions=partitions)
    barrier.wait()
    while consumer.apply_batch():
        pass
    database.close()


def _project(connection: Connection, events: Sequence[LoggedEvent]) -> None:
    project(connection, decode(events))


@contextmanager
def _shop(events: int) -> Iterator[str]:
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("PostgreSQL is not installed: `apt-get install postgresql`")
    with running_server(binaries) as url:
        database = Database(url)
        migrate(database)
        add_customers(database, *(f"customer-{number}" for number in range(CUSTOMERS)))
        add_products(database, *(f"product-{number}" for number in range(PRODUCTS)))
        for first in range(0, events, AT_ONCE):
            _record(database, [_event(number) for number in range(first, min(first + AT_ONCE, events))])
        database.close()
        yield url


def _event(number: int) -> Event:
    event = Event(event_id=f"event-{number}", customer_id=f"customer-{number * 7919 % CUSTOMERS}")
    product = f"product-{number * 31 % PRODUCTS}"
    if number % LOGIN_EVERY == 0:
        event.MergeFrom(Event(visitor_id=f"visitor-{number}", home_view=HomeView()))
    elif number % 10 == 1:
        line = PurchaseLine(product_id=product)
        event.purchase.CopyFrom(Purchase(purchase_id=f"order-{number}", items=[line]))
    elif number % 10 == 2:
        event.add_to_cart.CopyFrom(AddToCart(items=[ProductQuantity(product_id=product)]))
    else:
        event.product_view.CopyFrom(ProductView(product_id=product))
    event.event_time.FromDatetime(datetime.now(UTC) - timedelta(seconds=EVENTS - number))
    return event


def _record(database: Database, events: Sequence[Event]) -> None:
    with database.write() as connection:
        keys = customers.resolve_customers(connection, {each.customer_id for each in events})
        new = [
            NewEvent(
                each.event_id,
                keys[each.customer_id],
                each.WhichOneof("detail") or "",
                each.event_time.ToDatetime(tzinfo=UTC),
                each.SerializeToString(),
                each.purchase.purchase_id or None,
            )
            for each in events
        ]
        event_log.append(connection, new)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.projections", description=__doc__)
    parser.add_argument("--events", type=int, default=EVENTS, help="in the log (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="of each arrangement (default %(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="file of the results (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
