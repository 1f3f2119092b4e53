"""Upkeep of the database: old product views go, statistics are renewed, free space is given back."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text

from shared.db import job_runs
from shared.db.engine import Database
from shared.db.schema import (
    browsing_history,
    customers,
    event_log,
    products,
    purchases,
    recommendation_lists,
    recommendations,
)

DELETE_ROWS = 5_000
SQLITE_FOLDER = "SQLITE_TMPDIR"
"""Variable of the environment in which SQLite looks for the folder of temporary files; `/tmp` is often in memory."""
WORTH_VACUUM = 0.2
"""Share of a SQLite file that must be free before it is rewritten: the rewrite keeps writers waiting."""

MAIN_TABLES = (customers, products, purchases, browsing_history, recommendation_lists, recommendations, event_log)


def drop_old_browsing(database: Database, days: int) -> int:
    """Delete product views older than `days`, some thousands a transaction, and return how many there were."""
    oldest = datetime.now(UTC) - timedelta(days=days)
    deleted = 0
    while True:
        with database.write() as connection:
            old = select(browsing_history.c.id).where(browsing_history.c.view_time < oldest).limit(DELETE_ROWS)
            gone = connection.execute(browsing_history.delete().where(browsing_history.c.id.in_(old))).rowcount
        deleted += gone
        if gone < DELETE_ROWS:
            return deleted


def drop_old_jobs(database: Database, days: int) -> int:
    """Delete the rows of jobs that ended more than `days` ago, but for the last of each kind; return how many."""
    with database.write() as connection:
        return job_runs.drop_old(connection, datetime.now(UTC) - timedelta(days=days))


def analyze(database: Database) -> None:
    """Renew the planner's statistics."""
    with database.write() as connection:
        connection.execute(text("ANALYZE"))


def vacuum(database: Database) -> bool:
    """Give free space back and return whether it was worth it. On SQLite only when a fifth of the file is free."""
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if database.dialect == "sqlite":
            pages = connection.execute(text("PRAGMA page_count")).scalar_one()
            free = connection.execute(text("PRAGMA freelist_count")).scalar_one()
            if free < WORTH_VACUUM * max(pages, 1):
                return False
            connection.rollback()
            _vacuum_beside(database, connection.connection.driver_connection)
            return True
        connection.execute(text("VACUUM"))
        return True


def _vacuum_beside(database: Database, driver: Any) -> None:
    """Rewrite a SQLite file by way of a temporary file in its folder: connections hold what is temporary in memory."""
    assert database.file is not None  # noqa: S101 - for the type checker: this is SQLite
    os.environ.setdefault(SQLITE_FOLDER, str(database.file.absolute().parent))
    driver.execute("PRAGMA temp_store=FILE")
    try:
        driver.execute("VACUUM")
    finally:
        driver.execute("PRAGMA temp_store=MEMORY")


def row_counts(database: Database) -> dict[str, int]:
    """Return the number of rows of the main tables, by table."""
    with database.read() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in MAIN_TABLES
        }
