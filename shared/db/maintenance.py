"""Upkeep of the database: statistics are renewed, free space is given back."""

from sqlalchemy import text

from shared.db.engine import Database

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
            connection.connection.driver_connection.execute("VACUUM")  # type: ignore[union-attr]
            return True
        connection.execute(text("SET statement_timeout = 0"))
        try:
            connection.execute(text("VACUUM"))
        finally:
            connection.execute(text("RESET statement_timeout"))
        return True
