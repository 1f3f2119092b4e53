"""Clicks are graded by what the log says of the time after them, early or late, and learners read them so."""

from datetime import timedelta

import pytest
from quintet.type.v1.event_pb2 import AddToCart, HomeView, PageType, PageView, ProductQuantity, ProductView
from sqlalchemy import select

from services.feedback.attribution import Windows
from services.feedback.click_grades import FLOOR, grade
from services.feedback.late_recommendations import apply_late
from shared.db.algorithm_performance import algorithm_performance
from shared.db.engine import Database
from shared.db.recommendations import log_recommendations, mark_shown
from shared.db.schema import customers, recommendation_outcomes
from shared.db.shown_lists import shown_lists
from tests.integration.feedback.small_shop import ANN, BOB, NOON, Log, open_shop, recommend
from tests.support.recommendations import list_of_one
from tests.support.tokens import next_number

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
LATE = next_number()


@pytest.fixture
def log(database: Database) -> Log:
    with database.write() as connection:
        open_shop(connection)
    return Log(database)


def made(log: Log, product: int = 1, customer: int | None = ANN, algorithm: str = "ease") -> int:
    with log.database.write() as connection:
        return recommend(connection, product, customer, algorithm)


def view(seconds: float = 0, product: str = "p1", scrolls: int = 0, depth: float = 0.0) -> ProductView:
    return ProductView(product_id=product, duration_seconds=seconds, scrolls=scrolls, scroll_depth=depth)


def graded(log: Log) -> list[tuple[float | None, float | None]]:
    """Return grade and dwell of all clicks, as they were recorded."""
    columns = recommendation_outcomes.c
    query = select(columns.grade, columns.dwell_seconds).where(columns.kind == "click").order_by(columns.event_sequence)
    with log.database.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


@pytest.mark.parametrize("apart", [True, False])
def test_a_view_that_says_how_long_it_was_grades_the_click_before_it(log: Log, apart: bool) -> None:
    log.respond(NOON, made(log), "CLICK")
    if apart:
        log.apply()
        assert graded(log) == [(None, None)]
    log.add(NOON + SECOND, product_view=view(40, scrolls=2, depth=0.9))
    log.add(NOON + 2 * SECOND, BOB, product_view=view(3_600))
    log.apply()
    assert graded(log) == [(pytest.approx(grade(40, 2, 0.9)), 40.0)]


def test_the_view_that_is_the_click_grades_itself(log: Log) -> None:
    log.add(NOON, ANN, made(log), product_view=view(40))
    log.apply()
    assert graded(log) == [(pytest.approx(grade(40)), 40.0)]


@pytest.mark.parametrize("apart", [True, False])
def test_a_click_that_is_recorded_after_its_view_is_graded_too(log: Log, apart: bool) -> None:
    key = made(log)
    log.add(NOON + MINUTE, product_view=view(40))
    log.add(NOON - MINUTE, product_view=view(600))
    log.add(NOON + 31 * MINUTE, product_view=view(600))
    if apart:
        log.apply()
    log.respond(NOON, key, "CLICK")
    log.apply()
    assert graded(log) == [(pytest.approx(grade(40)), 40.0)]


def test_a_quick_return_is_forgiven_when_a_longer_view_is_reported_later(log: Log) -> None:
    log.respond(NOON, made(log), "CLICK")
    log.add(NOON + 3 * SECOND, home_view=HomeView())
    log.apply()
    assert graded(log) == [(FLOOR, None)]
    log.add(NOON + 2 * SECOND, product_view=view(300))
    log.apply()
    assert graded(log) == [(pytest.approx(grade(300)), 300.0)]
    log.add(NOON + 4 * SECOND, product_view=view(1))
    log.apply()
    assert graded(log) == [(pytest.approx(grade(300)), 300.0)]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        (PageView(page_type=PageType.PAGE_TYPE_CATEGORY, category="TEA"), FLOOR),
        (PageView(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="p2"), FLOOR),
        (PageView(page_type=PageType.PAGE_TYPE_PRODUCT, product_id="p1"), None),
        (PageView(page_type=PageType.PAGE_TYPE_CART), None),
    ],
)
def test_the_pages_that_a_shopper_returns_to(log: Log, page: PageView, expected: float | None) -> None:
    log.respond(NOON, made(log), "CLICK")
    log.add(NOON + 3 * SECOND, page_view=page)
    log.apply()
    assert graded(log) == [(expected, None)]


def test_a_cart_addition_makes_up_for_a_quick_return(log: Log) -> None:
    log.respond(NOON, made(log), "CLICK")
    log.add(NOON + 4 * SECOND, home_view=HomeView())
    log.apply()
    log.add(NOON + 3 * SECOND, add_to_cart=AddToCart(items=[ProductQuantity(product_id="p1")]))
    log.apply()
    assert graded(log) == [(1.0, None)]


def test_a_click_by_nobody_is_graded_when_it_is_known_whose_it_was(log: Log) -> None:
    key = made(log, customer=None)
    log.respond(NOON, key, "CLICK")
    log.add(NOON + MINUTE, product_view=view(40))
    log.apply()
    assert graded(log) == [(None, None)]
    log.see(NOON + 2 * MINUTE, key)
    log.apply()
    assert graded(log) == [(pytest.approx(grade(40)), 40.0)]


def test_a_click_whose_recommendation_is_written_late_is_graded(log: Log) -> None:
    log.respond(NOON, LATE, "CLICK")
    log.add(NOON + MINUTE, product_view=view(40))
    log.apply()
    with log.database.write() as connection:
        log_recommendations(connection, [list_of_one(LATE, ANN, 1, NOON)])
    apply_late(log.database, Windows())
    assert graded(log) == [(pytest.approx(grade(40)), 40.0)]


def test_pages_of_who_withdrew_measure_do_not_count(log: Log) -> None:
    log.respond(NOON, made(log), "CLICK")
    log.apply()
    with log.database.write() as connection:
        connection.execute(customers.update().where(customers.c.customer_id == ANN).values(measure=False))
    log.add(NOON + SECOND, product_view=view(40))
    log.apply()
    assert graded(log) == [(None, None)]


def test_a_page_that_was_set_aside_says_nothing(log: Log) -> None:
    log.append("product_view", NOON, ANN, b"\xff")
    log.apply()
    log.respond(NOON, made(log), "CLICK")
    log.apply()
    assert graded(log) == [(None, None)]


def test_learners_read_clicks_with_their_best_grades(log: Log) -> None:
    quick, unknown = made(log), made(log, 2, BOB, "content")
    for key, times in ((quick, (NOON, NOON + SECOND)), (unknown, (NOON + MINUTE, NOON + DAY))):
        for at in times:
            log.respond(at, key, "CLICK")
    log.add(NOON + 2 * SECOND, product_view=view(2))
    log.apply()
    with log.database.write() as connection:
        mark_shown(connection, dict.fromkeys((quick, unknown), NOON))
        found = [each for some in shown_lists(connection, NOON - DAY, 10) for each in some]
    grades = {each.customer_key: [item.click_grade for item in each.items] for each in found}
    assert grades == {ANN: [pytest.approx(FLOOR)], BOB: [1.0]}


def test_grades_take_off_what_clicks_earn_once_for_each_recommendation(log: Log) -> None:
    quick, good, unknown = made(log), made(log, 2), made(log, 3)
    for key in (quick, quick, good, unknown):
        log.respond(NOON, key, "CLICK")
    log.respond(NOON + DAY, good, "CLICK")
    log.add(NOON, product_view=view(2))
    log.add(NOON, product_view=view(2, "p2"))
    log.add(NOON + DAY, product_view=view(3_600, "p2"))
    log.apply()
    with log.database.read() as connection:
        [counts] = algorithm_performance(connection, NOON, NOON + DAY)
    assert counts.clicked == 3
    assert counts.click_discount == pytest.approx(1 - FLOOR)
