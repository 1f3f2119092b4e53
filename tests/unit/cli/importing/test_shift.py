"""Whole weeks that bring old data to the present."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cli.importing.shift import newest_time, weeks_to_now
from shared.column_mapping import ColumnMapping
from shared.db.types import from_micros, to_micros

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive
def test_the_newest_time_falls_into_the_last_week(newest: datetime) -> None:
    moved = newest + timedelta(weeks=weeks_to_now(to_micros(newest), NOW))
    assert timedelta(0) <= NOW - moved < timedelta(weeks=1)


def test_the_newest_time_of_several_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.jsonl"
    first.write_text("when\n2017-01-01\nsoon\n\n2017-03-01\n")
    second.write_text('{"when": "2017-02-01"}\n{"when": [1]}\n{}\n')
    mapping = ColumnMapping("events", ["when=timestamp"])
    newest = newest_time([first, second], "events", mapping, UTC)
    assert newest is not None
    assert from_micros(newest) == datetime(2017, 3, 1, tzinfo=UTC)
    assert newest_time([second], "customers", ColumnMapping("customers"), UTC) is None
