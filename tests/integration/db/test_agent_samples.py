"""Samples are stored, the last of each process is found, and a week of them is kept."""

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from shared.db import agent_samples
from shared.db.engine import Database
from shared.errors import Unavailable
from shared.monitoring.latency import CallCounts
from shared.monitoring.monitor import Monitor
from shared.monitoring.reading import Reading
from shared.monitoring.sample import Sample
from shared.monitoring.thresholds import Thresholds

NOW = datetime.now(UTC)
SAMPLE = Sample(300.0, 10, 1, 2.5, 9.5, 0.5, 120.0, 5, 1, 2)


def stored(database: Database, since: datetime) -> list[agent_samples.StoredSample]:
    with database.read() as connection:
        return agent_samples.latest(connection, since)


def test_the_last_sample_of_each_process_is_found(database: Database) -> None:
    for minutes, instance in ((10, "a"), (5, "a"), (5, "b"), (60, "gone")):
        agent_samples.store(database, "product", instance, SAMPLE, NOW - timedelta(minutes=minutes))
    found = stored(database, NOW - timedelta(minutes=15))
    assert [(each.instance, each.sampled_at) for each in found] == [
        ("a", NOW - timedelta(minutes=5)),
        ("b", NOW - timedelta(minutes=5)),
    ]
    assert found[0].sample == SAMPLE


def test_a_week_is_kept(database: Database) -> None:
    for days in (8, 6, 0):
        agent_samples.store(database, "product", f"{days}", SAMPLE, NOW - timedelta(days=days))
    assert sorted(each.instance for each in stored(database, NOW - timedelta(days=30))) == ["0", "6"]


def test_the_monitor_logs_stores_and_alerts(sqlite_database: Database) -> None:
    readings = iter(
        [
            Reading(at=0.0),
            Reading(CallCounts({0.1: 0.0, 5.0: 100.0}, 100), memory_mb=50.0, at=300.0),
        ]
    )
    monitor = Monitor("product", sqlite_database, Thresholds, "one", lambda: next(readings))
    with capture_logs() as lines:
        sample = monitor.take()
    assert sample.p99_ms > 500
    assert [line["event"] for line in lines] == ["performance", "performance: beyond a threshold"]
    assert lines[1]["figure"] == "p99_ms"
    (found,) = stored(sqlite_database, NOW - timedelta(minutes=1))
    assert (found.agent, found.instance, found.sample) == ("product", "one", sample)


def test_without_the_database_the_monitor_goes_on(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("away")

    monkeypatch.setattr(agent_samples, "store", away)
    monitor = Monitor("product", sqlite_database, Thresholds, "one", lambda: Reading(at=1.0))
    assert monitor.take().calls == 0
