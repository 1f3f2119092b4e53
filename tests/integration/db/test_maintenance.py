"""Upkeep drops old views only, and never breaks a database."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

from quintet.type.v1.event_pb2 import Event, ProductView
from sqlalchemy import func, select

from services.coordinator.event_validation import submit_event
from services.coordinator.event_writer import EventWriter
from shared.db import job_runs, maintenance
from shared.db.engine import Database
from shared.db.schema import browsing_history
from shared.db.schema import job_runs as job_rows
from shared.lease import Lease
from tests.support.projecting import apply_all
from tests.support.shop import add_customers, add_products
from tests.support.tokens import KEYS


def view(database: Database, days_ago: int) -> None:
    event = Event(customer_id="ann", product_view=ProductView(product_id="tea"))
    event.event_time.FromDatetime(datetime.now(UTC) - timedelta(days=days_ago))
    EventWriter(database, KEYS).commit([submit_event(event)])


def test_only_views_older_than_the_retention_go(database: Database, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(maintenance, "DELETE_ROWS", 2)
    add_customers(database, "ann")
    add_products(database, "tea")
    for days in (0, 89, 91, 92, 93, 400):
        view(database, days)
    apply_all(database)
    assert maintenance.drop_old_browsing(database, days=90) == 4
    assert maintenance.drop_old_browsing(database, days=90) == 0
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(browsing_history)).scalar_one() == 2


def test_statistics_and_free_space(database: Database) -> None:
    maintenance.analyze(database)
    assert maintenance.vacuum(database) is (database.dialect == "postgresql")


def test_a_file_that_is_mostly_free_is_rewritten(sqlite_database: Database) -> None:
    add_products(sqlite_database, *(f"p{number}" for number in range(2000)), description="x" * 500)
    with sqlite_database.write() as connection:
        connection.exec_driver_sql("DELETE FROM products")
    assert maintenance.vacuum(sqlite_database)


def test_the_main_tables_are_counted(database: Database) -> None:
    add_products(database, "tea", "cup")
    counts = maintenance.row_counts(database)
    assert counts["products"] == 2
    assert counts["purchases"] == 0


REWRITE = """
import resource, sys
from shared.db import job_runs, maintenance
from shared.db.engine import Database
database = Database(sys.argv[1])
with database.read() as connection:
    connection.exec_driver_sql("SELECT count(*) FROM products").all()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert maintenance.vacuum(database)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
SMALL_MB = 40


def test_a_file_is_rewritten_without_a_copy_of_it_in_memory(sqlite_database: Database) -> None:
    add_products(sqlite_database, *(f"p{number}" for number in range(2_000)))
    with sqlite_database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE filler (x BLOB)")
        connection.exec_driver_sql(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 180) "
            "INSERT INTO filler SELECT randomblob(1000000) FROM n"
        )
        connection.exec_driver_sql("DELETE FROM filler WHERE rowid % 3 = 0")
    command = [sys.executable, "-c", REWRITE, sqlite_database.url]
    grown = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert grown < SMALL_MB, "120 MB were rewritten"


def test_old_jobs_go_but_for_the_last_of_each_kind(database: Database) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=100)
    with database.write() as connection:
        for number, (kind, days) in enumerate([("a", 100), ("a", 100), ("b", 100), ("c", 100), ("c", 1)]):
            run = job_runs.start(connection, f"{kind}{number}", kind, Lease(kind, number + 1))
            job_runs.succeed(connection, run.job_id, {})
            ended = long_ago if days == 100 else datetime.now(UTC)
            connection.execute(job_rows.update().where(job_rows.c.job_id == run.job_id).values(ended_at=ended))
    assert maintenance.drop_old_jobs(database, days=90) == 2
    with database.read() as connection:
        assert {each.job_id for each in job_runs.page(connection, (), (), None, 9)} == {"a1", "b2", "c4"}
