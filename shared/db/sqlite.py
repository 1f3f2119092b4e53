"""SQLite: an engine whose commits are durable and whose write transactions begin with the write lock."""

import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

from shared.db.limits import Limits

POOL_SIZE = 16
WRITE = "quintet_write"
"""Execution option of a connection whose transactions write."""
CACHE_KIB = 16 * 1024
"""Page cache of each connection. More is no quicker: any commit by another process empties it."""
CHECKPOINT_PAGES = 4_000
"""Pages of the write-ahead log (16 MB) from which a commit copies them into the database file. A thousand events change
some 500 pages, mostly the same ones: copied after every second thousand, as by default, they cost as much as the events
do. Measured: 19 and not 35 microseconds an event."""
FIRST_LOCK_PAUSE_SECONDS = 0.0005
LONGEST_LOCK_PAUSE_SECONDS = 0.004
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
    "temp_store=MEMORY",
    f"cache_size=-{CACHE_KIB}",
    f"wal_autocheckpoint={CHECKPOINT_PAGES}",
)


def sqlite_engine(url: str, limits: Limits) -> Engine:
    """Return an engine for the file of `url`."""
    engine = create_engine(
        url,
        pool_size=POOL_SIZE,
        max_overflow=POOL_SIZE,
        pool_timeout=limits.pool_seconds,
        connect_args={"timeout": limits.lock_seconds, "check_same_thread": False, "isolation_level": None},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The driver's own implicit BEGIN is off: it would start transactions as readers and fail on the upgrade.
        if connection.get_execution_options().get(WRITE, False):
            _begin_write(connection.connection.driver_connection, limits.lock_seconds)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_write(connection: Any, lock_seconds: float) -> None:
    """Begin a write transaction as soon as the lock is free.

    SQLite itself waits for 1, 2, 5 … 100 ms between two looks, whatever the lock's owner needs. Write transactions take
    a few milliseconds here, so short pauses let a writer begin sooner and spread the turns more evenly.
    """
    until = time.monotonic() + lock_seconds
    pause = FIRST_LOCK_PAUSE_SECONDS
    connection.execute("PRAGMA busy_timeout=0")
    try:
        while not _try_begin(connection, last=time.monotonic() > until):
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_LOCK_PAUSE_SECONDS)
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(lock_seconds * 1000)}")


def _try_begin(connection: Any, *, last: bool) -> bool:
    """Return whether the write transaction has begun. Raises the driver's error when it is no lock, or at the last."""
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if last or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
