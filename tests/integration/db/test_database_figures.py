"""Figures of both databases, and what of jobs, leases and events tells since when something is wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import REGISTRY
from sqlalchemy import text

from shared.config import Settings
from shared.db import failed_events, leases, unjoined_events
from shared.db.connect import serving_database
from shared.db.database_figures import SAFE_SETTINGS, database_figures
from shared.db.engine import Database


def test_the_figures_are_those_of_the_database(database: Database) -> None:
    found = database_figures(database)
    assert found.size_bytes > 0
    assert abs(found.own_clock_ahead_seconds) < 5
    assert set(found.unsafe_settings) <= set(SAFE_SETTINGS)
    if database.dialect == "sqlite":
        assert 0 < found.disk_free_bytes <= found.disk_bytes
    else:
        assert 0 < found.connections <= found.most_connections


def log_files(database: Database) -> list[Path]:
    """The files of the write-ahead log of the database, or of the server that the test started."""
    if database.file is not None:
        return [database.file.with_name(f"{database.file.name}-wal")]
    with database.read() as connection:
        data = connection.execute(text("SHOW data_directory")).scalar_one()
    return [file for file in (Path(data) / "pg_wal").iterdir() if file.is_file()]


def test_the_size_of_the_write_ahead_log_is_that_of_its_files(database: Database) -> None:
    with database.write() as connection:
        leases.acquire(connection, "work", "me", 60.0)
    assert database_figures(database).wal_bytes == sum(file.stat().st_size for file in log_files(database)) > 0


def test_held_leases_are_listed_until_they_are_given_back(database: Database) -> None:
    with database.write() as connection:
        lease = leases.acquire(connection, "work", "me", 60.0)
        (held,) = leases.held(connection)
        assert lease is not None
        leases.release(connection, lease)
        assert leases.held(connection) == []
    assert held.name == "work"
    assert timedelta(0) < held.expires_at - datetime.now(UTC) < timedelta(minutes=2)


def test_without_trouble_there_is_no_since(database: Database) -> None:
    with database.read() as connection:
        assert failed_events.first_failures(connection) == {}
        assert unjoined_events.waiting_since(connection) is None


def test_connections_in_use_are_counted(database: Database) -> None:
    assert database.connections_in_use() == 0
    with database.read(), database.read():
        assert database.connections_in_use() == 2
    assert database.connections_in_use() == 0


def test_connections_of_an_agent_are_scraped(database: Database) -> None:
    serving = serving_database(Settings(_env_file=None, database_url=database.url))
    try:
        with serving.read(), serving.read():
            assert REGISTRY.get_sample_value("quintet_database_connections") == 2
        assert REGISTRY.get_sample_value("quintet_database_connections") == 0
    finally:
        serving.close()
