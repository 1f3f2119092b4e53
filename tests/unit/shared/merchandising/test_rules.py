"""When rules hold, which win, and which placement is filled."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import NotFound
from shared.filters.parser import parse
from shared.filters.printer import printed
from shared.merchandising.filters import both, not_excluded
from shared.merchandising.merchandising import NO_MERCHANDISING, Merchandising
from shared.merchandising.placement import BUILT_IN, Placement
from shared.merchandising.rule import Condition, Exclude, Moment, Pin, Rule, WeeklyHours, Weigh
from shared.page_rules import Page

FRIDAY_NOON = datetime(2026, 11, 27, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HERE = Moment("home_top", Page.HOME, frozenset({"champions"}), FRIDAY_NOON)


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (Condition(), True),
        (Condition(placement_ids=frozenset({"home_top", "x"})), True),
        (Condition(placement_ids=frozenset({"x"})), False),
        (Condition(pages=frozenset({Page.HOME})), True),
        (Condition(pages=frozenset({Page.CART})), False),
        (Condition(segments=frozenset({"champions"})), True),
        (Condition(segments=frozenset({"new"})), False),
        (Condition(start=FRIDAY_NOON), True),
        (Condition(start=FRIDAY_NOON + HOUR), False),
        (Condition(end=FRIDAY_NOON + HOUR), True),
        (Condition(end=FRIDAY_NOON), False),
        (Condition(hours=(WeeklyHours(frozenset({5}), 12 * 60, 13 * 60),)), True),
        (Condition(hours=(WeeklyHours(frozenset({5}), 11 * 60, 12 * 60),)), False),
        (Condition(hours=(WeeklyHours(frozenset({6})), WeeklyHours(frozenset({5})))), True),
        (Condition(hours=(WeeklyHours(frozenset({6})),)), False),
        (Condition(hours=(WeeklyHours(frozenset({6})),), time_zone="Pacific/Kiritimati"), True),
        (Condition(hours=(WeeklyHours(start_minute=13 * 60),), time_zone="Europe/Berlin"), True),
        (Condition(pages=frozenset({Page.HOME}), segments=frozenset({"new"})), False),
    ],
)
def test_a_rule_holds_when_all_its_conditions_do(condition: Condition, holds: bool) -> None:
    assert condition.holds(HERE) is holds


def test_a_stranger_is_in_no_segment_and_one_whose_segments_are_not_known_is_in_all() -> None:
    condition = Condition(segments=frozenset({"new"}))
    assert not condition.holds(Moment("x", Page.HOME, frozenset(), FRIDAY_NOON))
    assert condition.holds(Moment("x", Page.HOME, None, FRIDAY_NOON))


def test_the_rule_of_higher_priority_wins_then_the_first_id_and_disabled_ones_are_none() -> None:
    rules = [
        Rule("b", Weigh(2.0)),
        Rule("a", Weigh(2.0)),
        Rule("c", Pin("p", 1), priority=5),
        Rule("d", Weigh(2.0), disabled=True),
    ]
    assert [rule.rule_id for rule in Merchandising.of([], rules).rules_at(HERE)] == ["c", "a", "b"]


def test_built_in_placements_are_there_and_a_stored_one_replaces_its_namesake() -> None:
    stored = Placement("cart", Page.CART, count=3)
    merchandising = Merchandising.of([stored, Placement("home_top")], [])
    assert merchandising.placement("", Page.HOME) == BUILT_IN["home"]
    assert merchandising.placement("", Page.CART) is stored
    assert merchandising.placement("home_top", Page.CART).page is Page.HOME
    assert {placement.page for placement in NO_MERCHANDISING.placements.values()} == set(Page)
    with pytest.raises(NotFound, match="there is no placement 'nowhere'"):
        merchandising.placement("nowhere", Page.HOME)


def test_filters_hold_together_and_what_is_excluded_is_left_out() -> None:
    acme, cheap = parse('brand = "Acme"'), parse("price < 20")
    assert both() is None
    assert both(None, acme, None) is acme
    assert printed(both(acme, cheap, acme)) == 'brand = "Acme" AND price < 20'
    rules = [Rule("a", Exclude(), acme), Rule("b", Weigh(2.0), cheap)]
    assert printed(not_excluded(rules)) == 'NOT brand = "Acme"'
    assert not_excluded(rules[1:]) is None
