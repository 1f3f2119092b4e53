"""Erasing leaves no trace of a customer and touches nobody else; an export shows all of it."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from quintet.type.v1.recommendation_pb2 import Feedback
from sqlalchemy import Connection, func, select

from services.customer.agent import CustomerAgent, Who
from shared.config import Settings
from shared.db import (
    customer_embeddings,
    customer_updates,
    erasure,
    erasure_receipts,
    event_log,
    failed_events,
    forgotten,
    lifetime_values,
    list_facts,
    segments,
    session_facts,
    shadow_models,
    visitors,
)
from shared.db import customers as customers_of
from shared.db.customer_updates import NewCustomer
from shared.db.engine import Database
from shared.db.event_log import NewEvent
from shared.db.lifetime_values import Prediction
from shared.db.list_facts import ListDimensions, ListFact
from shared.db.outcomes import NewOutcome, add_outcomes
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import (
    NewList,
    assign_customers,
    log_recommendations,
    read_recommendations,
)
from shared.db.schema import customers, metadata, recommendation_lists, waiting_responses
from shared.db.segments import Segment
from shared.db.shadow_models import ShadowList
from shared.experiments.assignment import unit_hash
from shared.experiments.decision import Exposure
from shared.metric_numbers import MetricNumbers
from shared.recommendation_tokens import list_number
from tests.support.events import NOON, add, add_customers, add_products, event, happened, purchase, rows, view
from tests.support.recommendations import list_of_one
from tests.support.tokens import next_number

ABOUT_CUSTOMERS = {
    "browsing_history",
    "cart_items",
    "customer_embeddings",
    "customer_segment_memberships",
    "customers",
    "event_log",
    "failed_events",
    "lifetime_values",
    "list_facts",
    "session_amounts",
    "session_facts",
    "waiting_responses",
    "page_events",
    "purchase_items",
    "purchases",
    "recommendation_lists",
    "shadow_lists",
    "recommendation_outcomes",
    "recommendations",
    "sessions",
    "experiment_exposures",
    "merged_visitors",
    "visitors",
}


@pytest.fixture
def keys(database: Database) -> dict[str, int]:
    """Two customers with rows in every table about customers."""
    keys = add_customers(database, "anna", "ben")
    products = add_products(database, {"p1": (100, "USD")})
    for who in ("anna", "ben"):
        happened(
            database,
            view(who, "p1"),
            add(who, {"p1": 2}, 1),
            purchase(who, f"order of {who}", [("p1", 1, 100)], 2),
            event(who, 3, visitor=f"browser of {who}", search={"query": f"search of {who}"}),
        )
        with database.write() as connection:
            add_rest(connection, who, keys[who], products["p1"])
    return keys


def add_rest(connection: Connection, who: str, key: int, product: int) -> None:
    former = customers_of.resolve_visitors(connection, [f"former browser of {who}"])
    visitors.merge(connection, former[f"former browser of {who}"], key)
    customer_embeddings.store_embeddings(connection, "v1", [key], np.array([[0.5, 0.25]], dtype=np.float32), 1)
    numbers = segments.replace_segments(connection, [Segment("loyal", segments.RFM, {})])
    segments.replace_memberships(connection, {key: [(numbers["loyal"], 0.5)]})
    recommendation = next_number()
    exposures = (Exposure("e", "control", unit_hash("customer", who)),)
    shown = list_of_one(recommendation, key, product, NOON, "popular")._replace(exposures=exposures)
    log_recommendations(connection, [shown])
    values = [*lifetime_values_of(connection), Prediction(key, 100, 1.0, 0.5)]
    lifetime_values.replace_predictions(connection, "USD", values, 365, NOON)
    dimensions = ListDimensions("", "HOME", "loyal", "", "")
    fact = ListFact(list_number(recommendation), key, NOON, dimensions, {"": MetricNumbers({"lists": 1})})
    list_facts.write_facts(connection, [fact])
    session_facts.make_anew(connection, session_facts.sessions_of(connection, [key]))
    shadow_models.add_lists(connection, [ShadowList(list_number(recommendation), "v2", 1.0, None, (product,))])
    applied = append_feedback(connection, f"clicked by {who}", recommendation)
    append_feedback(connection, f"waiting of {who}", recommendation)
    event_log.lock_cursor(connection, "feedback")
    add_outcomes(connection, [NewOutcome(recommendation, "click", NOON, applied)])
    unwritten = append_feedback(connection, f"early of {who}", recommendation)
    waiting = {"recommendation_id": recommendation, "event_sequence": unwritten, "since": NOON}
    connection.execute(waiting_responses.insert().values(waiting))
    failed_events.set_aside(connection, "customer", event_log.read_after(connection, unwritten - 1, 1)[0], "ValueError")
    last = event_log.last_sequence_of(connection, key)
    failed_events.set_aside(connection, "customer", event_log.read_after(connection, last - 1, 1)[0], "ValueError")


def lifetime_values_of(connection: Connection) -> list[Prediction]:
    columns = metadata.tables["lifetime_values"].c
    query = select(columns.customer_id, columns.value, columns.orders, columns.alive)
    return [Prediction(*row) for row in connection.execute(query)]


def append_feedback(connection: Connection, event_id: str, recommendation: int) -> int:
    payload = Feedback(feedback_id=event_id, recommendation_id=str(recommendation)).SerializeToString()
    now = datetime.now(UTC)
    return event_log.append(connection, [NewEvent(event_id, None, "feedback", now, payload)])[event_id]


def test_every_table_that_leads_to_a_customer_is_covered() -> None:
    covered = {table.name for table in erasure.personal_tables()}
    assert covered == ABOUT_CUSTOMERS, "say in this test how rows of a new table about customers are erased"
    for table in metadata.sorted_tables:
        leads = {key.column.table.name for key in table.foreign_keys} & covered
        assert not leads or table.name in covered, table.name


def test_every_binary_column_about_customers_can_be_exported() -> None:
    for table in erasure.personal_tables():
        for column in table.columns:
            known = column in erasure._DECODED or table is recommendation_lists  # exported item by item
            assert "LargeBinary" not in type(column.type).__name__ or known, column


def test_erasing_leaves_no_trace(database: Database, keys: dict[str, int]) -> None:
    before = {table: len(rows(database, table)) for table in ABOUT_CUSTOMERS}
    with database.write() as connection:
        receipt = erasure.erase(connection, keys["anna"])
    after = {table: len(rows(database, table)) for table in ABOUT_CUSTOMERS}
    assert receipt.rows == {table: before[table] - after[table] for table in ABOUT_CUSTOMERS}
    assert all(before[table] == 2 * after[table] for table in ABOUT_CUSTOMERS), (before, after)
    everything = str({table.name: rows(database, table.name) for table in metadata.sorted_tables})
    assert "anna" not in everything
    (stored,) = rows(database, "erasure_receipts")
    assert (stored["receipt_id"], stored["rows"]) == (receipt.receipt_id, receipt.rows)
    with database.read() as connection:
        assert erasure_receipts.read_receipt(connection, receipt.receipt_id) == receipt
        former = keys["ben"] + 1  # the row of the browser that became anna's
        assert forgotten.keys_after(connection, 0) == [keys["anna"], former]


def _files(database: Database) -> bytes:
    """Return what the files of a SQLite database hold: itself and its write-ahead log."""
    file = Path(database.engine.url.database or "")
    return file.read_bytes() + file.with_name(f"{file.name}-wal").read_bytes()


def _remember(database: Database) -> int:
    with database.write() as connection:
        customer_updates.upsert(connection, [NewCustomer("zoe", "Zoe Unmistakable", "unmistakable@example.org")])
    happened(database, event("zoe", search={"query": "something Unmistakable"}))
    with database.read() as connection:
        return customers_of.resolve_customers(connection, ["zoe"])["zoe"]


def test_files_show_nothing_of_an_erased_customer(sqlite_database: Database) -> None:
    _remember(sqlite_database)
    assert b"nmistakable" in _files(sqlite_database)
    CustomerAgent(Settings(_env_file=None, database_url=sqlite_database.url), sqlite_database).erase(Who("zoe"))
    assert b"nmistakable" not in _files(sqlite_database)


def test_a_reader_may_keep_the_log_and_still_the_customer_is_erased(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasure, "CHECKPOINT_WAIT_MS", 1)
    key = _remember(sqlite_database)
    with sqlite_database.read() as reader:
        assert reader.execute(select(func.count()).select_from(customers)).scalar_one() == 1
        with sqlite_database.write() as connection:
            erasure.erase(connection, key)
        assert erasure.forget_log(sqlite_database) is False
    assert rows(sqlite_database, "customers") == []
    assert erasure.forget_log(sqlite_database) is True
    assert b"nmistakable" not in _files(sqlite_database)


@pytest.mark.postgres
def test_there_is_no_log_to_forget_on_postgresql(postgres_database: Database) -> None:
    assert erasure.forget_log(postgres_database) is True


def test_an_export_has_every_row_that_erasing_takes(database: Database, keys: dict[str, int]) -> None:
    with database.read() as connection:
        exported = list(erasure.export(connection, keys["anna"]))
    with database.write() as connection:
        receipt = erasure.erase(connection, keys["anna"])
    counted: dict[str, int] = {}
    for table, row in exported:
        json.dumps(row)
        counted[table] = counted.get(table, 0) + 1
    assert {**counted, "recommendation_lists": 1} == receipt.rows
    assert "ben" not in json.dumps([row for _, row in exported])


def test_an_export_is_readable(database: Database, keys: dict[str, int]) -> None:
    with database.read() as connection:
        exported = list(erasure.export(connection, keys["anna"]))
    by_table = {table: row for table, row in exported if table in ("customer_embeddings", "browsing_history")}
    assert by_table["customer_embeddings"]["embedding"] == [0.5, 0.25]
    assert by_table["browsing_history"]["view_time"] == "2026-03-02T12:00:00+00:00"
    payloads = [row["payload"] for table, row in exported if table == "event_log"]
    assert payloads[0]["product_view"] == {"product_id": "p1"}
    (recommended,) = [row for table, row in exported if table == "recommendations"]
    assert {"recommendation_id": str(recommended["id"])} in payloads
    log = [(row["event_id"], row["kind"]) for table, row in exported if table == "event_log"]
    assert ("clicked by anna", "feedback") in log
    assert (recommended["position"], recommended["algorithm"], recommended["was_clicked"]) == (1, "popular", False)
    assert recommended["generated_at"] == NOON.isoformat()


def test_a_list_for_nobody_known_goes_with_who_took_it_up(database: Database, keys: dict[str, int]) -> None:
    anna, ben = keys["anna"], keys["ben"]
    add_products(database, {"p2": (100, "USD")})
    with database.write() as connection:
        first, shared = next_number(), next_number()
        for number, count in ((first, 1), (shared, 2)):
            items = PackedItems.of([ListItem(1 + n, 1 + n, 0.5, "ease") for n in range(count)])
            log_recommendations(connection, [NewList(list_number(number), "r", None, "HOME", NOON, items)])
        assign_customers(connection, {first: anna, shared: anna, shared + 1: ben})
    with database.read() as connection:
        exported = [row["id"] for table, row in erasure.export(connection, anna) if table == "recommendations"]
    assert {first, shared} < set(exported)
    assert shared + 1 not in exported
    with database.write() as connection:
        erasure.erase(connection, anna)
        assert set(read_recommendations(connection, [first, shared + 1])) == {shared + 1}


def test_waiting_feedback_on_what_nobody_responded_to_yet_goes_too(database: Database, keys: dict[str, int]) -> None:
    with database.write() as connection:
        number = next_number()
        log_recommendations(connection, [list_of_one(number, keys["anna"], 1, NOON)])
        early = append_feedback(connection, "early click", number)
        connection.execute(
            waiting_responses.insert().values(recommendation_id=number, event_sequence=early, since=NOON)
        )
        event_log.move_cursor(connection, "feedback", early)
        unapplied = append_feedback(connection, "click to come", number)
        erasure.erase(connection, keys["anna"])
        left = {event.sequence for event in event_log.read_after(connection, 0, 1_000)}
    assert not left & {early, unapplied}


def test_nobody_to_erase(database: Database) -> None:
    with database.write() as connection:
        assert erasure.erase(connection, 9_999).rows == {}
        assert connection.execute(select(func.count()).select_from(customers)).scalar_one() == 0
