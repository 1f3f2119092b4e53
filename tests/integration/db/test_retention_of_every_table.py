"""No table grows without bound unnoticed: each has a policy, or stands in a list with the reason why it needs none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Column, func, insert, select, update

from services.coordinator.job_steps import maintain
from shared.config import Settings
from shared.db import (
    agent_samples,
    drift_checks,
    event_quality,
    failed_events,
    forgotten,
    improvement_runs,
    job_runs,
    list_facts,
    metric_cells,
    metric_marks,
    models,
    recommendation_retention,
    request_ids,
    schema,
    slices,
    tuning,
    unjoined_events,
    waiting_responses,
)
from shared.db import event_log as log
from shared.db.drift_checks import DriftCheck
from shared.db.engine import Database
from shared.db.event_quality import Fault, FaultCount
from shared.db.improvement_runs import ImprovementRun
from shared.db.list_facts import ListDimensions, ListFact
from shared.db.metric_cells import Cell
from shared.db.outcomes import NewOutcome, add_outcomes
from shared.db.recommendations import log_recommendations, mark_shown
from shared.db.schema import event_receipts, metadata
from shared.db.unjoined_events import Missing, UnjoinedEvent
from shared.events.failed import APPLYING
from shared.metric_numbers import MetricNumbers
from shared.recommendation_tokens import LIST_BITS, number_at
from shared.request_ids import RequestKey
from tests.support.events import add_customers, add_products, event, happened, rows, view
from tests.support.recommendations import list_of_one

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=1_000)

BY_MAINTENANCE = {
    "browsing_history",
    "customers",
    "drift_checks",
    "event_log",
    "event_quality",
    "event_receipts",
    "failed_events",
    "improvement_runs",
    "input_counts",
    "job_runs",
    "list_facts",
    "metric_cell_amounts",
    "metric_cell_products",
    "metric_cells",
    "missing_references",
    "page_events",
    "recommendation_lists",
    "recommendation_outcomes",
    "recommendations",
    "request_ids",
    "session_amounts",
    "session_facts",
    "sessions",
    "shadow_lists",
    "unjoined_events",
    "visitors",
}
"""Tables of which the daily maintenance deletes old rows; of customers, those who are visitors only."""

BY_THEIR_AGENT = {
    "agent_samples": agent_samples.store,
    "forgotten_histories": forgotten.mark_removed,
    "metric_marks": metric_marks.forget,
    "model_chunks": models.prune,
    "model_versions": models.prune,
    "tuning_trials": tuning.forget_trials,
    "waiting_responses": waiting_responses.drop_waiting,
}
"""Tables of which the agent that writes them deletes old rows, and what does it."""

OF_THE_SHOP = {
    "cart_items": "what was put into carts: training learns from all of it",
    "customer_embeddings": "one row for each customer",
    "lifetime_values": "one row for each customer and currency",
    "customer_segment_memberships": "a row for each customer and segment",
    "erasure_receipts": "one row for each erasure, which is the proof of it",
    "experiment_exposures": "one row for each unit of an experiment, gone with the experiment or the customer",
    "import_checkpoints": "one row for each file imported",
    "merged_visitors": "one row for each visitor who became a customer, gone with the customer",
    "product_embeddings": "one row for each product",
    "product_offers": "one row for each product and store or region",
    "product_relations": "two rows for each product",
    "products": "the catalogue; deleted products stay, for history refers to them",
    "purchase_items": "what was bought: training learns from all of it",
    "purchases": "what was bought: training learns from all of it",
}
"""Tables as large as the shop and what was bought, which are kept by intent, and why."""

SMALL = {
    "algorithm_weights": "one row for each algorithm whenever weights change, which is once a day",
    "api_keys": "one row for each key that an operator made",
    "bandit_posteriors": "one row for each variant of a placement's bandit",
    "bandit_statistics": "one row for each variant and day, as long as days count",
    "counters": "one row for each thing that is counted",
    "customer_segments": "one row for each segment",
    "event_cursors": "one row for each agent that applies events",
    "event_partitions": "one row for each partition",
    "experiments": "what merchandisers defined",
    "improvement_control": "one row",
    "leases": "one row for each kind of work",
    "merchandising_rules": "what merchandisers defined",
    "placements": "what merchandisers defined",
    "shadow_models": "what operators marked",
    "scheduled_jobs": "one row for each kind of job",
    "token_keys": "one row for each key that protects ids of recommendations",
    "tuned_parameters": "one row for each algorithm",
}
"""Tables whose rows do not come from traffic, and what bounds them."""


@pytest.fixture(autouse=True)
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "REST_SECONDS", 0.0)
    monkeypatch.setattr(recommendation_retention, "REST_SECONDS", 0.0)


def test_every_table_has_a_policy_or_a_reason_to_need_none() -> None:
    lists = (BY_MAINTENANCE, BY_THEIR_AGENT, OF_THE_SHOP, SMALL)
    assert sorted(name for names in lists for name in names) == sorted(metadata.tables)


async def test_the_maintenance_deletes_old_rows_of_each_table_that_it_is_to_keep_small(database: Database) -> None:
    an_old_shop(database)
    before = counts(database)
    assert min(before.values()) > 0, "the test has an old row of each"
    result = await maintained(database)
    after = counts(database)
    assert {name for name in BY_MAINTENANCE if after[name] < before[name]} == BY_MAINTENANCE
    dropped = {name: count for name, count in result.items() if name.endswith("_dropped")}
    assert min(dropped.values()) > 0, dropped


async def test_the_maintenance_gives_up_events_that_waited_for_long(database: Database) -> None:
    unjoined(database)
    grow_old(database, schema.unjoined_events.c.received_at, NOW - timedelta(days=31))
    await maintained(database)
    assert [row["expired"] for row in rows(database, "unjoined_events")] == [True]


async def maintained(database: Database) -> dict[str, int]:
    """Run the maintenance by the default settings and return its result."""
    *_, last = [progress async for progress in maintain(Settings(_env_file=None, database_url=database.url))]
    assert last.result is not None
    return last.result


def counts(database: Database) -> dict[str, int]:
    """Return the number of rows of each table that the maintenance is to keep small."""
    with database.read() as connection:
        tables = {name: select(func.count()).select_from(metadata.tables[name]) for name in BY_MAINTENANCE}
        return {name: connection.execute(query).scalar_one() for name, query in tables.items()}


def an_old_shop(database: Database) -> None:
    """Leave at least one row in each table that the maintenance deletes from, all from long ago."""
    ann = add_customers(database, "ann")["ann"]
    tea = add_products(database, {"tea": (100, "USD")})["tea"]
    long_ago = [view("ann", "tea"), event("ann", search={"query": "tea"}), event("", visitor="v", home_view={})]
    for each in long_ago:
        each.event_time.FromDatetime(LONG_AGO)
    happened(database, *long_ago)
    recommended(database, ann, tea)
    measured(database, ann, tea)
    improved(database)
    unjoined(database)
    the_log_is_old_and_applied(database)
    with database.write() as connection:
        failed_events.set_aside(connection, "feedback", log.read_after(connection, 0, 1)[0], "KeyError")
        event_quality.add(connection, [FaultCount(LONG_AGO, Fault("search", "late"), 1, ["e"])])
        request_ids.once(connection, RequestKey("r", b"d" * 32), lambda: "done")
        for job in ("first", "second"):
            job_runs.start(connection, job, "train_models")
            job_runs.succeed(connection, job, {})
        connection.execute(update(schema.customers).values(registration_date=LONG_AGO, last_active=LONG_AGO))
        # the last run of a kind stays
        first = schema.job_runs.c.job_id == "first"
        connection.execute(update(schema.job_runs).where(first).values(started_at=LONG_AGO, ended_at=LONG_AGO))
    for column in (
        schema.failed_events.c.first_failed_at,
        schema.request_ids.c.created_at,
        schema.unjoined_events.c.received_at,
    ):
        grow_old(database, column, LONG_AGO)


def grow_old(database: Database, column: Column[Any], moment: datetime) -> None:
    """Set a column of all rows of its table to a moment."""
    with database.write() as connection:
        connection.execute(update(column.table).values({column.name: moment}))


def unjoined(database: Database) -> None:
    """Keep an event that names a customer nobody knows."""
    missing = [Missing("customer", "nobody")]
    with database.write() as connection:
        unjoined_events.keep(connection, [UnjoinedEvent("u", "search", "nobody", "", None, LONG_AGO, b"", missing)])


def recommended(database: Database, customer: int, product: int) -> None:
    """Recommend a product once, to which there was a response."""
    number = number_at(1 << LIST_BITS, 1)
    with database.write() as connection:
        log_recommendations(connection, [list_of_one(number, customer, product, LONG_AGO, "ease")])
        mark_shown(connection, {number: LONG_AGO})
        add_outcomes(connection, [NewOutcome(number, "shown", LONG_AGO, 1)])


def measured(database: Database, customer: int, product: int) -> None:
    """Keep metrics of a session and of a list from long ago."""
    dimensions = ListDimensions("", "HOME", "", "", "")
    numbers = MetricNumbers({"lists": 1}, {"USD": (1, 1, 1)}, {product: (1, 1)})
    cell = Cell.of(LONG_AGO, dimensions, "")
    fact = dict.fromkeys((column.name for column in schema.session_facts.c), 0)
    fact |= {"session_id": 1, "customer_id": customer, "started_at": LONG_AGO, "segment": "", "arm": ""}
    with database.write() as connection:
        list_facts.write_facts(connection, [ListFact(1 << LIST_BITS, customer, LONG_AGO, dimensions, {"": numbers})])
        metric_cells.add_to_cells(connection, {cell: numbers})
        connection.execute(insert(schema.session_facts).values(fact))
        amounts = dict.fromkeys((column.name for column in schema.session_amounts.c), 1)
        connection.execute(insert(schema.session_amounts).values(amounts | {"currency": "USD"}))


def improved(database: Database) -> None:
    """Keep a look for drift, an improvement run and a shadow's list from long ago."""
    day = metric_cells.day_of(LONG_AGO)
    run = ImprovementRun.of("model", "LIVE", "operator", "", "v1", "It is the first model.", LONG_AGO)
    shadow = {"list_id": 1 << LIST_BITS, "version": "v1", "overlap": 1.0, "products": []}
    with database.write() as connection:
        connection.execute(insert(schema.input_counts).values(day=day, dimension="event_kind", value="", count=0))
        drift_checks.store(connection, DriftCheck(day, LONG_AGO, False, "", {}, []))
        improvement_runs.add(connection, run)
        connection.execute(insert(schema.shadow_lists).values(shadow))


def the_log_is_old_and_applied(database: Database) -> None:
    """Say that all of the log was received long ago, and that every agent has applied it."""
    with database.write() as connection:
        newest = log.last_sequence(connection)
        connection.execute(update(event_receipts).values(received_at=LONG_AGO))
        connection.execute(insert(event_receipts).values(first_sequence=newest, received_at=LONG_AGO))
        connection.execute(insert(event_receipts).values(first_sequence=newest + 1, received_at=NOW))
        for consumer in APPLYING:
            log.lock_cursor(connection, consumer)
            log.move_cursor(connection, consumer, newest)
