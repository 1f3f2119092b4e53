"""Which sessions of a unit count: those since its first list, the one it was shown in, and what foresees them."""

import numpy as np

from services.feedback.experiments.unit_sums import SessionRows, UnitSums, unit_sums
from shared.experiments.measures import MEASURES

HOUR = 3_600_000_000
DAY = 24 * HOUR
FIRST = 100 * DAY


def sums(*sessions: tuple[int, float, float], units: int = 1, met_before: int = 0) -> UnitSums:
    """Return the sums of units with their first list at one moment.

    Sessions of half an hour are (unit, hours after, revenue).
    """
    values = np.zeros((len(sessions), len(MEASURES)))
    values[:, MEASURES.index("sessions")] = 1
    values[:, MEASURES.index("kept_revenue")] = [revenue for _, _, revenue in sessions]
    unit = np.array([unit for unit, _, _ in sessions], np.int64)
    started = np.array([FIRST + round(hours * HOUR) for _, hours, _ in sessions], np.int64)
    rows = SessionRows(unit, started, started + HOUR // 2, values, np.arange(len(sessions)))
    first = np.full(units, FIRST, np.int64)
    return unit_sums(np.zeros(units, np.int64), first, first - met_before, rows)


def test_sessions_since_the_first_list_count() -> None:
    found = sums((0, 1, 10), (0, 48, 5))
    assert found.column("sessions", 0).tolist() == [2]
    assert found.column("kept_revenue", 0).tolist() == [15]
    assert found.column("sessions", 0, before=True).tolist() == [0]


def test_the_session_of_the_first_list_counts_and_earlier_ones_foresee() -> None:
    found = sums((0, -30, 7), (0, -2, 3), (0, -0.75, 1), (0, 5, 2))
    assert found.column("kept_revenue", 0).tolist() == [3]
    assert found.column("kept_revenue", 0, before=True).tolist() == [10]


def test_a_session_that_ended_long_ago_is_another_visit_and_one_of_a_month_ago_is_forgotten() -> None:
    found = sums((0, -1.25, 7), (0, -29 * 24, 100))
    assert found.column("sessions", 0).tolist() == [0]
    assert found.column("kept_revenue", 0, before=True).tolist() == [7]


def test_sessions_in_another_arm_neither_count_nor_foresee() -> None:
    found = sums((0, -30, 7), (0, -5, 3), (0, 1, 1), met_before=10 * HOUR)
    assert found.column("kept_revenue", 0).tolist() == [1]
    assert found.column("kept_revenue", 0, before=True).tolist() == [7]


def test_units_are_told_apart_and_have_the_segment_of_their_first_session() -> None:
    found = sums((1, 2, 4), (0, 1, 1), (1, 1, 2), units=3)
    assert found.column("kept_revenue", 0).tolist() == [1, 6, 0]
    assert found.segment.tolist() == [1, 2, -1]
    assert found.within(2).column("kept_revenue", 0).tolist() == [6]
