"""Upkeep renews statistics, gives space back, and never breaks a database."""

import subprocess
import sys

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
