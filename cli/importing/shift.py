"""Move old data to the present by whole weeks, so that weekdays and times of day stay as they were."""

from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, tzinfo
from pathlib import Path

from cli.importing.orders import renamed
from cli.importing.readers import open_reader
from shared import values
from shared.column_mapping import ColumnMapping
from shared.columns import Kind
from shared.db.types import to_micros

MICROS_A_WEEK = 7 * 24 * 3600 * 1_000_000
TIMES: dict[Kind, str] = {"customers": "registration_time", "products": "available_time", "events": "timestamp"}


def weeks_to_now(newest: int, now: datetime | None = None) -> int:
    """Return the weeks to add so that `newest`, in microseconds since 1970, lies in the last seven days."""
    return (to_micros(now or datetime.now(UTC)) - newest) // MICROS_A_WEEK


def newest_time(paths: Iterable[Path], kind: Kind, mapping: ColumnMapping, zone: tzinfo) -> int | None:
    """Return the newest time in files in microseconds since 1970; None when there is none. Reads them all."""
    micros = values.time_parser(zone)
    newest: int | None = None
    for path in paths:
        with closing(open_reader(path)) as reader:
            for batch in reader.batches():
                column = renamed(batch, mapping.resolve(batch.columns)).get(TIMES[kind], ())
                found = [at for value in set(map(_hashable, column)) if (at := _time(micros, value)) is not None]
                newest = max([*found, *([] if newest is None else [newest])], default=None)
    return newest


def _hashable(value: object) -> object:
    return None if isinstance(value, list | dict) else value


def _time(micros: values.TimeParser, value: object) -> int | None:
    """Return a time, or None for what is none: such rows are rejected when their turn comes."""
    try:
        return micros(value)
    except values.BadValue:
        return None
