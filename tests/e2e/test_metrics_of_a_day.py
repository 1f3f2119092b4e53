"""Every metric of a scripted day, against numbers that are computed by hand here.

The day is yesterday. Amounts are US dollars; products cost the shop 6 (tea) and 15 (cup), of the others nobody knows.

| when | who | what |
|---|---|---|
| 10:00 | ann | looks at the home page; list A: tea and cup by ease, pot by content |
| 10:01 | ann | sees all of A |
| 10:02 | ann | clicks tea of A, then pot of A |
| 10:03 | ann | puts two tea into the cart |
| 10:05 | ann | buys o1: two tea, 20 |
| 15:00 | bob | looks at tea; list B: tea by ease, jam by content |
| 15:01 | bob | sees all of B |
| 15:02 | bob | dismisses jam of B |
| 15:03 | bob | clicks tea of B |
| 15:05 | bob | buys o2: a tea and a pot, 10 + 50 |
| 16:00 | bob | gets the pot's 50 back |
| 18:00 | ann | looks at the home page; list C: jam by ease, cup by content, which she does not see |
| 18:05 | ann | buys o3: a cup, 20 |
| 19:00 | ann | gets 10 back for one tea of o1 |
| 20:00 | bob | searches |

So ann has the sessions 10:00 and 18:00, bob 15:00 and 20:00. Refunds are no visits.
"""

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.coordinator.v1.coordinator_service_pb2_grpc import CoordinatorServiceStub
from quintet.type.v1 import customer_pb2, event_pb2, money_pb2, product_pb2, recommendation_pb2
from quintet.type.v1.metric_pb2 import MetricFilter, MetricQuery, MetricTable, MetricValue
from sqlalchemy import select
from typer.testing import CliRunner

from cli.main import app
from services.feedback.metrics.definitions import DEFINITIONS
from shared.db import agent_samples, lifetime_values, models, segments
from shared.db.engine import Database
from shared.db.lifetime_values import Prediction
from shared.db.migrate import migrate
from shared.db.product_embeddings import store_embeddings
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList, log_recommendations
from shared.db.schema import customers, products
from shared.db.segments import RFM, Segment
from shared.db.token_keys import load_token_keys
from shared.monitoring.sample import Sample
from shared.recommendation_tokens import LIST_BITS, Shopper, TokenKeys, number_at
from tests.e2e.small_shop import whole_metrics
from tests.support.cluster import Cluster, coordinator_stub, running_cluster

MIDNIGHT = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
PRICES = {"tea": (1000, 600), "cup": (2000, 1500), "pot": (5000, None), "jam": (500, None), "oil": (900, None)}
VECTORS = {"tea": (1, 0), "cup": (0, 1), "pot": (-1, 0), "jam": (0, -1)}
LISTS: dict[str, tuple[str, int, str, str, list[tuple[str, str]]]] = {
    "A": ("ann", 10, "HOME", "home-top", [("tea", "ease"), ("cup", "ease"), ("pot", "content")]),
    "B": ("bob", 15, "PRODUCT", "", [("tea", "ease"), ("jam", "content")]),
    "C": ("ann", 18, "HOME", "home-top", [("jam", "ease"), ("cup", "content")]),
}
Z = 1.959963984540054


def at(hour: int, minute: int = 0) -> datetime:
    """Return a moment of the day."""
    return MIDNIGHT + timedelta(hours=hour, minutes=minute)


def usd(cents: int) -> money_pb2.Money:
    return money_pb2.Money(currency_code="USD", amount_minor=cents)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Five agents with the shop after its day."""
    url = f"sqlite:///{tmp_path_factory.mktemp('day') / 'quintet.db'}"
    database = Database(url)
    migrate(database)
    with running_cluster(url, refresh_catalog_hours=0) as cluster:
        with coordinator_stub(cluster.address) as stub:
            open_shop(stub)
            prepare(database)
            tokens = load_token_keys(cluster.settings, database)
            live(stub, tokens)
            whole_metrics(stub, of_the_day())
        yield cluster
    database.close()


def open_shop(stub: CoordinatorServiceStub) -> None:
    shelf = [
        product_pb2.Product(
            product_id=name, name=name, category="Goods", price=usd(price), cost=None if cost is None else usd(cost)
        )
        for name, (price, cost) in PRICES.items()
    ]
    stub.BatchUpsertProducts(pb.BatchUpsertProductsRequest(products=shelf), timeout=30)
    people = [customer_pb2.Customer(customer_id=name) for name in ("ann", "bob")]
    stub.BatchUpsertCustomers(pb.BatchUpsertCustomersRequest(customers=people), timeout=30)


def prepare(database: Database) -> None:
    """Store what a training, a refresh of segments, answers and the monitor would: all that the numbers depend on."""
    models.save_model(database, "embedding_space", "by-hand", b"", {})
    with database.write() as connection:
        product = {row.external_id: row.product_id for row in connection.execute(select(products))}
        person = {row.external_id: row.customer_id for row in connection.execute(select(customers))}
        vectors = np.array(list(VECTORS.values()), dtype=np.float32)
        store_embeddings(connection, "by-hand", [product[name] for name in VECTORS], vectors)
        keys = segments.replace_segments(connection, [Segment(name, RFM, {}) for name in ("champions", "new")])
        members = {person["ann"]: [(keys["champions"], 0.9)], person["bob"]: [(keys["new"], 0.8)]}
        segments.replace_memberships(connection, members)
        expected = [Prediction(person["ann"], 9000, 3.0, 0.9), Prediction(person["bob"], 3000, 1.0, 0.5)]
        lifetime_values.replace_predictions(connection, "USD", expected, 365, datetime.now(UTC))
        lists = []
        for name, (who, hour, page, placement, items) in LISTS.items():
            packed = PackedItems.of([ListItem(n, product[key], 1.0, by) for n, (key, by) in enumerate(items, 1)])
            number = list_id(name)
            lists.append(NewList(number, "r", person[who], page, at(hour), packed, "hybrid", "m-1", placement))
        log_recommendations(connection, lists)
    for minute, sample in (
        (5, Sample(300.0, 100, 0, 10.0, 40.0, 0.5, 200.0, answers=90)),
        (10, Sample(300.0, 300, 0, 20.0, 30.0, 1.0, 250.0, answers=210)),
    ):
        agent_samples.store(database, "recommendation", "scripted", sample, at(12, minute))


def list_id(name: str) -> int:
    """Return the number of a list, of a writer that is none of the agents."""
    return (900 << LIST_BITS) + ord(name)


def live(stub: CoordinatorServiceStub, tokens: TokenKeys) -> None:
    """Let the day happen, by calls of the coordinator."""

    def named(name: str, position: int) -> str:
        return tokens.issue(number_at(list_id(name), position), Shopper(LISTS[name][0]))

    def event(who: str, hour: int, minute: int, recommendation: str = "", **detail: Any) -> event_pb2.Event:
        made = event_pb2.Event(event_id=f"{who}-{hour}-{minute}-{len(day)}", customer_id=who, **detail)
        made.recommendation_id = recommendation
        made.event_time.FromDatetime(at(hour, minute))
        day.append(made)
        return made

    def see(name: str, hour: int, minute: int) -> None:
        ids = [named(name, place + 1) for place in range(len(LISTS[name][4]))]
        event(LISTS[name][0], hour, minute, impression={"recommendation_ids": ids})

    def click(name: str, position: int, hour: int, minute: int) -> None:
        product = LISTS[name][4][position - 1][0]
        event(LISTS[name][0], hour, minute, named(name, position), product_view={"product_id": product})

    def buy(who: str, hour: int, minute: int, order: str, *lines: tuple[str, int, int]) -> None:
        items = [{"product_id": name, "quantity": units, "amount": usd(cents)} for name, units, cents in lines]
        event(who, hour, minute, purchase={"purchase_id": order, "items": items})

    def give_back(who: str, hour: int, order: str, product: str) -> None:
        event(who, hour, 0, refund={"purchase_id": order, "items": [{"product_id": product, "quantity": 1}]})

    day: list[event_pb2.Event] = []
    event("ann", 10, 0, home_view={})
    see("A", 10, 1)
    click("A", 1, 10, 2)
    click("A", 3, 10, 2)
    event("ann", 10, 3, add_to_cart={"items": [{"product_id": "tea", "quantity": 2}]})
    buy("ann", 10, 5, "o1", ("tea", 2, 2000))
    event("bob", 15, 0, product_view={"product_id": "tea"})
    see("B", 15, 1)
    click("B", 1, 15, 3)
    buy("bob", 15, 5, "o2", ("tea", 1, 1000), ("pot", 1, 5000))
    give_back("bob", 16, "o2", "pot")
    event("ann", 18, 0, home_view={})
    buy("ann", 18, 5, "o3", ("cup", 1, 2000))
    give_back("ann", 19, "o1", "tea")
    event("bob", 20, 0, search={"query": "mug"})
    answer = stub.BatchRecordEvents(pb.BatchRecordEventsRequest(events=day), timeout=30)
    assert not answer.rejections, answer.rejections[0]
    dismissal = recommendation_pb2.Feedback(
        feedback_id="dismissed",
        recommendation_id=named("B", 2),
        customer_id="bob",
        interaction_type=recommendation_pb2.InteractionType.INTERACTION_TYPE_DISMISS,
    )
    dismissal.interaction_time.FromDatetime(at(15, 2))
    stub.RecordFeedback(pb.RecordFeedbackRequest(feedback=dismissal), timeout=30)


def of_the_day(*by: str, **only: str) -> MetricQuery:
    filters = [MetricFilter(dimension=name, values=[value]) for name, value in only.items()]
    query = MetricQuery(dimensions=by, filters=filters)
    query.start_time.FromDatetime(MIDNIGHT)
    query.end_time.FromDatetime(MIDNIGHT + timedelta(days=1))
    return query


def measured(cluster: Cluster, *by: str, **only: str) -> dict[str, dict[tuple[str, ...], MetricValue]]:
    """Return values by metric and dimensions; there is one currency."""
    with coordinator_stub(cluster.address) as stub:
        report = stub.GetMetrics(pb.GetMetricsRequest(query=of_the_day(*by, **only)), timeout=30).report
    found: dict[str, dict[tuple[str, ...], MetricValue]] = {}
    for each in report.values:
        found.setdefault(each.metric, {})[tuple(every.value for every in each.dimensions)] = each
    return found


BY_HAND = {
    "sessions": 4,
    "orders": 3,
    # Sessions with an order: ann's 10:00 and 18:00, bob's 15:00.
    "conversion_rate": 3 / 4,
    "orders_per_session": 3 / 4,
    # Orders 20 + 60 + 20 less what was paid back, 50 + 10.
    "revenue": 4000,
    "average_order_value": 4000 / 3,
    "revenue_per_session": 4000 / 4,
    # What was kept and has a cost: a tea of o1 for 10, a tea of o2 for 10, the cup of o3 for 20; less 6 + 6 + 15.
    "margin": 1300,
    "margin_rate": 1300 / 4000,
    # 60 paid back of 100.
    "refund_rate": 0.6,
    # Average purchase value 40 / 3; 3 orders / 2 buyers / 1 day; from first to last order 1/3 day (ann) and 0 (bob).
    "customer_lifetime_value": 4000 / 3 * (3 / 2 / 1) * ((1 / 3 + 0) / 2),
    # Stored by `prepare`: 90 for ann, 30 for bob.
    "predicted_lifetime_value": 6000,
    # Three of A, two of B; C was not seen.
    "recommendations_shown": 5,
    # tea and pot of A, tea of B.
    "click_through_rate": 3 / 5,
    # tea of A.
    "add_to_cart_rate": 1 / 5,
    # tea of A by o1, of which one tea is left; tea of B by o2.
    "recommendation_conversion_rate": 2 / 5,
    # cup of A, seen and not clicked, by o3.
    "view_through_rate": 1 / 5,
    # jam of B.
    "dismissal_rate": 1 / 5,
    # tea of o1 20 - 10, tea of o2 10.
    "attributed_revenue": 2000,
    # 10 - 6 each.
    "attributed_margin": 800,
    # tea, cup, pot and jam of five products.
    "catalogue_coverage": 4 / 5,
    # Distances in A: tea-cup 1, tea-pot 2, cup-pot 1, mean 4/3. In B: tea-jam 1.
    "diversity": (4 / 3 + 1) / 2,
    # Orders with tea 2, cup 1, pot 1, jam 0; so popularity 1, 1/2, 1/2, 0. Responded to: tea of A 1 - 1, pot of A
    # 1 - 1/2, tea of B 1 - 1; of five shown.
    "serendipity": 0.5 / 5,
    # Medians 10 and 20, weighed with 100 and 300 calls.
    "response_time_p50": (100 * 10 + 300 * 20) / 400,
    "response_time_p99": 40,
    "peak_memory": 250,
    "mean_cpu": (0.5 * 300 + 1.0 * 300) / 600,
    # 90 + 210 answers in ten minutes.
    "throughput": 300 / 600,
}


def test_every_metric_is_computed_by_hand() -> None:
    assert list(BY_HAND) == list(DEFINITIONS)


@pytest.mark.parametrize("name", BY_HAND)
def test_a_metric_of_the_day(cluster: Cluster, name: str) -> None:
    [found] = measured(cluster)[name].values()
    assert found.value == pytest.approx(BY_HAND[name])
    assert found.currency_code == ("USD" if "minor" in found.unit or name in ("margin_rate", "refund_rate") else "")


def wilson(part: int, whole: int) -> tuple[float, float]:
    share, square = part / whole, Z * Z
    centre = share + square / (2 * whole)
    spread = Z * (share * (1 - share) / whole + square / (4 * whole * whole)) ** 0.5
    return (centre - spread) / (1 + square / whole), (centre + spread) / (1 + square / whole)


INTERVALS = {
    "conversion_rate": wilson(3, 4),
    "click_through_rate": wilson(3, 5),
    "add_to_cart_rate": wilson(1, 5),
    "recommendation_conversion_rate": wilson(2, 5),
    "view_through_rate": wilson(1, 5),
    "dismissal_rate": wilson(1, 5),
    # ann 2 orders of 2 sessions, bob 1 of 2: residuals 2 - 3/4 * 2 = 1/2 and 1 - 3/4 * 2 = -1/2, of which the variance
    # is (1/4 + 1/4) / (2 - 1) = 1/2; over the square of 2 sessions a customer and over 2 customers 1/16.
    "orders_per_session": (3 / 4 - Z / 4, 3 / 4 + Z / 4),
    # ann 30 of 2 sessions, bob 10 of 2: residuals 30 - 10 * 2 = 10 and -10: variance 200; over 4 and over 2 it is 25.
    "revenue_per_session": (1000 - Z * 500, 1000 + Z * 500),
    # ann 30 of 2 orders, bob 10 of 1: residuals 30 - 40/3 * 2 = 10/3 and -10/3: variance 200/9; orders a customer 3/2:
    # 200/9 / (9/4) / 2 = 400/81, the root of which is 20/9.
    "average_order_value": (4000 / 3 - Z * 2000 / 9, 4000 / 3 + Z * 2000 / 9),
    # ann 10 of 40 paid back, bob 50 of 60: residuals 10 - 0.6 * 40 = -14 and 50 - 36 = 14: variance 392; a customer
    # spends 50: 392 / 2500 / 2, the root of which is 0.28.
    "refund_rate": (0.6 - Z * 0.28, 0.6 + Z * 0.28),
    # 4/3 and 1 around 7/6: variance 1/36 + 1/36 = 1/18, over 2 lists 1/36.
    "diversity": (7 / 6 - Z / 6, 7 / 6 + Z / 6),
    # 1/2 and four times 0 around 1/10: variance (0.16 + 4 * 0.01) / 4 = 0.05, over 5 shown 0.01.
    "serendipity": (0.1 - Z * 0.1, 0.1 + Z * 0.1),
}


def test_every_interval_is_computed_by_hand(cluster: Cluster) -> None:
    found = {name: each[()] for name, each in measured(cluster).items() if each[()].HasField("low")}
    assert found.keys() == INTERVALS.keys()
    for name, each in found.items():
        # Of lists, sums are kept in millionths.
        assert (each.low, each.high) == pytest.approx(INTERVALS[name], rel=1e-5), name


BY_ALGORITHM = {
    # ease: tea, cup of A, tea of B. content: pot of A, jam of B.
    "recommendations_shown": {"ease": 3, "content": 2},
    "click_through_rate": {"ease": 2 / 3, "content": 1 / 2},
    "recommendation_conversion_rate": {"ease": 2 / 3, "content": 0},
    "dismissal_rate": {"ease": 0, "content": 1 / 2},
    "catalogue_coverage": {"ease": 2 / 5, "content": 2 / 5},
    # Only A has two of ease: tea and cup.
    "diversity": {"ease": 1, "content": None},
    "serendipity": {"ease": 0, "content": 0.5 / 2},
    "attributed_revenue": {"ease": 2000},
}
BY_SEGMENT = {
    "sessions": {"champions": 2, "new": 2},
    "conversion_rate": {"champions": 1, "new": 1 / 2},
    "revenue": {"champions": 3000, "new": 1000},
    "click_through_rate": {"champions": 2 / 3, "new": 1 / 2},
}
BY_PLACEMENT = {
    "recommendations_shown": {"home-top": 3, "": 2},
    "add_to_cart_rate": {"home-top": 1 / 3, "": 0},
    "diversity": {"home-top": 4 / 3, "": 1},
}
BY_ARM = {"sessions": {"": 4}, "click_through_rate": {"": 3 / 5}}
BY_DAY = {"orders": {f"{MIDNIGHT:%Y-%m-%d}": 3}, "mean_cpu": {f"{MIDNIGHT:%Y-%m-%d}": 0.75}}


@pytest.mark.parametrize(
    ("dimension", "expected"),
    [
        ("algorithm", BY_ALGORITHM),
        ("segment", BY_SEGMENT),
        ("placement", BY_PLACEMENT),
        ("arm", BY_ARM),
        ("day", BY_DAY),
    ],
)
def test_metrics_by_a_dimension(cluster: Cluster, dimension: str, expected: dict[str, dict[str, float]]) -> None:
    found = measured(cluster, dimension)
    for name, values in expected.items():
        said = {key[0]: each.value if each.HasField("value") else None for key, each in found[name].items()}
        assert said == pytest.approx(values), name


def test_a_filter_counts_only_what_it_names(cluster: Cluster) -> None:
    [found] = measured(cluster, placement="home-top", algorithm="ease")["click_through_rate"].values()
    assert (found.value, found.of) == (pytest.approx(1 / 2), 2)


def test_the_command_prints_and_exports_them(cluster: Cluster, tmp_path: Path) -> None:
    day, where = f"{MIDNIGHT:%Y-%m-%d}", ["--address", cluster.address]
    run = CliRunner().invoke
    said = run(app, ["metrics", "revenue", "--from", day, "--to", day, "--json", *where])
    assert said.exit_code == 0, said.output
    assert json.loads(said.stdout)["values"][0]["value"] == 4000.0
    shown = run(app, ["metrics", "--by", "algorithm", "--from", day, "--to", day, "--placement", "home-top", *where])
    assert "click_through_rate" in shown.stdout
    file = tmp_path / "sessions.parquet"
    written = run(app, ["metrics", "--export", str(file), "--table", "sessions", "--from", day, "--to", day, *where])
    assert written.exit_code == 0, written.output
    assert pq.read_table(file).num_rows == 4


# Lists A and C are in the same cells, B in others: of each algorithm, and of both together.
@pytest.mark.parametrize(
    ("table", "rows"), [("CELLS", 6), ("CELL_AMOUNTS", 4), ("SESSIONS", 4), ("SESSION_AMOUNTS", 3)]
)
def test_a_table_is_exported(cluster: Cluster, table: str, rows: int) -> None:
    request = pb.ExportMetricsRequest(table=MetricTable.Value(f"METRIC_TABLE_{table}"))
    with coordinator_stub(cluster.address) as stub:
        whole = b"".join(piece.chunk for piece in stub.ExportMetrics(request, timeout=30))
    found = pq.read_table(io.BytesIO(whole))
    assert found.num_rows == rows
    assert set(found.column("day").to_pylist()) == {MIDNIGHT.date()}
