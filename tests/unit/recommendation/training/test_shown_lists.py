"""Shown lists as arrays: oldest first, by product, in the rows of a training."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from services.recommendation.models.key_rows import KeyRows
from services.recommendation.training.shown_lists import PAGES, Grade, ShownLists
from shared.db.shown_lists import ShownItem, ShownList
from shared.page_rules import Page

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
CUSTOMERS = KeyRows.of(np.array([10, 20]))
PRODUCTS = KeyRows.of(np.array([3, 1, 2]))
"""Key 3 has row 0, key 1 row 1, key 2 row 2."""


def listed(customer: int, *items: ShownItem, page: str = "HOME", hours: int = 0) -> ShownList:
    return ShownList(1, customer, page, "", "hybrid", "v1", NOON + timedelta(hours=hours), items)


def item(product: int, position: int, *, shown: bool = True, propensity: float = 1.0, **came: Any) -> ShownItem:
    return ShownItem(product, position, propensity, shown, **came)


def lists() -> ShownLists:
    later = listed(20, item(1, 1), item(2, 2, was_clicked=True), item(3, 3, shown=False), hours=1)
    early = listed(
        10,
        item(2, 1, was_clicked=True, was_added_to_cart=True),
        item(1, 2, was_purchased=True, propensity=0.25),
        item(3, 3, was_dismissed=True),
        page="CART",
    )
    return ShownLists.of([[later], [early]], CUSTOMERS, PRODUCTS)


def test_lists_are_oldest_first_and_their_items_by_product() -> None:
    found = lists()
    assert len(found) == 2
    assert found.customers.tolist() == [0, 1]
    assert [PAGES[code] for code in found.pages] == [Page.CART, Page.HOME]
    assert found.times.tolist() == [int(NOON.timestamp()), int(NOON.timestamp()) + 3600]
    assert found.owners.tolist() == [0, 0, 0, 1, 1]
    assert found.products.tolist() == [0, 1, 2, 1, 2]
    assert found.positions.tolist() == [3, 2, 1, 1, 2]
    assert found.propensities.tolist() == [1.0, 0.25, 1.0, 1.0, 1.0]


def test_the_strongest_response_counts() -> None:
    found = lists()
    assert found.grades.tolist() == [Grade.NONE, Grade.PURCHASE, Grade.CART, Grade.NONE, Grade.CLICK]
    assert found.dismissed.tolist() == [True, False, False, False, False]
    assert found.answered.tolist() == [True, True]


def test_a_click_is_worth_its_grade_and_what_is_stronger_all_of_it() -> None:
    clicked = item(1, 1, was_clicked=True, click_grade=0.25)
    bought = item(2, 2, was_clicked=True, was_purchased=True, click_grade=0.25)
    found = ShownLists.of([[listed(10, clicked, bought)]], CUSTOMERS, PRODUCTS)
    assert found.worth.tolist() == [0.25, 1.0]


def test_a_list_is_whole_if_all_of_it_was_on_screen() -> None:
    assert lists().whole.tolist() == [True, False]


def test_what_has_no_row_is_left_out() -> None:
    stranger, page = listed(99, item(1, 1)), listed(10, item(1, 1), page="ELSEWHERE")
    unknown = listed(10, item(77, 1), item(1, 2))
    found = ShownLists.of([[stranger, page, unknown]], CUSTOMERS, PRODUCTS)
    assert (found.customers.tolist(), found.products.tolist(), found.positions.tolist()) == ([0], [1], [2])


def test_no_lists_are_no_error() -> None:
    found = ShownLists.of([], CUSTOMERS, PRODUCTS)
    assert (len(found), found.answered.tolist(), len(found.where(found.answered))) == (0, [], 0)


def test_some_of_the_lists_are_numbered_anew() -> None:
    found = lists().where(np.array([False, True]))
    assert (found.customers.tolist(), found.owners.tolist(), found.products.tolist()) == ([1], [0, 0], [1, 2])


def test_without_some_items_all_lists_stay() -> None:
    found = lists()
    clicked = found.only(found.grades > 0)
    assert len(clicked) == 2
    assert (clicked.owners.tolist(), clicked.products.tolist()) == ([0, 0, 1], [1, 2, 2])
