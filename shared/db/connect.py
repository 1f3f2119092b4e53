"""The database as the settings describe it: for agents that answer calls, and for jobs."""

from dataclasses import replace

from sqlalchemy import text

from shared.config import Settings
from shared.db.engine import Database
from shared.db.limits import Limits
from shared.db.postgres import DURABLE
from shared.errors import FailedPrecondition
from shared.object_store import ObjectStore
from shared.telemetry import DATABASE_CONNECTIONS

SQLITE_FULL = 2
"""What SQLite calls `synchronous=FULL`."""


def serving_database(settings: Settings) -> Database:
    """Return the database for calls, which end within the bounds of the settings.

    Raises FailedPrecondition when its commits are not durable, Unavailable when it is out of reach.
    """
    database = Database(settings.database_url, serving_limits(settings), model_store(settings))
    try:
        require_durable(database)
    except Exception:  # nobody else would close its connections
        database.close()
        raise
    DATABASE_CONNECTIONS.set_function(database.connections_in_use)
    return database


def job_database(settings: Settings) -> Database:
    """Return the database for long work, which has time of its own: statements of trainings, and upkeep."""
    return Database(settings.database_url, job_limits(settings), model_store(settings))


def model_store(settings: Settings) -> ObjectStore | None:
    """Return the object store of the models; None where the database has them. Does not connect yet."""
    if not settings.model_store:
        return None
    return ObjectStore(settings.model_store, settings.model_store_endpoint, settings.model_store_region)


def serving_limits(settings: Settings) -> Limits:
    """Return how long a call waits for the database."""
    return Limits(
        connect_seconds=settings.database_connect_timeout_seconds,
        lock_seconds=settings.database_lock_timeout_seconds,
        statement_seconds=settings.database_statement_timeout_seconds,
        idle_seconds=settings.database_statement_timeout_seconds,
    )


def job_limits(settings: Settings) -> Limits:
    """Return how long a job waits for the database."""
    seconds = settings.database_job_timeout_seconds
    return replace(serving_limits(settings), statement_seconds=seconds, idle_seconds=seconds)


def require_durable(database: Database) -> None:
    """Raise FailedPrecondition unless a commit that was acknowledged outlives a crash.

    Whatever defaults the role and the database have, connections ask for it; a parameter of the URL, a pooler or a
    file system without shared memory can still prevent it.
    """
    if database.dialect == "sqlite":
        _require_pragma(database, "journal_mode", "wal")
        _require_pragma(database, "synchronous", SQLITE_FULL)
        return
    with database.read() as connection:
        found = connection.execute(text("SHOW synchronous_commit")).scalar_one()
    if found not in DURABLE:
        raise FailedPrecondition(
            f"synchronous_commit is {found} for connections of database_url: commits could be lost, it must be on"
        )


def _require_pragma(database: Database, name: str, needed: str | int) -> None:
    with database.read() as connection:
        found = connection.execute(text(f"PRAGMA {name}")).scalar_one()
    if found != needed:
        raise FailedPrecondition(f"SQLite has {name} {found}, not {needed}: the file is where commits cannot be kept")
