"""The daily look for drift: every test of a day against the days before it, judged together and recorded."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from math import ceil
from typing import Any

import numpy as np

from services.feedback.drift.alarm import DriftTest, Judged, Kind, Thresholds, judged
from services.feedback.drift.population import population_shift
from services.feedback.drift.quality import Look, quality_change
from services.feedback.drift.response import Change, rate_change
from shared.db import drift_checks, input_counts
from shared.db.drift_checks import DriftCheck, Responses
from shared.db.engine import Database
from shared.db.metric_cells import day_of

REFERENCE_DAYS = 28
EARLIER_LOOKS = 28
SHOWN = "algorithm"
_NAMES = {
    input_counts.VIEWED: "views by category",
    input_counts.BOUGHT: "orders by category",
    input_counts.EVENTS: "events by kind",
    SHOWN: "recommendations shown by algorithm",
}
Counts = Mapping[int, Mapping[str, int]]
"""By day and value."""


def last_whole_day(now: datetime) -> int:
    """Return the last day that is over, in days since 1970-01-01 in UTC."""
    return day_of(now) - 1


def look(
    database: Database,
    day: int,
    thresholds: Thresholds,
    click_days: float,
    now: datetime,
    model_version: str = "",
    quality: Look | None = None,
    at_training: Look | None = None,
) -> DriftCheck:
    """Look at a day, store what was found in the place of an earlier look at it, and return it.

    Parameters
    ----------
    day : int
        Day since 1970-01-01 in UTC that is over.
    thresholds : Thresholds
    click_days : float
        Days in which a purchase is credited to a click: conversions are looked at for the day that is so much older.
    now : datetime
        When it is looked.
    model_version, quality
        The live model, and its replay of the day's questions; None where it was not replayed.
    at_training : Look, optional
        The replay of the questions of that model's own test.
    """
    mature = day - ceil(click_days)
    inputs = input_counts.counts_by_day(database, _window(day))
    with database.read() as connection:
        clicks = drift_checks.responses(connection, _window(day))
        conversions = drift_checks.responses(connection, _window(mature))
        looks = drift_checks.looks_at_quality(connection, model_version, day, EARLIER_LOOKS) if quality else []
    tests = [
        *(test for name, counts in inputs.items() for test in _input(name, counts, day)),
        *_input(SHOWN, _shown_by_algorithm(clicks), day),
        *_responses("click-through rate", clicks, day, lambda each: each.clicked),
        *_responses("conversion rate", conversions, mature, lambda each: each.purchased),
    ]
    if quality is not None:
        earlier = [*(Look(**each) for each in looks), *([at_training] if at_training else [])]
        tests += _quality(earlier, quality)
    found = judged(tests, thresholds)
    check = DriftCheck(
        day,
        now,
        any(each.found for each in found),
        model_version,
        asdict(quality) if quality else {},
        [_as_json(each) for each in found],
    )
    with database.write() as connection:
        before = drift_checks.of_day(connection, day)
        check = replace(check, job_id=before.job_id) if before else check
        drift_checks.store(connection, check)
    return check


def _window(day: int) -> range:
    """Return the reference days and the day, the last."""
    return range(day - REFERENCE_DAYS, day + 1)


def _shown_by_algorithm(lists: Sequence[Responses]) -> Counts:
    found: dict[int, dict[str, int]] = {}
    for each in lists:
        if not drift_checks.is_of_all(each) and each.shown:
            of_day = found.setdefault(each.day, {})
            of_day[each.algorithm] = of_day.get(each.algorithm, 0) + each.shown
    return found


def _input(name: str, counts: Counts, day: int) -> Iterator[DriftTest]:
    values = sorted({value for of_day in counts.values() for value in of_day})
    if not values:
        return
    rows = np.array([[counts.get(each, {}).get(value, 0) for value in values] for each in _window(day)], np.float64)
    before, today = rows[:-1], rows[-1]
    shift = population_shift(before, today)
    if shift is None:
        return
    moved = values[shift.moved] if shift.moved >= 0 else ""
    share, was = ((each[shift.moved] / each.sum()) if moved else 0.0 for each in (today, before.sum(axis=0)))
    yield DriftTest(
        Kind.INPUTS, _NAMES[name], float(share), float(was), shift.index, shift.p_value, shift.divergence, moved
    )


def _responses(
    rate: str, lists: Sequence[Responses], day: int, responded: Callable[[Responses], int]
) -> Iterator[DriftTest]:
    """Test the rate of each placement, over all algorithms, and of each algorithm, over all placements."""
    sums: dict[str, np.ndarray[Any, np.dtype[np.float64]]] = {}
    start = day - REFERENCE_DAYS
    for each in lists:
        row = sums.setdefault(_subject(each), np.zeros((REFERENCE_DAYS + 1, 2)))
        row[each.day - start] += (responded(each), each.shown)
    for subject, rows in sorted(sums.items()):
        y, x = np.minimum(rows[:, 0], rows[:, 1]), rows[:, 1]  # a response says that it was on screen, if later
        change = rate_change(y[:-1], x[:-1], float(y[-1]), float(x[-1])) if x[-1] > 0 else None
        if change is not None:
            yield _of_change(f"{rate} of {subject}", change)


def _subject(each: Responses) -> str:
    if not drift_checks.is_of_all(each):
        return f"algorithm {each.algorithm}"
    return f"placement {each.placement}" if each.placement else f"page {each.page_type}"


def _of_change(subject: str, change: Change) -> DriftTest:
    return DriftTest(Kind.RESPONSE, subject, change.rate, change.before, change.relative, change.p_value)


def _quality(earlier: Sequence[Look], now: Look) -> Iterator[DriftTest]:
    change = quality_change(earlier, now)
    if change is not None:
        subject = "NDCG at 20 of the live model above best-sellers"
        yield DriftTest(Kind.QUALITY, subject, change.gain, change.before, change.relative, change.p_value)


def _as_json(each: Judged) -> dict[str, Any]:
    test = asdict(each.test) | {"kind": each.test.kind.value}
    rounded = {name: round(value, 8) if isinstance(value, float) else value for name, value in test.items()}
    return {**rounded, "adjusted_p_value": round(each.adjusted_p_value, 8), "found": each.found}
