"""One view of the data while reading, and no wait without bound."""

import socket

import pytest
from sqlalchemy import select, text

from shared.db import sqlite
from shared.db.connect import require_durable
from shared.db.customers import all_keys
from shared.db.driver import PreparedQuery
from shared.db.engine import Database
from shared.db.limits import Limits
from shared.db.schema import customers
from shared.errors import FailedPrecondition, Unavailable
from tests.support.events import add_customers

NAMES = PreparedQuery(select(customers.c.external_id))


def test_a_read_sees_one_state_of_the_data(database: Database) -> None:
    with database.read() as connection:
        before = all_keys(connection)
        add_customers(database, "anna")
        assert all_keys(connection) == before
    with database.read() as connection:
        assert len(all_keys(connection)) == len(before) + 1


def test_a_write_sees_what_was_committed_before_it_looks(database: Database) -> None:
    with database.read() as connection:  # the pool gives the same connection to the write below
        all_keys(connection)
    with database.write() as connection:
        level = connection.get_isolation_level()
    assert level == {"sqlite": "SERIALIZABLE", "postgresql": "READ COMMITTED"}[database.dialect]


def test_a_cursor_of_the_driver_sees_each_commit(database: Database) -> None:
    with database.cursor() as cursor:
        assert cursor.fetch(NAMES) == []
        add_customers(database, "anna")
        assert cursor.first(NAMES) == ("anna",)


def test_every_commit_on_sqlite_is_durable_and_few_copy_the_log_into_the_file(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "wal_autocheckpoint")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": sqlite.CHECKPOINT_PAGES}


def test_an_error_of_the_driver_says_that_the_database_is_not_available(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        connection.execute(text("ALTER TABLE customers RENAME COLUMN external_id TO gone"))
    with pytest.raises(Unavailable, match=r"^the database is not available$"), sqlite_database.cursor() as cursor:
        cursor.fetch(NAMES)


@pytest.mark.postgres
def test_a_server_that_never_answers_is_out_of_reach() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://quintet@127.0.0.1:{silent.getsockname()[1]}/none"
        database = Database(url, Limits(connect_seconds=2))
        with pytest.raises(Unavailable), database.read() as connection:
            all_keys(connection)
        database.close()


def test_a_file_system_that_takes_no_write_ahead_log_is_refused(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_durable(sqlite_database)
    monkeypatch.setattr(sqlite, "PRAGMAS", ("journal_mode=DELETE", "synchronous=NORMAL"))
    with sqlite_database.write() as connection:
        file = connection.engine.url.database
    sqlite_database.close()
    weaker = Database(f"sqlite:///{file}")
    with pytest.raises(FailedPrecondition, match="journal_mode delete"):
        require_durable(weaker)
    weaker.close()
