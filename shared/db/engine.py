"""Connections to the shared database: one pool per process, short write transactions, the same on both databases."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import structlog
from quintet.type.v1.error_pb2 import ErrorReason
from sqlalchemy import Connection, Engine, Table, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.pool import QueuePool

from shared.db.driver import DriverCursor
from shared.db.limits import SERVING, Limits
from shared.db.postgres import postgres_engine
from shared.db.sqlite import WRITE, sqlite_engine
from shared.errors import DataLoss, FailedPrecondition, InvalidArgument, Unavailable
from shared.lease import working_for
from shared.object_store import ObjectStore

__all__ = ["Connection", "Contended", "Database", "StaleReference", "insert_into", "next_count", "retried"]


SQLITE_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
POSTGRES_DAMAGE = ("XX001", "XX002")
POSTGRES_CONTENTION = ("40P01", "40001")
"""Deadlocks, and transactions that could not be put into an order."""
CONTENTION_RETRIES = 2
T = TypeVar("T")
log = structlog.get_logger()


class StaleReference(Exception):
    """A row that the transaction refers to was deleted meanwhile; look it up anew and try again."""


class Contended(Unavailable):
    """The database ended the transaction so that another one could go on; it may be tried again at once."""


class Database:
    """The shared database.

    Parameters
    ----------
    url : str
        SQLAlchemy URL: `sqlite:///file.db` or `postgresql://user@host/name`.
    limits : Limits
        How long it is waited for.
    model_store : ObjectStore, optional
        Where the artefacts of new models go in place of the database.

    Raises
    ------
    InvalidArgument
        If the URL is of neither database.
    """

    def __init__(self, url: str, limits: Limits = SERVING, model_store: ObjectStore | None = None) -> None:
        self.url = url
        self.limits = limits
        self.model_store = model_store
        self.damaged = False
        """Whether a statement of this process met damaged data; see `shared/db/condition.py`."""
        self.engine = _create_engine(url, limits)
        self.dialect = self.engine.dialect.name
        # On SQLite every transaction sees one state of the data already.
        one_view = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reading = self.engine.execution_options(**(one_view if self.dialect == "postgresql" else {}))
        self._writing = self.engine.execution_options(**{WRITE: True})

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database; None for PostgreSQL."""
        return Path(str(self.engine.url.database)) if self.dialect == "sqlite" else None

    def connections_in_use(self) -> int:
        """Return how many connections are in use now; 0 where the driver's pool does not count them."""
        pool = self.engine.pool
        return pool.checkedout() if isinstance(pool, QueuePool) else 0

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection with one consistent view of the data. Raises Unavailable when it is out of reach."""
        with self._translated(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def cursor(self) -> Iterator[DriverCursor]:
        """Give a cursor of the driver for reads on the path of a request; each statement is a transaction of its own.

        Raises Unavailable when the database is out of reach.
        """
        with self._translated():
            borrowed = self.engine.raw_connection()
            try:
                with _autocommit(borrowed.driver_connection, self.dialect):
                    yield DriverCursor(borrowed.cursor(), self.engine.dialect)
            except self._driver.Error as error:
                borrowed.invalidate(error)
                raise
            finally:
                borrowed.close()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a connection in a write transaction: committed at the end, rolled back on any error.

        On SQLite the transaction takes the write lock at once, so that it never fails half-way for a lock.
        Raises Unavailable when the database is out of reach, or locked for longer than its limits say; LeaseLost when
        this is work of a job (`shared/lease.py`) that another process has taken over.
        """
        with self._translated(), self._writing.connect() as connection, connection.begin():
            _require_lease(connection)
            yield connection

    def close(self) -> None:
        """Close all connections. Safe to repeat."""
        self.engine.dispose()

    @property
    def _driver(self) -> Any:
        return self.engine.dialect.loaded_dbapi

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn the driver's "cannot reach" and "locked" into Unavailable, a lost reference into StaleReference."""
        try:
            yield
        except IntegrityError as error:
            if "foreign key" in str(error.orig).lower():
                raise StaleReference(str(error.orig)) from error
            raise
        except (OperationalError, self._driver.OperationalError) as error:
            _raise_operational(error, getattr(error, "orig", error))
        except PoolExhausted as error:
            raise Unavailable(
                "all connections to the database are in use", reason=ErrorReason.DATABASE_UNAVAILABLE
            ) from error
        except (DBAPIError, self._driver.Error) as error:
            cause = getattr(error, "orig", error)
            if _is_damage(cause):
                self.damaged = True
                raise DataLoss("the database is damaged: run `quintet check`") from error
            if getattr(error, "connection_invalidated", False):
                raise _unavailable("the connection to the database was lost", cause) from error
            raise


def retried(work: Callable[[], T]) -> T:
    """Do work that has a transaction of its own; do it again, twice at most, where the database gave others the way."""
    for _ in range(CONTENTION_RETRIES):
        with suppress(Contended):
            return work()
    return work()


def insert_into(connection: Connection, table: Table) -> Any:
    """Return an INSERT that knows `on_conflict_do_update` and `on_conflict_do_nothing`, for either database."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def replace_rows(connection: Connection, table: Table, key: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows in place of those with the same key; all rows have the same columns."""
    if not rows:
        return
    statement = insert_into(connection, table)
    replaced = {name: statement.excluded[name] for name in rows[0] if name not in key}
    connection.execute(statement.on_conflict_do_update(index_elements=key, set_=replaced), rows)


def next_count(connection: Connection, name: str) -> int:
    """Count the counter `name` up and return it. Other transactions wait, so counts are committed in their order."""
    from shared.db.schema import counters

    statement = insert_into(connection, counters).values(name=name, value=1)
    counted = statement.on_conflict_do_update(
        index_elements=[counters.c.name], set_={"value": counters.c.value + 1}
    ).returning(counters.c.value)
    return int(connection.execute(counted).scalar_one())


def _is_damage(cause: BaseException | None) -> bool:
    """Say whether a driver's error tells of data that cannot be read."""
    code = getattr(cause, "sqlite_errorcode", None)
    return getattr(cause, "sqlstate", None) in POSTGRES_DAMAGE or (code is not None and code & 0xFF in SQLITE_DAMAGE)


def _require_lease(connection: Connection) -> None:
    lease = working_for.get()
    if lease is not None:
        from shared.db import leases

        leases.require_held(connection, lease)


def _raise_operational(error: Exception, cause: BaseException | None) -> NoReturn:
    if "integer overflow" in str(cause):
        raise error
    if "no such table" in str(cause):
        problem = "the database has no schema yet: run `quintet migrate`"
        raise FailedPrecondition(problem, reason=ErrorReason.SCHEMA_OUTDATED) from error
    if getattr(cause, "sqlstate", None) in POSTGRES_CONTENTION:
        raise _unavailable("another transaction was in the way: try again", cause, Contended) from error
    raise _unavailable("the database is not available", cause) from error


def _unavailable(problem: str, cause: BaseException | None, kind: type[Unavailable] = Unavailable) -> Unavailable:
    """Return the error; the driver's words, with addresses and statements in them, are for the log alone."""
    log.warning(problem, cause=str(cause).partition("\n")[0])
    return kind(problem, reason=ErrorReason.DATABASE_UNAVAILABLE)


@contextmanager
def _autocommit(connection: Any, dialect: str) -> Iterator[None]:
    """Let each statement of a driver's connection be its own transaction; SQLite's connections are made so."""
    if dialect == "sqlite":
        yield
        return
    connection.autocommit = True
    try:
        yield
    finally:
        if not connection.closed:
            connection.autocommit = False


def _create_engine(url: str, limits: Limits) -> Engine:
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return sqlite_engine(url, limits)
    if backend == "postgresql":
        return postgres_engine(parsed, limits)
    raise InvalidArgument.of("database_url", url, "must start with sqlite:// or postgresql://")
