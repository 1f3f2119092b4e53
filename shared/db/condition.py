"""Whether the database can be worked with, found out by small real reads and writes."""

import sqlite3
from typing import Any

from sqlalchemy import Connection, exists, select, text

from shared.db.engine import Database
from shared.db.limits import Limits
from shared.db.schema import customers, event_cursors, event_log, model_versions, products
from shared.errors import DataLoss, FailedPrecondition, QuintetError

READ = (event_cursors, event_log, customers, products, model_versions)
"""Tables of which a row is read."""
SHORT = Limits(connect_seconds=2, lock_seconds=1.0, statement_seconds=2.0, idle_seconds=30.0, pool_seconds=1.0)
"""A server that is back must be noticed soon, whatever the agents' own calls still wait for."""


class DatabaseCondition:
    """Says what is wrong with a database. One thread at a time may ask.

    Damage that any call of this process met counts until a check of the whole finds none.
    """

    def __init__(self, database: Database, *, writes: bool) -> None:
        self._database = database
        self._own = Database(database.url, SHORT)
        self._writes = writes

    def problem(self) -> str:
        """Return what is wrong; empty when the database answers, and takes writes where the agent writes."""
        try:
            if self._database.damaged:
                self._check_whole()
            self._read()
            if self._writes:
                self._begin_write()
        except DataLoss as error:
            self._database.damaged = True
            return error.message
        except QuintetError as error:
            return error.message
        return ""

    def close(self) -> None:
        """Close the connections of the checks."""
        self._own.close()

    def _read(self) -> None:
        with self._own.read() as connection:
            for table in READ:
                connection.execute(select(exists(select(table)))).scalar_one()

    def _check_whole(self) -> None:
        """Raise DataLoss unless the file is whole again; PostgreSQL says what it meets at the reads that follow."""
        if self._own.dialect == "sqlite":
            with self._own.read() as connection:
                if connection.execute(text("PRAGMA quick_check(1)")).scalar_one() != "ok":
                    raise DataLoss("the database is damaged")
        self._database.damaged = False

    def _begin_write(self) -> None:
        if self._own.dialect == "postgresql":
            with self._own.read() as connection:
                _require_primary(connection)
            return
        with self._own.read() as connection:
            connection.rollback()
            _begin_and_roll_back(connection.connection.driver_connection)


def _require_primary(connection: Connection) -> None:
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
        raise FailedPrecondition("the database is a standby, which takes no writes")


def _begin_and_roll_back(driver: Any) -> None:
    """Take the write lock of SQLite for a moment; a lock that somebody else holds is no fault."""
    driver.execute("PRAGMA busy_timeout=0")
    try:
        driver.execute("BEGIN IMMEDIATE")
        driver.execute("UPDATE counters SET value = value WHERE name = ''")
        driver.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if driver.in_transaction:
            driver.execute("ROLLBACK")
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise FailedPrecondition(f"the database takes no writes ({error.sqlite_errorname})") from error
