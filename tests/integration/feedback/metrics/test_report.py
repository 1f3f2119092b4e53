"""Every metric is answered by both databases, by every dimension that it is kept by, and as tables."""

import io
from datetime import timedelta

import pyarrow.parquet as pq
import pytest

from services.feedback.agent import FeedbackAgent
from services.feedback.attribution import Windows
from services.feedback.metrics.definitions import DEFINITIONS, DIMENSIONS
from services.feedback.metrics.question import MetricQuestion
from shared.db import agent_samples, lifetime_values
from shared.db.engine import Database
from shared.db.lifetime_values import Prediction
from shared.db.metric_tables import CELL_AMOUNTS, CELLS, SESSION_AMOUNTS, SESSIONS
from shared.db.schema import metric_cells, session_facts
from shared.monitoring.sample import Sample
from tests.integration.feedback.metrics.stores import (
    apply_feedback,
    open_catalogue,
    put_into_segments,
    recommend,
)
from tests.support.events import NOON, add_customers, add_products, append, event, purchase, refund, view
from tests.support.projecting import apply_all

NOW = NOON + timedelta(hours=6)
DAY = f"{NOON:%Y-%m-%d}"


@pytest.fixture
def agent(database: Database) -> FeedbackAgent:
    """A day of ann, who sees two, clicks one, buys it and gives it back in part; and of bob, who looks."""
    add_products(database, {"tea": (100, "USD"), "cup": (300, "USD")})
    keys = add_customers(database, "ann", "bob")
    open_catalogue(database, {"tea": 60}, {"tea": (1, 0), "cup": (0, 1)})
    put_into_segments(database, {keys["ann"]: "champions"})
    tea, cup = recommend(database, 1, keys["ann"], [(1, "ease"), (2, "content")], 0, placement="top")
    clicked = view("ann", "tea", 2)
    clicked.recommendation_id = str(tea)
    append(
        database,
        [
            event("ann", 1, impression={"recommendation_ids": [str(tea), str(cup)]}),
            clicked,
            purchase("ann", "o1", [("tea", 2, 400)], 3),
            refund("ann", "o1", {"tea": 1}),
            view("bob", "cup"),
        ],
    )
    apply_all(database)
    apply_feedback(database)
    agent_samples.store(database, "recommendation", "i", Sample(60.0, 10, 0, 5.0, 9.0, 0.5, 100.0, 6), NOON)
    with database.write() as connection:
        lifetime_values.replace_predictions(connection, "USD", [Prediction(1, 500, 1.0, 1.0)], 30, NOON)
    return FeedbackAgent(database, Windows(), lambda: NOW)


EXPECTED = {
    "sessions": 2,
    "orders": 1,
    "conversion_rate": 0.5,
    "orders_per_session": 0.5,
    "revenue": 200,
    "average_order_value": 200,
    "revenue_per_session": 100,
    # A tea is kept for 200, which costs 60.
    "margin": 140,
    "margin_rate": 0.7,
    "refund_rate": 0.5,
    "customer_lifetime_value": 0,
    "predicted_lifetime_value": 500,
    "recommendations_shown": 2,
    "click_through_rate": 0.5,
    "add_to_cart_rate": 0,
    "recommendation_conversion_rate": 0.5,
    "view_through_rate": 0,
    "dismissal_rate": 0,
    "attributed_revenue": 200,
    "attributed_margin": 140,
    "catalogue_coverage": 1,
    "diversity": 1,
    # Only tea was ordered.
    "serendipity": 0,
    "response_time_p50": 5,
    "response_time_p99": 9,
    "peak_memory": 100,
    "mean_cpu": 0.5,
    "throughput": 0.1,
}


def test_every_metric_of_a_period(agent: FeedbackAgent) -> None:
    found = agent.metrics(MetricQuestion())
    assert {each.definition.name: each.figure.value for each in found.values} == pytest.approx(EXPECTED)
    assert (found.behind.events, found.behind.marks) == (0, 0)


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_every_metric_by_a_dimension(agent: FeedbackAgent, dimension: str) -> None:
    values = agent.metrics(MetricQuestion(by=[dimension])).values
    assert {each.definition.name for each in values} == {
        name for name, each in DEFINITIONS.items() if dimension in each.dimensions
    }
    sums = {name: sum(each.figure.value or 0 for each in values if each.definition.name == name) for name in EXPECTED}
    counted = {"sessions", "revenue", "recommendations_shown", "attributed_revenue"} & {
        each.definition.name for each in values
    }
    assert {name: sums[name] for name in counted} == {name: EXPECTED[name] for name in counted}


def test_two_dimensions_and_a_filter(agent: FeedbackAgent) -> None:
    question = MetricQuestion(["click_through_rate"], ["day", "algorithm"], [("placement", ["top"])])
    found = {each.group[1]: each.figure.value for each in agent.metrics(question).values}
    assert found == {"content": 0.0, "ease": 1.0}
    assert agent.metrics(MetricQuestion(["revenue"], ["segment"], [("segment", ["new"])])).values == []


@pytest.mark.parametrize(
    ("arm", "shown"),
    [
        ("bolder:new", True),
        ("cheaper:old", True),
        ("bolder:new,cheaper:old", True),
        ("older:new", False),
        ("bolder:ne", False),
        ("", False),
    ],
)
def test_what_belongs_to_arms_of_several_experiments_is_found_by_each(
    database: Database, agent: FeedbackAgent, arm: str, shown: bool
) -> None:
    agent.metrics(MetricQuestion())
    with database.write() as connection:
        for table in (metric_cells, session_facts):
            connection.execute(table.update().values(arm="bolder:new,cheaper:old"))
    found = agent.metrics(MetricQuestion(["recommendations_shown", "sessions"], only=[("arm", [arm])])).values
    assert {each.definition.name: each.figure.value for each in found} == (
        {"recommendations_shown": 2, "sessions": 2} if shown else {}
    )


def test_nothing_happened_before(agent: FeedbackAgent) -> None:
    earlier = MetricQuestion(start=NOON - timedelta(days=9), end=NOON - timedelta(days=8))
    assert [each.definition.name for each in agent.metrics(earlier).values] == ["predicted_lifetime_value"]


@pytest.mark.parametrize(("table", "rows"), [(CELLS, 3), (CELL_AMOUNTS, 2), (SESSIONS, 2), (SESSION_AMOUNTS, 1)])
def test_a_table_of_a_period(agent: FeedbackAgent, table: str, rows: int) -> None:
    agent.metrics(MetricQuestion())
    found = pq.read_table(io.BytesIO(b"".join(agent.metric_chunks(table, None, None))))
    assert found.num_rows == rows
    assert {f"{day}" for day in found.column("day").to_pylist()} == {DAY}
    assert (
        pq.read_table(
            io.BytesIO(b"".join(agent.metric_chunks(table, NOON - timedelta(days=9), NOON - timedelta(days=8))))
        ).num_rows
        == 0
    )
