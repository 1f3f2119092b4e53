"""Looks for drift, one a day, written by the feedback agent; the coordinator notes the training that one triggered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from shared.db.engine import replace_rows
from shared.db.schema import drift_checks, metric_cells
from shared.metric_numbers import ALL_ALGORITHMS


@dataclass(frozen=True)
class DriftCheck:
    """A look at one day, a number of days since 1970-01-01 in UTC.

    Attributes
    ----------
    day : int
    checked_at : datetime
    found : bool
        Whether any test is a finding.
    model_version : str
        The model whose quality was looked at; empty for none.
    quality : dict
        The replay of the day's questions: `questions`, `quality`, `gain`, `standard_error`; empty for none.
    tests : list of dict
        Every test, with `found`.
    job_id : str or None
        The training that it triggered.
    """

    day: int
    checked_at: datetime
    found: bool
    model_version: str
    quality: dict[str, Any]
    tests: list[dict[str, Any]]
    job_id: str | None = None


class Responses(NamedTuple):
    """What came of the lists of a day, by placement (empty: of the page itself), page type and algorithm.

    `algorithm` is empty for all of them together.
    """

    day: int
    placement: str
    page_type: str
    algorithm: str
    shown: int
    clicked: int
    purchased: int


def latest(connection: Connection) -> DriftCheck | None:
    """Return the latest look; None before the first."""
    newest = select(drift_checks).order_by(drift_checks.c.day.desc()).limit(1)
    return _check(connection.execute(newest).one_or_none())


def of_day(connection: Connection, day: int) -> DriftCheck | None:
    """Return the look at a day; None where there was none."""
    return _check(connection.execute(select(drift_checks).where(drift_checks.c.day == day)).one_or_none())


def store(connection: Connection, check: DriftCheck) -> None:
    """Store a look, in the place of an earlier one at the same day."""
    row = {
        "day": check.day,
        "checked_at": check.checked_at,
        "found": check.found,
        "model_version": check.model_version,
        "quality": check.quality,
        "tests": check.tests,
        "job_id": check.job_id,
    }
    replace_rows(connection, drift_checks, ["day"], [row])


def set_job(connection: Connection, day: int, job_id: str) -> None:
    """Note the training that a look triggered."""
    connection.execute(drift_checks.update().where(drift_checks.c.day == day).values(job_id=job_id))


def looks_at_quality(connection: Connection, model_version: str, before: int, most: int) -> list[dict[str, Any]]:
    """Return the latest replays with a model of days before one, newest first."""
    columns = drift_checks.c
    query = select(columns.quality).where(columns.model_version == model_version, columns.day < before)
    found = connection.execute(query.order_by(columns.day.desc()).limit(most)).scalars()
    return [quality for quality in found if quality]


def responses(connection: Connection, days: Sequence[int]) -> list[Responses]:
    """Return what came of the lists of days, by day, placement, page type and algorithm."""
    columns = metric_cells.c
    groups = (columns.day, columns.placement, columns.page_type, columns.algorithm)
    sums = (func.sum(each) for each in (columns.shown, columns.clicked, columns.purchased))
    query = select(*groups, *sums).where(columns.day.in_(days)).group_by(*groups).order_by(*groups)
    return [Responses(*row[:4], *map(int, row[4:])) for row in connection.execute(query)]


def is_of_all(each: Responses) -> bool:
    """Whether it is of all algorithms together."""
    return each.algorithm == ALL_ALGORITHMS


def _check(row: Any) -> DriftCheck | None:
    return None if row is None else DriftCheck(**row._mapping)
