"""Which revision the schema of a database is at; without Alembic, which agents need for nothing else."""

from quintet.type.v1.error_pb2 import ErrorReason
from sqlalchemy import inspect, text

from shared.db.engine import Database
from shared.errors import FailedPrecondition

NEWEST = "0017"
"""The newest revision in `shared/db/migrations`."""


def require_current(database: Database) -> None:
    """Raise FailedPrecondition unless the schema is at the newest revision."""
    found = current_revision(database)
    if found != NEWEST:
        raise FailedPrecondition(
            f"the schema is at {found or 'nothing'}, not {NEWEST}: run `quintet migrate`",
            reason=ErrorReason.SCHEMA_OUTDATED,
        )


def current_revision(database: Database) -> str | None:
    """Return the revision the database is at; None for an empty database."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
        return found
