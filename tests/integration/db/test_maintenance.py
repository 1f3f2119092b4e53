"""Upkeep renews statistics, gives space back, and never breaks a database."""

from shared.db import maintenance
from shared.db.engine import Database
from tests.support.shop import add_products


def test_statistics_and_free_space(database: Database) -> None:
    maintenance.analyze(database)
    assert maintenance.vacuum(database) is (database.dialect == "postgresql")


def test_a_file_that_is_mostly_free_is_rewritten(sqlite_database: Database) -> None:
    add_products(sqlite_database, *(f"p{number}" for number in range(2000)), description="x" * 500)
    with sqlite_database.write() as connection:
        connection.exec_driver_sql("DELETE FROM products")
    assert maintenance.vacuum(sqlite_database)
