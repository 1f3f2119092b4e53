"""Rules beside the last touch divide a line among the clicks in the window, exactly, and take refunds back exactly."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.attribution import Windows, click_path, credit, divisions
from services.feedback.credited_lines import Line, divided, reduced, whole
from services.feedback.lines import Bought, GivenBack, margin
from shared.attribution_rules import BESIDE, FIRST_TOUCH, LINEAR, POSITION, parse_rules
from shared.db.outcomes import REFUNDED, NewOutcome, StoredCredit
from shared.db.recommendations import Touch

BOUGHT_AT = datetime(2026, 1, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WINDOWS = Windows(click=timedelta(days=7), view=timedelta(days=1), rules=BESIDE)
PATHS = st.lists(st.tuples(st.sampled_from(["click", "shown"]), st.integers(-10, 200), st.integers(1, 4)), min_size=1)
AMOUNTS = st.none() | st.integers(0, 10_000)
MARGINS = st.none() | st.integers(-5_000, 5_000)


def touches(*rows: tuple[str, int, int]) -> list[Touch]:
    """Return touches by kind, hours before the purchase and recommendation."""
    return [Touch(key, 1, "p1", kind, BOUGHT_AT - hours * HOUR, n) for n, (kind, hours, key) in enumerate(rows)]


def line(amount: int | None, line_margin: int | None = None) -> Line:
    return Line("o-1", BOUGHT_AT, 9, amount, None if amount is None else "EUR", line_margin)


def shares(path: Sequence[Touch], rule: str) -> list[tuple[int, float]]:
    [division] = divisions(path, BOUGHT_AT, Windows(rules=(rule,)))
    return [(each.recommendation_id, each.share or 0.0) for each in divided(line(100), division)]


def stored(rows: Sequence[NewOutcome]) -> list[StoredCredit]:
    return [
        StoredCredit(
            n,
            row.recommendation_id,
            "p1",
            "ease",
            row.kind,
            "o-1",
            row.event_sequence,
            row.touched_at or BOUGHT_AT,
            row.amount,
            row.currency,
            row.rule or "",
            row.share or 0.0,
            row.margin,
        )
        for n, row in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("clicked", "rule", "expected"),
    [
        ([7], FIRST_TOUCH, [(7, 1.0)]),
        ([7], LINEAR, [(7, 1.0)]),
        ([7], POSITION, [(7, 1.0)]),
        ([7, 8], FIRST_TOUCH, [(7, 1.0)]),
        ([7, 8], LINEAR, [(7, 0.5), (8, 0.5)]),
        ([7, 8], POSITION, [(7, 0.5), (8, 0.5)]),
        ([7, 8, 9], POSITION, [(7, 0.4), (8, 0.2), (9, 0.4)]),
        ([7, 8, 9, 6], POSITION, [(7, 0.4), (8, 0.1), (9, 0.1), (6, 0.4)]),
        ([7, 7, 8, 7], LINEAR, [(7, 1 / 3), (8, 1 / 3), (7, 1 / 3)]),
        ([7, 7, 7], POSITION, [(7, 1.0)]),
    ],
)
def test_the_shares_of_each_rule(clicked: list[int], rule: str, expected: list[tuple[int, float]]) -> None:
    path = touches(*(("click", 10 - n, key) for n, key in enumerate(clicked)))
    found = shares(path, rule)
    assert [key for key, _ in found] == [key for key, _ in expected]
    assert [share for _, share in found] == pytest.approx([share for _, share in expected])


def test_the_first_of_clicks_in_a_row_says_when_the_touch_was() -> None:
    path = touches(("click", 5, 7), ("click", 3, 7), ("click", 2, 8), ("shown", 1, 7))
    assert [(each.recommendation_id, each.at) for each in click_path(path, BOUGHT_AT, WINDOWS.click)] == [
        (7, BOUGHT_AT - 5 * HOUR),
        (8, BOUGHT_AT - 2 * HOUR),
    ]


def test_without_a_click_in_the_window_no_other_rule_credits() -> None:
    path = touches(("shown", 1, 7), ("click", 24 * 8, 8), ("click", -1, 9))
    found = credit(path, BOUGHT_AT, WINDOWS)
    assert found is not None
    assert whole(line(5), found).rule == "view_through"
    assert divisions(path, BOUGHT_AT, WINDOWS) == []


@given(PATHS, AMOUNTS, MARGINS)
def test_under_each_rule_the_parts_add_up_to_the_line(
    rows: list[tuple[str, int, int]], amount: int | None, line_margin: int | None
) -> None:
    path = touches(*rows)
    clicks = [each for each in path if each.kind == "click" and timedelta(0) <= BOUGHT_AT - each.at <= WINDOWS.click]
    found = divisions(path, BOUGHT_AT, WINDOWS)
    assert [each.rule for each in found] == (list(BESIDE) if clicks else [])
    for division in found:
        parts = divided(line(amount, line_margin), division)
        assert {each.rule for each in parts} == {division.rule}
        assert sum(each.share or 0.0 for each in parts) == pytest.approx(1.0)
        assert {each.recommendation_id for each in parts} <= {each.recommendation_id for each in clicks}
        assert total([each.amount for each in parts]) == amount
        assert total([each.margin for each in parts]) == line_margin
        assert all(each.amount is None or each.amount >= 0 for each in parts)
        last = max(clicks, key=lambda each: (each.at, each.sequence))
        assert path_end(division.rule, parts) in (None, last.recommendation_id)


def path_end(rule: str, parts: Sequence[NewOutcome]) -> int | None:
    """Return the last credited recommendation of a rule that credits the last click."""
    return None if rule == FIRST_TOUCH else parts[-1].recommendation_id


def total(values: Sequence[int | None]) -> int | None:
    known = [each for each in values if each is not None]
    assert len(known) in (0, len(values))
    return sum(known) if known else None


@given(
    PATHS,
    st.integers(1, 10_000),
    MARGINS,
    st.lists(st.tuples(st.integers(0, 6_000), st.booleans()), max_size=4),
)
def test_refunds_take_the_same_from_every_rule_and_no_more_than_there_is(
    rows: list[tuple[str, int, int]], amount: int, line_margin: int | None, refunds: list[tuple[int, bool]]
) -> None:
    path = touches(*rows)
    best = credit(path, BOUGHT_AT, WINDOWS)
    if best is None or best.kind != "purchase":
        return
    one = line(amount, line_margin)
    by_rule = [
        stored([whole(one, best)]),
        *(stored(divided(one, each)) for each in divisions(path, BOUGHT_AT, WINDOWS)),
    ]
    left = amount
    for back, every_unit in refunds:
        was, left = left, max(0, left - back)
        before, by_rule = by_rule, [reduced(parts, GivenBack(back, every_unit)) for parts in by_rule]
        for old, new in zip(before, by_rule, strict=True):
            assert sum(each.amount or 0 for each in new) == left
            assert all(0 <= (each.amount or 0) <= (earlier.amount or 0) for each, earlier in zip(new, old, strict=True))
            assert total([each.margin for each in new]) == total([each.margin for each in by_rule[0]])
            assert {each.kind == REFUNDED for each in new} == {left == 0 if was else every_unit}
        if left == 0:
            break
    if left == 0 and line_margin is not None:
        assert all(each.margin == 0 for parts in by_rule for each in parts)


def test_a_refund_takes_its_share_of_the_margin() -> None:
    [left] = reduced(stored([_credited(200, 80)]), GivenBack(50, False))
    assert (left.amount, left.margin) == (150, 60)


def test_nothing_is_said_of_the_margin_of_what_was_free_until_it_comes_back() -> None:
    assert reduced(stored([_credited(0, -30)]), GivenBack(0, False))[0].margin == -30
    assert reduced(stored([_credited(0, -30)]), GivenBack(0, True))[0].margin == 0


def _credited(amount: int, line_margin: int) -> NewOutcome:
    best = credit(touches(("click", 1, 7)), BOUGHT_AT, WINDOWS)
    assert best is not None
    return whole(line(amount, line_margin), best)


@pytest.mark.parametrize(
    ("bought", "cost", "currency", "expected"),
    [
        (Bought(Fraction(2), 500, "EUR"), 100, "EUR", 300),
        (Bought(Fraction(1, 2), 500, "EUR"), 101, "EUR", 449),
        (Bought(Fraction(3), 500, "EUR"), 200, "EUR", -100),
        (Bought(Fraction(2), 500, "EUR"), 0, "EUR", 500),
        (Bought(Fraction(2), 500, "EUR"), None, "EUR", None),
        (Bought(Fraction(2), 500, "EUR"), 100, "USD", None),
        (Bought(Fraction(2), None, None), 100, None, None),
    ],
)
def test_the_margin_of_a_line(bought: Bought, cost: int | None, currency: str | None, expected: int | None) -> None:
    assert margin(bought, cost, currency) == expected


def test_rules_are_named_once_and_in_their_order() -> None:
    assert parse_rules("position, linear,linear") == (LINEAR, POSITION)
    assert parse_rules("none") == ()


@pytest.mark.parametrize("text", ["", "last_touch", "linear,time_decay", "none,linear"])
def test_an_unknown_rule_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="first_touch") as caught:
        parse_rules(text)
    assert repr(text) in str(caught.value)
