"""Connections to the shared database: one pool per process, short write transactions, the same on both databases."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import structlog
from quintet.type.v1.error_pb2 import ErrorReason
from sqlalchemy import URL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from shared.db.driver import DriverCursor
from shared.errors import FailedPrecondition, InvalidArgument, Unavailable

__all__ = ["Connection", "Database", "StaleReference", "insert_into", "next_count"]

BUSY_TIMEOUT_SECONDS = 15.0
CONNECT_TIMEOUT_SECONDS = 5
STATEMENT_TIMEOUT_SECONDS = 600.0
"""Longest run of one statement on PostgreSQL: above every regular one; maintenance lifts it for its own."""
SILENCE_SECONDS = 15
"""A PostgreSQL server that acknowledges nothing for so long is taken for lost."""
POOL_SIZE = 16
SQLITE_CACHE_KIB = 16 * 1024
"""Page cache of each connection. More is no quicker: any commit by another process empties it."""
SQLITE_CHECKPOINT_PAGES = 4_000
"""Pages of the write-ahead log (16 MB) from which a commit copies them into the database file. A thousand events change
some 500 pages, mostly the same ones: copied after every second thousand, as by default, they cost as much as the events
do. Measured: 19 and not 35 microseconds an event."""
FIRST_LOCK_PAUSE_SECONDS = 0.0005
LONGEST_LOCK_PAUSE_SECONDS = 0.004


log = structlog.get_logger()


class StaleReference(Exception):
    """A row that the transaction refers to was deleted meanwhile; look it up anew and try again."""


class Database:
    """The shared database.

    Parameters
    ----------
    url : str
        SQLAlchemy URL: `sqlite:///file.db` or `postgresql://user@host/name`.

    Raises
    ------
    InvalidArgument
        If the URL is of neither database.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _create_engine(url)
        self.dialect = self.engine.dialect.name
        # On SQLite every transaction sees one state of the data already.
        one_view = {"isolation_level": "REPEATABLE READ"} if self.dialect == "postgresql" else {}
        self._reading = self.engine.execution_options(**one_view)
        self._writing = self.engine.execution_options(quintet_write=True)

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database; None for PostgreSQL."""
        return Path(str(self.engine.url.database)) if self.dialect == "sqlite" else None

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
        Raises Unavailable when the database is out of reach or locked for longer than 15 seconds.
        """
        with self._translated(), self._writing.connect() as connection, connection.begin():
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
        except DBAPIError as error:
            if error.connection_invalidated:
                raise _unavailable("the connection to the database was lost", error.orig) from error
            raise


def insert_into(connection: Connection, table: Table) -> Any:
    """Return an INSERT that knows `on_conflict_do_update` and `on_conflict_do_nothing`, for either database."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def next_count(connection: Connection, name: str) -> int:
    """Count the counter `name` up and return it. Other transactions wait, so counts are committed in their order."""
    from shared.db.schema import counters

    statement = insert_into(connection, counters).values(name=name, value=1)
    counted = statement.on_conflict_do_update(
        index_elements=[counters.c.name], set_={"value": counters.c.value + 1}
    ).returning(counters.c.value)
    return int(connection.execute(counted).scalar_one())


def _raise_operational(error: Exception, cause: BaseException | None) -> NoReturn:
    if "integer overflow" in str(cause):
        raise error
    if "no such table" in str(cause):
        problem = "the database has no schema yet: run `quintet migrate`"
        raise FailedPrecondition(problem, reason=ErrorReason.SCHEMA_OUTDATED) from error
    raise _unavailable("the database is not available", cause) from error


def _unavailable(problem: str, cause: BaseException | None) -> Unavailable:
    """Return the error; the driver's words, with addresses and statements in them, are for the log alone."""
    log.warning(problem, cause=str(cause).partition("\n")[0])
    return Unavailable(problem, reason=ErrorReason.DATABASE_UNAVAILABLE)


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


def _create_engine(url: str) -> Engine:
    parsed = make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite_engine(url)
    if backend == "postgresql":
        return _postgres_engine(parsed)
    raise InvalidArgument.of("database_url", url, "must start with sqlite:// or postgresql://")


def _postgres_engine(url: URL) -> Engine:
    """Return an engine that waits for nothing without bound. What the URL itself says goes before."""
    settings = {
        "lock_timeout": int(BUSY_TIMEOUT_SECONDS * 1000),
        "statement_timeout": int(STATEMENT_TIMEOUT_SECONDS * 1000),
        "synchronous_commit": "on",
    }
    timeouts = {
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "keepalives_idle": CONNECT_TIMEOUT_SECONDS,
        "keepalives_interval": CONNECT_TIMEOUT_SECONDS,
        "keepalives_count": 2,
        "tcp_user_timeout": SILENCE_SECONDS * 1000,
        "options": " ".join(f"-c {name}={value}" for name, value in settings.items()),
    }
    return create_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_pre_ping=True,
        connect_args={name: value for name, value in timeouts.items() if name not in url.query},
    )


def _sqlite_engine(url: str) -> Engine:
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",
            "temp_store=MEMORY",
            f"cache_size=-{SQLITE_CACHE_KIB}",
            f"wal_autocheckpoint={SQLITE_CHECKPOINT_PAGES}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The driver's own implicit BEGIN is off: it would start transactions as readers and fail on the upgrade.
        if connection.get_execution_options().get("quintet_write", False):
            _begin_write(connection.connection.driver_connection)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_write(connection: Any) -> None:
    """Begin a write transaction on SQLite as soon as the lock is free.

    SQLite itself waits for 1, 2, 5 … 100 ms between two looks, whatever the lock's owner needs. Write transactions take
    a few milliseconds here, so short pauses let a writer begin sooner and spread the turns more evenly.
    """
    until = time.monotonic() + BUSY_TIMEOUT_SECONDS
    pause = FIRST_LOCK_PAUSE_SECONDS
    connection.execute("PRAGMA busy_timeout=0")
    try:
        while not _try_begin(connection, last=time.monotonic() > until):
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_LOCK_PAUSE_SECONDS)
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_SECONDS * 1000)}")


def _try_begin(connection: Any, *, last: bool) -> bool:
    """Return whether the write transaction has begun. Raises the driver's error when it is no lock, or at the last."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
