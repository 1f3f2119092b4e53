"""Upkeep of the database: old product views go, statistics are renewed, free space is given back."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import select, text

from shared.db.engine import Database
from shared.db.schema import browsing_history

DELETE_ROWS = 5_000
WORTH_VACUUM = 0.2
"""Share of a SQLite file that must be free before it is rewritten: the rewrite keeps writers waiting."""


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
            connection.connection.driver_connection.execute("VACUUM")  # type: ignore[union-attr]
            return True
        connection.execute(text("SET statement_timeout = 0"))
        try:
            connection.execute(text("VACUUM"))
        finally:
            connection.execute(text("RESET statement_timeout"))
        return True
