"""A small shop with a catalogue and two months of history, filled through the public contract."""

import random
import time
from datetime import UTC, datetime, timedelta

import grpc
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from quintet.type.v1 import customer_pb2, event_pb2, job_pb2, money_pb2, product_pb2
from quintet.type.v1.metric_pb2 import MetricQuery, MetricReport

CATEGORIES = ("Coffee", "Tea", "Cheese", "Bread", "Pasta", "Soap")
PRODUCTS_PER_CATEGORY = 10
CUSTOMERS = 60
BASKETS_PER_CUSTOMER = 5
REGIONS = ("store 367", "store 406", "store 31862")
CALL_SECONDS = 30.0
JOB_SECONDS = 600.0


def fill(stub: CoordinatorServiceStub, seed: int = 1, quick: bool = False) -> None:
    """Add products, customers and events, wait until every agent has applied them, then relate products and train.

    `quick` trains a first model, which is ready sooner.
    """
    rng = seeded(seed)
    stub.BatchUpsertProducts(pb.BatchUpsertProductsRequest(products=products(rng)), timeout=CALL_SECONDS)
    stub.BatchUpsertCustomers(pb.BatchUpsertCustomersRequest(customers=customers(rng)), timeout=CALL_SECONDS)
    answer = stub.BatchRecordEvents(pb.BatchRecordEventsRequest(events=events(rng)), timeout=CALL_SECONDS)
    assert not answer.rejections, answer.rejections[0]
    wait_until_applied(stub)
    finish(stub, stub.RefreshCatalog(pb.RefreshCatalogRequest(), timeout=CALL_SECONDS).job)
    finish(stub, stub.TrainModels(pb.TrainModelsRequest(quick=quick), timeout=CALL_SECONDS).job)


def seeded(seed: int = 1) -> random.Random:
    """Return the chance that makes the shop."""
    return random.Random(seed)  # a reproducible shop, not a secret


def products(rng: random.Random) -> list[product_pb2.Product]:
    """Return ten products of each category."""
    return [
        product_pb2.Product(
            product_id=f"{category}-{number}".lower(),
            name=f"{category} number {number}",
            description=f"Our {category.lower()}, sort {number}.",
            category=category,
            brand=f"Brand {number % 4}",
            price=money_pb2.Money(currency_code="USD", amount_minor=rng.randrange(99, 1999)),
        )
        for category in CATEGORIES
        for number in range(PRODUCTS_PER_CATEGORY)
    ]


def customers(rng: random.Random) -> list[customer_pb2.Customer]:
    """Return customers of three regions and every age."""
    return [
        customer_pb2.Customer(
            customer_id=f"shopper-{number}",
            demographics=customer_pb2.Demographics(region=REGIONS[number % len(REGIONS)], age=rng.randrange(18, 80)),
        )
        for number in range(CUSTOMERS)
    ]


def events(rng: random.Random) -> list[event_pb2.Event]:
    """Return views and baskets: each customer keeps to two neighbouring categories."""
    now = datetime.now(UTC)
    found = []
    for number in range(CUSTOMERS):
        for basket in range(BASKETS_PER_CUSTOMER):
            then = Timestamp()
            then.FromDatetime(now - timedelta(days=60 * rng.random()))
            ids = [pick(rng, number), pick(rng, number + 1)]
            view = event_pb2.ProductView(product_id=ids[0], duration_seconds=rng.randrange(5, 120))
            lines = [event_pb2.PurchaseLine(product_id=each, quantity=1) for each in dict.fromkeys(ids)]
            purchase = event_pb2.Purchase(purchase_id=f"basket-{number}-{basket}", items=lines)
            shopper = f"shopper-{number}"
            found += [
                event_pb2.Event(customer_id=shopper, event_time=then, product_view=view),
                event_pb2.Event(customer_id=shopper, event_time=then, purchase=purchase),
            ]
    return found


def pick(rng: random.Random, category: int) -> str:
    """Return a product of the category, low numbers more often."""
    number = min(rng.randrange(PRODUCTS_PER_CATEGORY), rng.randrange(PRODUCTS_PER_CATEGORY))
    return f"{CATEGORIES[category % len(CATEGORIES)]}-{number}".lower()


def wait_until_applied(stub: CoordinatorServiceStub) -> None:
    """Wait until no agent is behind the event log."""
    give_up = time.monotonic() + CALL_SECONDS
    while any(agent.behind for agent in stub.GetStatus(pb.GetStatusRequest(), timeout=CALL_SECONDS).agents):
        assert time.monotonic() < give_up, "agents do not catch up"
        time.sleep(0.05)


def whole_metrics(stub: CoordinatorServiceStub, query: MetricQuery, seconds: float = CALL_SECONDS) -> MetricReport:
    """Return metrics as soon as all that was recorded is in them."""
    give_up = time.monotonic() + seconds
    while True:
        report = stub.GetMetrics(pb.GetMetricsRequest(query=query), timeout=CALL_SECONDS).report
        if not report.pending_events and not report.pending_changes:
            return report
        assert time.monotonic() < give_up, f"not measured in time: {report}"
        time.sleep(0.05)


def finish(stub: CoordinatorServiceStub, job: job_pb2.Job) -> None:
    """Watch a job to its end, which must be a good one."""
    give_up = time.monotonic() + JOB_SECONDS
    last = job
    while last.state == job_pb2.JOB_STATE_RUNNING:
        try:
            *_, seen = stub.WatchJob(pb.WatchJobRequest(job_id=job.job_id), timeout=give_up - time.monotonic())
            last = seen.job
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:  # a connection ends after some minutes: watch again
                raise
    assert last.state == job_pb2.JOB_STATE_SUCCEEDED, f"{job.kind}: {last.error}"
