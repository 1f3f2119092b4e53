"""Create and upgrade the schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from shared.db.engine import Database
from shared.db.revision import NEWEST, revision_of

MIGRATION_LOCK = 0x5175_696E  # any number that nobody else uses as an advisory lock


def migrate(database: Database) -> str:
    """Bring the schema to the newest revision and return it. Safe to repeat, and from several processes at once.

    A schema that a newer release has made stays as it is.
    """
    with database.write() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        found = revision_of(connection)
        if found is not None and found > NEWEST:
            return found
        command.upgrade(alembic_config(connection), NEWEST)
    return NEWEST


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration for `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
