"""What an event and an answer take on disk, measured as the benchmark does, stays below half of what they once took."""

from pathlib import Path

from benchmarks.scale.growth import measure

ONCE_PER_EVENT, ONCE_PER_ANSWER = 251, 5_560
"""Bytes on SQLite before the log of events and that of recommendations were compact."""
SPREAD = 1.1
"""A small file has more room that is not used yet than a large one."""


def test_events_and_answers_take_half_of_the_room_that_they_took(tmp_path: Path) -> None:
    growth = measure(events=8_000, answers=1_000, folder=tmp_path)
    assert growth.bytes_per_event < SPREAD * ONCE_PER_EVENT / 2
    assert growth.bytes_per_answer < SPREAD * ONCE_PER_ANSWER / 2
