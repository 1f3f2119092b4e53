"""Upkeep of the database: statistics are renewed, free space is given back."""

import os
from typing import Any

from sqlalchemy import text

from shared.db.engine import Database

SQLITE_FOLDER = "SQLITE_TMPDIR"
"""Variable of the environment in which SQLite looks for the folder of temporary files; `/tmp` is often in memory."""
WORTH_VACUUM = 0.2
"""Share of a SQLite file that must be free before it is rewritten: the rewrite keeps writers waiting."""


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
