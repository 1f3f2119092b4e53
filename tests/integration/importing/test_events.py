"""Imports of events on both databases: projected at once, idempotent, and what is refused."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from cli.importing.errors import ImportAborted
from cli.importing.event_sink import EventSink
from shared.db import customers
from shared.db.engine import Database
from shared.db.event_log import last_sequence
from shared.db.log_consumer import LogConsumer
from shared.db.projection import decode, project
from shared.errors import FailedPrecondition
from tests.integration.importing.conftest import AT, Import, contents, rejects_of, run_into, write_jsonl

pytestmark = pytest.mark.usefixtures("shop")
ORDER = {"event_type": "purchase", "customer_id": "c1", "timestamp": AT, "order_id": "o1"}
VIEW = {"event_type": "view", "customer_id": "c1", "timestamp": AT, "product_id": "p1"}


def counts(summary: Any) -> tuple[int, int, int]:
    return summary.imported, summary.duplicates, summary.rejected


def test_events_are_projected(run: Import, database: Database, tmp_path: Path) -> None:
    rows = [
        VIEW,
        {**VIEW, "event_type": "add_to_cart", "quantity": 2},
        {**ORDER, "product_id": "p1", "quantity": 2, "price": "0.75"},
        {**ORDER, "product_id": "p2"},
        {"event_type": "search", "query": "milk", "visitor_id": "v", "timestamp": AT},
        {**ORDER, "event_type": "refund", "product_id": "p2", "amount": "0.40"},
    ]
    assert counts(run("events", write_jsonl(tmp_path / "e.jsonl", rows))) == (6, 0, 0)
    found = contents(database)
    assert [each[1:4] for each in found["purchases"]] == [(found["log"][0][3], 250, 40)]
    assert [each[1:4] for each in found["lines"]] == [("p1", 2.0, 150), ("p2", 1.0, 100)]
    assert [each[:2] for each in found["views"]] == [("c1", "p1")]
    assert found["cursors"] == [("customer", 5), ("feedback", 5)], "nothing was recommended yet"
    assert [each[2] for each in found["log"]] == ["product_view", "add_to_cart", "purchase", "search", "refund"]


@pytest.mark.parametrize("batch_rows", [1, 3, 100])
def test_importing_twice_changes_nothing(run: Import, database: Database, tmp_path: Path, batch_rows: int) -> None:
    rows = [VIEW, *({**ORDER, "product_id": f"p{number}"} for number in (1, 2, 3)), {**VIEW, "customer_id": "c2"}]
    path = write_jsonl(tmp_path / "e.jsonl", rows)
    assert counts(run("events", path, batch_rows=batch_rows)) == (5, 0, 0)
    before = contents(database)
    assert counts(run("events", path)) == (0, 5, 0)
    assert counts(run("events", path, restart=True, shift_weeks=-1)) == (0, 5, 0)
    assert contents(database) == before
    assert len(before["purchases"]) == 1


def test_rows_that_refer_to_nothing(run: Import, database: Database, tmp_path: Path) -> None:
    rows = [
        {**VIEW, "customer_id": "nobody"},
        {**VIEW, "product_id": "nothing"},
        {**ORDER, "product_id": "p1"},
        {**ORDER, "product_id": "nothing"},
        {**ORDER, "product_id": "p2"},
        {**ORDER, "order_id": "o2", "product_id": "nothing"},
        {**ORDER, "order_id": "o3", "items": [{"product_id": "p1"}, {"product_id": "nothing"}]},
        {**ORDER, "order_id": "o4", "event_type": "refund"},
    ]
    path = write_jsonl(tmp_path / "e.jsonl", rows)
    assert counts(run("events", path)) == (2, 0, 6)
    assert [(each["line"], each["reason"]) for each in rejects_of(path)] == [
        (1, "customer_id: there is no customer 'nobody'"),
        (2, "product_id: there is no product 'nothing'"),
        (4, "product_id: there is no product 'nothing'"),
        (6, "product_id: there is no product 'nothing'"),
        (7, "product_id: there is no product 'nothing'"),
        (8, "order_id: there is no purchase 'o4'"),
    ]
    assert [each[:2] for each in contents(database)["lines"]] == [("o1", "p1"), ("o1", "p2")]


def test_customers_can_be_created_on_the_way(run: Import, database: Database, tmp_path: Path) -> None:
    early = "2025-01-01T00:00:00+00:00"
    rows = [{**VIEW, "customer_id": "new"}, {**VIEW, "customer_id": "new", "timestamp": early}]
    assert counts(run("events", write_jsonl(tmp_path / "e.jsonl", rows), create_customers=True)) == (2, 0, 0)
    with database.read() as connection:
        assert customers.read(connection, "new").registered_at == datetime.fromisoformat(early)


def test_the_rows_of_an_order_must_be_adjacent(run: Import, tmp_path: Path) -> None:
    rows = [{**ORDER, "product_id": "p1"}, VIEW, {**ORDER, "product_id": "p2"}]
    path = write_jsonl(tmp_path / "e.jsonl", rows)
    for batch_rows in (1, 100):
        summary = run("events", path, batch_rows=batch_rows)
        assert summary.rejected == 1
        assert "the rows of an order must be adjacent, got 'o1'" in rejects_of(path)[0]["reason"]
        assert rejects_of(path)[0]["line"] == 3


def test_a_purchase_that_was_recorded_otherwise_is_a_duplicate(run: Import, database: Database, tmp_path: Path) -> None:
    first = write_jsonl(tmp_path / "a.jsonl", [{**ORDER, "product_id": "p1", "event_id": "from-the-shop"}])
    assert counts(run("events", first)) == (1, 0, 0)
    assert counts(run("events", write_jsonl(tmp_path / "b.jsonl", [{**ORDER, "product_id": "p1"}]))) == (0, 1, 0)
    assert len(contents(database)["log"]) == 1


def test_returns_without_an_order(run: Import, database: Database, tmp_path: Path) -> None:
    back = {**ORDER, "order_id": "C9", "timestamp": "2026-02-02T00:00:00Z", "price": "0.60"}
    rows = [
        {**ORDER, "product_id": "p1", "quantity": 3, "price": "0.60"},
        {**ORDER, "order_id": "o2", "timestamp": "2026-02-01T00:00:00Z", "product_id": "p1", "price": "0.60"},
        {**back, "product_id": "p1", "quantity": -2},
        {**back, "product_id": "p2", "quantity": -1},
    ]
    path = write_jsonl(tmp_path / "e.jsonl", rows)
    for batch_rows in (1, 100):
        summary = run("events", path, negative_quantity="refund", batch_rows=batch_rows)
        assert (summary.imported + summary.duplicates, summary.rejected) == (3, 1)
        assert [(each[0], each[3]) for each in contents(database)["purchases"]] == [("o1", 60), ("o2", 60)]
        assert [(each[0], each[4]) for each in contents(database)["lines"]] == [("o1", 1.0), ("o2", 1.0)]
    assert "is more than the 0 units" in rejects_of(path)[0]["reason"]


def test_guests_become_visitors(run: Import, database: Database, tmp_path: Path) -> None:
    rows = [{**ORDER, "customer_id": None, "product_id": product} for product in ("p1", "p2")]
    assert counts(run("events", write_jsonl(tmp_path / "e.jsonl", rows), guests="visitor")) == (2, 0, 0)
    with database.read() as connection:
        assert list(customers.known_visitors(connection, ["guest:o1"])) == ["guest:o1"]
    assert len(contents(database)["purchases"]) == 1


def test_a_running_agent_and_an_import_never_double(run: Import, database: Database, tmp_path: Path) -> None:
    agent = LogConsumer(database, "customer", lambda connection, logged: project(connection, decode(logged)) and None)
    path = write_jsonl(tmp_path / "e.jsonl", [{**VIEW, "timestamp": 1767225600 + number} for number in range(40)])
    agent.apply()
    run("events", path, batch_rows=7)
    assert agent.apply().events == 0
    assert len(contents(database)["views"]) == 40


def test_refunds_that_do_not_fit_their_order(run: Import, database: Database, tmp_path: Path) -> None:
    back = {**ORDER, "event_type": "refund", "timestamp": "2026-02-01"}
    rows = [
        {**ORDER, "product_id": "p1", "amount": "3.00", "currency": "USD"},
        {**back, "customer_id": "c2"},
        {**back, "product_id": "p2"},
        {**back, "product_id": "p1", "amount": "1.00", "currency": "EUR"},
        {**back, "product_id": "p1", "amount": "1.00", "currency": "USD"},
    ]
    path = write_jsonl(tmp_path / "e.jsonl", rows)
    assert counts(run("events", path)) == (2, 0, 3)
    assert [(each["line"], each["reason"]) for each in rejects_of(path)] == [
        (2, "customer_id: is not who bought order 'o1', got 'c2'"),
        (3, "product_id: is not in order 'o1', got 'p2'"),
        (4, "currency: must be USD as in order 'o1', got 'EUR'"),
    ]
    assert contents(database)["purchases"][0][3] == 100


def test_what_waits_in_the_log_is_projected_first(run: Import, database: Database, tmp_path: Path) -> None:
    run("events", write_jsonl(tmp_path / "a.jsonl", [{**ORDER, "product_id": "p1"}]))
    with database.write() as connection:
        for table in ("purchase_items", "purchases", "sessions"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names of ours
        connection.execute(text("UPDATE event_cursors SET sequence = 0"))
    refund = {**ORDER, "event_type": "refund", "timestamp": "2026-02-01"}
    assert counts(run("events", write_jsonl(tmp_path / "b.jsonl", [refund]))) == (1, 0, 0)
    assert contents(database)["purchases"][0][3] == 100


def test_strict_stops_before_the_batch_with_the_bad_row(run: Import, database: Database, tmp_path: Path) -> None:
    rows = [*({**VIEW, "timestamp": 1767225600 + number} for number in range(5)), {**VIEW, "product_id": "nothing"}]
    path = write_jsonl(tmp_path / "e.jsonl", rows)
    with pytest.raises(ImportAborted, match=r"line 6: product_id: there is no product 'nothing'.*the 4 rows"):
        run("events", path, strict=True, batch_rows=2)
    assert len(contents(database)["log"]) == 4
    assert rejects_of(path) == []
    assert run("events", path, batch_rows=2).resumed_at == 4
    assert len(contents(database)["log"]) == 5


def test_strict_does_not_write_what_only_the_database_refuses(run: Import, database: Database, tmp_path: Path) -> None:
    rows = [{**ORDER, "product_id": "p1"}, VIEW, {**ORDER, "product_id": "p2"}, {**VIEW, "product_id": "p2"}]
    with pytest.raises(ImportAborted, match="adjacent"):
        run("events", write_jsonl(tmp_path / "e.jsonl", rows), strict=True)
    assert contents(database)["log"] == []


def test_a_dry_run_writes_nothing(run: Import, database: Database, tmp_path: Path) -> None:
    before = contents(database)
    rows = [
        {**ORDER, "product_id": "p1"},
        {**ORDER, "order_id": "C1", "product_id": "p1", "quantity": -1, "timestamp": "2026-02-01"},
        {**VIEW, "customer_id": "nobody"},
    ]
    path = write_jsonl(tmp_path / "e.jsonl", rows)
    summary = run("events", path, dry_run=True, negative_quantity="refund")
    assert counts(summary) == (2, 0, 1)
    assert len(rejects_of(path)) == 1
    assert contents(database) == before
    assert run("events", path, negative_quantity="refund").resumed_at == 0


def test_all_times_can_be_moved_to_the_present(run: Import, database: Database, tmp_path: Path) -> None:
    rows = [
        {**VIEW, "timestamp": "2017-01-02T08:00:00Z"},
        {**VIEW, "timestamp": "2017-03-08T20:00:00Z"},
        {**VIEW, "timestamp": "x"},
    ]
    summary = run("events", write_jsonl(tmp_path / "e.jsonl", rows), shift_to_now=True)
    assert (summary.imported, summary.rejected) == (2, 1)
    first, last = (int(each[3]) for each in contents(database)["log"])
    week = 7 * 24 * 3600 * 1_000_000
    assert last - first == (65 * 24 + 12) * 3600 * 1_000_000
    assert 0 <= datetime.now().timestamp() * 1_000_000 - last < week + 60_000_000  # noqa: DTZ005 - a timestamp has no zone
    assert first == 1483344000_000000 + summary.shift_weeks * week


def test_customers_erased_between_batches_are_looked_up_anew(
    run: Import, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**VIEW, "timestamp": 1767225600 + number, "customer_id": "c3"} for number in range(2)]
    settle = EventSink.settle

    def erase_after(self: EventSink) -> None:
        settle(self)
        with database.write() as connection:
            if last_sequence(connection) == 1:
                for table in ("browsing_history", "sessions", "event_log"):
                    connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - names of ours
                connection.execute(text("DELETE FROM customers WHERE external_id = 'c3'"))

    monkeypatch.setattr(EventSink, "settle", erase_after)
    path = write_jsonl(tmp_path / "e.jsonl", rows)
    assert counts(run("events", path, batch_rows=1)) == (1, 0, 1)
    assert rejects_of(path)[0]["reason"] == "customer_id: there is no customer 'c3'"


def test_a_database_without_a_schema(tmp_path: Path) -> None:
    empty = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(FailedPrecondition, match="quintet migrate"):
        run_into(empty, "events", write_jsonl(tmp_path / "e.jsonl", [VIEW]))
    empty.close()
