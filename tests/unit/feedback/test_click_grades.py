"""The grade of a click follows what is known of the time after it, in whatever order it becomes known."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.feedback.click_grades import FLOOR, PageView, Stay, grade, grades
from shared.db.graded_clicks import ClickGrade, StoredClick

CLICKED_AT = datetime(2026, 1, 10, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
CLICK = StoredClick(1, 7, 1, "p1", CLICKED_AT, 5, None, None)
PAGES = st.builds(
    lambda after, product, dwell, scrolls: Stay(1, CLICKED_AT + after * SECOND, PageView(product, dwell, scrolls)),
    st.integers(-10, 2_000),
    st.sampled_from(["p1", "p2", ""]),
    st.sampled_from([0.0, 1.0, 6.0, 40.0]),
    st.integers(0, 6),
)


def page(after: float, product: str = "p1", dwell: float = 0.0, scrolls: int = 0) -> Stay:
    return Stay(1, CLICKED_AT + after * SECOND, PageView(product, dwell, scrolls))


def graded(*pages: Stay, click: StoredClick = CLICK) -> ClickGrade:
    found = grades([click], {1: pages}, {})
    return found[0] if found else ClickGrade(1, click.grade, click.dwell_seconds)


@given(st.floats(0.001, 86_400), st.floats(0.001, 86_400), st.integers(0, 1_000), st.integers(0, 1_000))
def test_a_grade_is_a_share_and_rises_with_time_and_scrolls(one: float, other: float, few: int, many: int) -> None:
    shorter, longer = sorted((one, other))
    less, more = sorted((few, many))
    assert FLOOR <= grade(shorter, less) <= grade(longer, more) <= 1


@pytest.mark.parametrize(
    ("seconds", "scrolls", "expected"),
    [
        (1, 0, 0.2),
        (5, 0, 0.2),
        (5, 2, 0.3),
        (5, 40, 0.4),
        (35, 0, 0.2 + 0.8 * 0.6321205588),  # 1 - 1/e
        (3_600, 0, 1.0),
        (3_600, 9, 1.0),
    ],
)
def test_the_formula(seconds: float, scrolls: int, expected: float) -> None:
    assert grade(seconds, scrolls) == pytest.approx(expected)


@pytest.mark.parametrize(("scrolls", "depth", "points"), [(0, 0.5, 0.1), (1, 0.0, 0.05), (1, 0.5, 0.1), (9, 0.1, 0.2)])
def test_the_depth_of_scrolling_counts_or_the_scrolls_if_they_say_more(
    scrolls: int, depth: float, points: float
) -> None:
    assert grade(10, scrolls, depth) == pytest.approx(grade(10) + points)


def test_a_click_without_information_has_no_grade() -> None:
    assert grades([CLICK], {1: [page(0), page(10, scrolls=5), page(60, "p2")]}, {}) == []


@pytest.mark.parametrize("seen", [page(5, "p2"), page(1, ""), page(0.1, "p2", 300)])
def test_another_page_at_once_is_a_quick_return(seen: Stay) -> None:
    assert graded(seen) == ClickGrade(1, FLOOR, None)


@pytest.mark.parametrize("seen", [page(5.1, "p2"), page(0, ""), page(-1, "")])
def test_another_page_later_or_before_is_none(seen: Stay) -> None:
    assert graded(seen).grade is None


@pytest.mark.parametrize(("after", "counts"), [(-0.1, False), (0, True), (1_800, True), (1_800.1, False)])
def test_the_time_on_the_page_counts_within_a_session(after: float, counts: bool) -> None:
    assert (graded(page(after, dwell=20)).dwell_seconds == 20) is counts


def test_the_longest_report_of_a_view_counts() -> None:
    found = graded(page(0, dwell=1), page(1, "p2"), page(40, dwell=40, scrolls=2), page(50, dwell=3))
    assert found == ClickGrade(1, grade(40, 2), 40)


def test_a_product_that_is_put_into_the_cart_was_a_good_click() -> None:
    stays = {1: [page(1, dwell=2)]}
    assert grades([CLICK], stays, {7: [CLICKED_AT + 60 * SECOND]}) == [ClickGrade(1, 1.0, 2)]
    assert grades([CLICK], stays, {7: [CLICKED_AT - SECOND]}) == [ClickGrade(1, FLOOR, 2)]
    assert grades([CLICK], stays, {8: [CLICKED_AT]}) == [ClickGrade(1, FLOOR, 2)]


def test_pages_of_others_and_of_nobody_say_nothing() -> None:
    assert grades([CLICK._replace(customer_key=None)], {1: [page(0, dwell=9)]}, {}) == []
    assert grades([CLICK._replace(customer_key=2)], {1: [page(0, dwell=9)]}, {}) == []


@given(st.lists(PAGES, max_size=6).flatmap(lambda pages: st.tuples(st.just(pages), st.permutations(pages))))
def test_order_and_repetition_do_not_matter(given_pages: tuple[list[Stay], list[Stay]]) -> None:
    pages, shuffled = given_pages
    at_once, click = graded(*pages), CLICK
    for each in [*shuffled, *shuffled]:
        found = graded(each, click=click)
        click = click._replace(grade=found.grade, dwell_seconds=found.dwell_seconds)
    assert (click.grade, click.dwell_seconds) == (at_once.grade, at_once.dwell_seconds)
