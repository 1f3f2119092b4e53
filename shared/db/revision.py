"""Which revisions of the schema this release works with; without Alembic, which agents need for nothing else.

An upgrade migrates first and replaces agents one by one afterwards. Until the last is replaced, agents of the release
before work on the newer schema, and may have to start on it. Migrations therefore only add. One that takes away what
an earlier release needs says which releases still work (`WORKS_FROM`).
"""

from quintet.type.v1.error_pb2 import ErrorReason
from sqlalchemy import Connection, inspect, select, text

from shared.db.engine import Database
from shared.db.schema import counters
from shared.errors import FailedPrecondition

OLDEST = "0025"
"""The oldest revision that this release works on."""
NEWEST = "0025"
"""The newest revision in `shared/db/migrations`."""
WORKS_FROM = "schema_works_from"
"""Counter of the oldest `NEWEST` of a release that works on the schema as it is now."""


def require_workable(database: Database) -> None:
    """Raise FailedPrecondition unless this release works on the schema."""
    problem = schema_problem(database)
    if problem:
        raise FailedPrecondition(problem, reason=ErrorReason.SCHEMA_OUTDATED)


def schema_problem(database: Database) -> str:
    """Return why this release does not work on the schema; empty when it does."""
    with database.read() as connection:
        found = revision_of(connection)
        if found is None or found < OLDEST:
            return f"the schema is at {found or 'nothing'}, not {NEWEST}: run `quintet migrate`"
        if found > NEWEST and works_from(connection) > int(NEWEST):
            return f"the schema is at {found}, which this release does not know: start a newer release"
    return ""


def works_from(connection: Connection) -> int:
    """Return the oldest `NEWEST` of a release that works on the schema, as a number; 0 where nothing is said."""
    value = connection.execute(select(counters.c.value).where(counters.c.name == WORKS_FROM)).scalar_one_or_none()
    return int(value or 0)


def current_revision(database: Database) -> str | None:
    """Return the revision the database is at; None for an empty database."""
    with database.read() as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    """Return the revision a connection's database is at; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return found
