"""The last click in the window takes the credit; an impression only apart, and nothing after the purchase counts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.attribution import Credit, Windows, credit, last_click
from shared.db.recommendations import Touch

BOUGHT_AT = datetime(2026, 1, 10, 12, tzinfo=UTC)
WINDOWS = Windows(click=timedelta(days=7), view=timedelta(days=1))
HOURS = st.integers(-300, 100)
SECOND = timedelta(seconds=1)


def touch(kind: str, before: timedelta, recommendation: int = 1, sequence: int = 1) -> Touch:
    return Touch(recommendation, 1, "p1", kind, BOUGHT_AT - before, sequence)


@pytest.mark.parametrize(
    ("kind", "before", "expected"),
    [
        ("click", timedelta(0), "purchase"),
        ("click", timedelta(days=7), "purchase"),
        ("click", timedelta(days=7) + SECOND, None),
        ("click", -SECOND, None),
        ("shown", timedelta(days=1), "view_through"),
        ("shown", timedelta(days=1) + SECOND, None),
        ("shown", -SECOND, None),
    ],
)
def test_the_windows_include_their_ends(kind: str, before: timedelta, expected: str | None) -> None:
    found = credit([touch(kind, before)], BOUGHT_AT, WINDOWS)
    assert (found.kind if found else None) == expected


def test_the_last_click_wins_over_earlier_ones_and_over_impressions() -> None:
    first, last = touch("click", timedelta(days=3), 1), touch("click", timedelta(days=2), 2)
    seen = touch("shown", timedelta(hours=1), 3)
    assert credit([last, seen, first], BOUGHT_AT, WINDOWS) == Credit("purchase", last)


def test_of_touches_at_one_moment_the_one_recorded_last_wins() -> None:
    early, late = touch("click", SECOND, 2, sequence=5), touch("click", SECOND, 1, sequence=6)
    assert last_click([late, early], BOUGHT_AT, WINDOWS.click) is late


def test_no_touches_give_no_credit() -> None:
    assert credit([], BOUGHT_AT, WINDOWS) is None


def test_the_longest_window_is_the_longer_one() -> None:
    assert WINDOWS.longest == timedelta(days=7)
    assert Windows(timedelta(1), timedelta(2)).longest == timedelta(2)


@given(st.lists(st.tuples(st.sampled_from(["click", "shown"]), HOURS, st.integers(1, 5))))
def test_the_credited_touch_is_the_best_by_the_slow_rule(rows: list[tuple[str, int, int]]) -> None:
    touches = [touch(kind, timedelta(hours=-h), key, n) for n, (kind, h, key) in enumerate(rows)]
    clicks = [t for t in touches if t.kind == "click" and BOUGHT_AT - timedelta(days=7) <= t.at <= BOUGHT_AT]
    views = [t for t in touches if t.kind == "shown" and BOUGHT_AT - timedelta(days=1) <= t.at <= BOUGHT_AT]
    eligible = sorted(clicks or views, key=lambda t: (t.at, t.sequence))
    found = credit(touches, BOUGHT_AT, WINDOWS)
    assert (found.touch if found else None) == (eligible[-1] if eligible else None)
    assert (found is not None and found.kind == "purchase") == bool(clicks)
