"""Figures of both databases, and what of jobs, leases and events tells since when something is wrong."""

from datetime import UTC, datetime, timedelta

from shared.db import failed_events, leases, unjoined_events
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
