"""What an event and an answer take on disk, measured as the benchmark does, stays below half of what they once took."""

import time

import pytest

from benchmarks.scale.growth import Growth, TimedDatabase, measure
from shared.db.engine import Database

ONCE_PER_EVENT, ONCE_PER_ANSWER = 251, 5_560
"""Bytes on SQLite before the log of events and that of recommendations were compact."""
SPREAD = 1.1
"""A small file has more room that is not used yet than a large one."""


@pytest.fixture(scope="module")
def growth(tmp_path_factory: pytest.TempPathFactory) -> Growth:
    return measure(events=8_000, answers=1_000, folder=tmp_path_factory.mktemp("growth"))


def test_events_and_answers_take_half_of_the_room_that_they_took(growth: Growth) -> None:
    assert growth.bytes_per_event < SPREAD * ONCE_PER_EVENT / 2
    assert growth.bytes_per_answer < SPREAD * ONCE_PER_ANSWER / 2


def test_the_longest_slice_of_retention_is_told(growth: Growth) -> None:
    assert growth.longest_slice_ms > 0


def test_the_longest_write_is_timed(sqlite_database: Database) -> None:
    timed = TimedDatabase(sqlite_database.url)
    for seconds in (0.0, 0.05, 0.0):
        with timed.write():
            time.sleep(seconds)
    assert timed.longest_seconds >= 0.05
    timed.close()
