"""Create and upgrade the schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from shared.db.engine import Database
from shared.errors import FailedPrecondition

MIGRATION_LOCK = 0x5175_696E  # any number that nobody else uses as an advisory lock


def migrate(database: Database) -> str:
    """Bring the schema to the newest revision and return it. Safe to repeat, and from several processes at once."""
    with database.write() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        command.upgrade(alembic_config(connection), "head")
    return newest_revision()


def require_current(database: Database) -> None:
    """Raise FailedPrecondition unless the schema is at the newest revision."""
    found = current_revision(database)
    if found != newest_revision():
        raise FailedPrecondition(
            f"the schema is at {found or 'nothing'}, not {newest_revision()}: run `quintet migrate`"
        )


def current_revision(database: Database) -> str | None:
    """Return the revision the database is at; None for an empty database."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """Return the newest revision there is."""
    return str(ScriptDirectory(str(Path(__file__).parent / "migrations")).get_current_head())


def alembic_config(connection: Connection) -> Config:
    """Return Alembic's configuration for `connection`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config
