"""One view of the data while reading, and no wait without bound."""

import socket

import pytest
from sqlalchemy import select, text

from shared.db import engine
from shared.db.customers import all_keys
from shared.db.driver import PreparedQuery
from shared.db.engine import Database
from shared.db.schema import customers
from shared.errors import Unavailable
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
    assert found == {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": engine.SQLITE_CHECKPOINT_PAGES}


def test_an_error_of_the_driver_says_that_the_database_is_not_available(sqlite_database: Database) -> None:
    with sqlite_database.write() as connection:
        connection.execute(text("ALTER TABLE customers RENAME COLUMN external_id TO gone"))
    with pytest.raises(Unavailable, match=r"^the database is not available$"), sqlite_database.cursor() as cursor:
        cursor.fetch(NAMES)


@pytest.mark.postgres
@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
def test_postgresql_waits_no_longer_than_a_bound(
    postgres_database: Database, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {"lock_timeout": "BUSY_TIMEOUT_SECONDS", "statement_timeout": "STATEMENT_TIMEOUT_SECONDS"}[limit]
    monkeypatch.setattr(engine, seconds, 0.1)
    impatient = Database(postgres_database.url)
    with postgres_database.write() as holder:
        holder.execute(text("LOCK TABLE customers"))
        with pytest.raises(Unavailable), impatient.read() as connection:
            all_keys(connection)
    impatient.close()


@pytest.mark.postgres
def test_a_server_that_never_answers_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "CONNECT_TIMEOUT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        database = Database(f"postgresql://quintet@127.0.0.1:{silent.getsockname()[1]}/none")
        with pytest.raises(Unavailable), database.read() as connection:
            all_keys(connection)
        database.close()
