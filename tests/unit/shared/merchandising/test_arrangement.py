"""Pins are at their places, limits hold, and nothing else moves."""

from hypothesis import given
from hypothesis import strategies as st

from shared.merchandising.arrangement import GroupLimit, PinnedRow, arranged
from shared.merchandising.rule import Limit, LimitGroup

ROWS = list(range(30))


def limit(most: int, window: int = 0, groups: dict[int, int] | None = None) -> GroupLimit:
    """Return a limit; of the rows each has the group of its tens unless said otherwise."""
    return GroupLimit("limit", Limit(LimitGroup.BRAND, most, window), groups or {row: row // 10 for row in ROWS})


def test_without_pins_and_limits_the_candidates_stay_as_they_are() -> None:
    assert arranged(ROWS, [], [], 5).rows == [0, 1, 2, 3, 4]


def test_pins_have_their_places_and_the_others_keep_their_order() -> None:
    pins = [PinnedRow("p", 25, 0), PinnedRow("q", 3, 4)]
    found = arranged(ROWS, pins, [], 6)
    assert found.rows == [25, 0, 1, 2, 3, 4]
    assert found.touched == {25: ("p",), 3: ("q",)}


def test_of_two_pins_at_one_place_the_other_comes_right_after() -> None:
    assert arranged(ROWS, [PinnedRow("p", 9, 1), PinnedRow("q", 8, 1)], [], 4).rows == [0, 9, 8, 1]


def test_a_product_that_two_rules_pin_is_shown_once() -> None:
    assert arranged(ROWS, [PinnedRow("p", 9, 0), PinnedRow("q", 9, 2)], [], 3).rows == [9, 0, 1]


def test_a_list_that_is_too_short_has_the_pin_at_its_end() -> None:
    assert arranged([1, 2], [PinnedRow("p", 9, 7)], [], 10).rows == [1, 2, 9]


def test_a_limit_for_the_list_leaves_out_what_exceeds_it_and_says_so() -> None:
    found = arranged(ROWS, [], [limit(2)], 5)
    assert found.rows == [0, 1, 10, 11, 20]
    assert found.touched == {10: ("limit",), 11: ("limit",), 20: ("limit",)}


def test_a_list_ends_where_a_limit_leaves_nothing() -> None:
    assert arranged(ROWS, [], [limit(1)], 10).rows == [0, 10, 20]


def test_a_limit_for_a_window_spreads_groups() -> None:
    assert arranged(ROWS, [], [limit(1, window=2)], 6).rows == [0, 10, 1, 11, 2, 12]


def test_pins_count_for_limits_but_are_never_left_out() -> None:
    pins = [PinnedRow("p", 5, 2), PinnedRow("q", 6, 3)]
    assert arranged(ROWS, pins, [limit(1)], 6).rows == [10, 20, 5, 6]
    assert arranged(ROWS, [PinnedRow("p", 5, 2)], [limit(1, window=3)], 4).rows == [10, 20, 5, 11]


def test_the_pages_before_count_for_limits() -> None:
    assert arranged(ROWS[2:], [], [limit(3)], 3, shown=[0, 1]).rows == [2, 10, 11]
    assert arranged(ROWS[1:], [], [limit(1, window=3)], 2, shown=[0]).rows == [10, 20]


def test_products_without_a_group_are_not_limited() -> None:
    assert arranged(ROWS, [], [limit(1, groups={0: 7, 1: 7})], 4).rows == [0, 2, 3, 4]


PINS = st.lists(
    st.builds(PinnedRow, st.just("p"), st.integers(0, 29), st.integers(0, 9)),
    max_size=4,
    unique_by=(lambda pin: pin.row, lambda pin: pin.place),
)
GROUPS = st.dictionaries(st.integers(0, 29), st.integers(0, 3))
LIMITS = st.tuples(st.integers(1, 4), st.sampled_from([0, 2, 3, 5]))


@given(st.permutations(ROWS), PINS, GROUPS, LIMITS, st.integers(1, 10), st.integers(0, 5))
def test_whatever_the_rules_pins_are_placed_limits_hold_and_nothing_is_shown_twice(
    candidates: list[int],
    pins: list[PinnedRow],
    groups: dict[int, int],
    most_and_window: tuple[int, int],
    count: int,
    before: int,
) -> None:
    shown = [row for row in candidates[:before] if row not in {pin.row for pin in pins}]
    rest = [row for row in candidates if row not in shown]
    most, window = most_and_window
    found = arranged(rest, pins, [limit(most, window, groups)], count, shown)
    whole = [*shown, *found.rows]
    assert len(set(whole)) == len(whole)
    assert len(found.rows) <= count
    pinned = {pin.row for pin in pins if pin.place < count}
    assert pinned <= set(found.rows)
    if len(found.rows) == count:
        assert all(found.rows[pin.place] == pin.row for pin in pins if pin.place < count)
        _assert_limited(whole, len(shown), pinned, groups, most, window)


def _assert_limited(
    whole: list[int], start: int, pinned: set[int], groups: dict[int, int], most: int, window: int
) -> None:
    """Hold that no product that was chosen, and not pinned, is in a window with more of its group than allowed."""
    for place in range(start, len(whole)):
        group = groups.get(whole[place])
        if group is None or whole[place] in pinned:
            continue
        starts = range(max(0, place - window + 1), place + 1) if window else [0]
        for first in starts:
            near = whole[first : first + window] if window else whole
            assert sum(groups.get(row) == group for row in near) <= most
