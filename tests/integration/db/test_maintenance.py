"""Upkeep drops old views only, and never breaks a database."""

from datetime import UTC, datetime, timedelta

from quintet.type.v1.event_pb2 import Event, ProductView
from sqlalchemy import func, select

from services.coordinator.event_validation import submit_event
from services.coordinator.event_writer import EventWriter
from shared.db import maintenance
from shared.db.engine import Database
from shared.db.schema import browsing_history
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
