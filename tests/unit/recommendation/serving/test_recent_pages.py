"""A page asked for again is the page of a moment ago, unless something changed that it depends on."""

import gc
import time
from dataclasses import fields, replace
from datetime import UTC, datetime
from weakref import ref

import numpy as np
import pytest

from services.recommendation.request import Filters, Page, PageContext, Query, ReadyPage
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.known_shopper import KnownShopper
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.recent_pages import RecentPages
from services.recommendation.serving.user_history import Person, UserHistory
from shared.db.recommendation_items import ListItem, PackedItems
from tests.unit.recommendation.small import catalogue, entry

HOME = Query("ann", context=PageContext(Page.HOME, session_id="s1"))
MINUTE = 60.0
NOT_OF_THE_PAGE = {"sessions", "latest_session", "session_names", "searches", "complete"}
"""Parts of a history that a page sees through its session and its search only, or not at all."""


class Kitchen:
    """Makes a new page each time and counts them."""

    def __init__(self, *failed: str) -> None:
        self.made = 0
        self._failed = failed

    def __call__(self) -> ReadyPage:
        self.made += 1
        return page(0, self._failed)


def page(n_products: int, failed: tuple[str, ...] = ()) -> ReadyPage:
    items = PackedItems.of([ListItem(position, 1, 0.5, "ease") for position in range(1, n_products + 1)])
    return ReadyPage(b"", items, "hybrid", failed)


def rows(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def state() -> ServingState:
    return ServingState(Catalogue.of_keys(np.empty(0, np.int64)))


def history() -> UserHistory:
    kinds, units, longs = np.ones(2, np.int8), np.ones(2, np.float32), np.arange(2)
    return UserHistory(rows(1, 2), kinds, units, longs, rows(0, 1), longs, rows(3), rows(2), rows(2), rows(7))


def ann(
    key: int = 1, age: str = "30", session: tuple[int, ...] = (1,), search: str = "", **past: object
) -> KnownShopper:
    changed = replace(history(), **past)  # type: ignore[arg-type]
    return KnownShopper(Person(key, {"age": age}), changed, rows(*session), search)


def test_who_asks_again_gets_the_same_page():
    pages, serving, make = RecentPages(MINUTE), state(), Kitchen()
    first = pages.get(serving, ann(), HOME, make)
    assert pages.get(serving, ann(), HOME, make) is first
    assert make.made == 1


def test_a_page_is_made_anew_as_soon_as_a_product_comes_on_sale_or_goes(monkeypatch: pytest.MonkeyPatch):
    clock = [1_000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    pages, make = RecentPages(MINUTE), Kitchen()
    ends, begins = datetime.fromtimestamp(1_010, UTC), datetime.fromtimestamp(1_020, UTC)
    serving = ServingState(catalogue(entry(1, expire_at=ends), entry(2, available_at=begins)))
    made = []
    for clock[0] in (1_000, 1_009, 1_010, 1_019, 1_020, 1_030):
        pages.get(serving, ann(), HOME, make)
        made.append(make.made)
    assert made == [1, 1, 2, 2, 3, 3]


def test_those_of_whom_nothing_is_known_share_their_pages():
    pages, serving, make = RecentPages(MINUTE), state(), Kitchen()
    stranger = KnownShopper(Person(None, {}), UserHistory.nothing(), rows())
    other = replace(stranger, person=Person(5, {}), past=UserHistory.nothing())
    other_session = replace(HOME, context=replace(HOME.context, session_id="s2"), visitor_id="other")
    assert pages.get(serving, stranger, HOME, make) is pages.get(serving, other, other_session, make)


@pytest.mark.parametrize(
    ("shopper", "query"),
    [
        (ann(age="40"), HOME),
        (ann(session=(1, 2)), HOME),
        (ann(search="tea"), HOME),
        (ann(), replace(HOME, limit=3)),
        (ann(), replace(HOME, filters=Filters(in_stock_only=True))),
        (ann(), replace(HOME, context=PageContext(Page.CART))),
        (ann(), replace(HOME, context=replace(HOME.context, product_id="p1"))),
        (ann(), replace(HOME, context=replace(HOME.context, place_id="berlin"))),
        (ann(), replace(HOME, context=replace(HOME.context, category="tea"))),
        (ann(), replace(HOME, context=replace(HOME.context, cart_product_ids=("p1",)))),
        (ann(), replace(HOME, context=replace(HOME.context, purchased_product_ids=("p1",)))),
    ],
)
def test_who_or_what_is_different_gets_another_page(shopper, query):
    pages, serving, make = RecentPages(MINUTE), state(), Kitchen()
    pages.get(serving, ann(), HOME, make)
    pages.get(serving, shopper, query, make)
    assert make.made == 2


def part_names() -> list[str]:
    return sorted({part.name for part in fields(UserHistory)} - NOT_OF_THE_PAGE)


@pytest.mark.parametrize("part", part_names())
def test_each_part_of_the_history_makes_another_page(part):
    pages, serving, make = RecentPages(MINUTE), state(), Kitchen()
    pages.get(serving, ann(), HOME, make)
    changed = getattr(history(), part).copy()
    changed[0] += 1
    pages.get(serving, ann(**{part: changed}), HOME, make)
    assert make.made == 2


def test_a_product_that_moves_from_one_part_to_the_next_makes_another_page():
    pages, serving, make = RecentPages(MINUTE), state(), Kitchen()
    pages.get(serving, ann(cart=rows(3, 2), last_order=rows()), HOME, make)
    pages.get(serving, ann(cart=rows(3), last_order=rows(2)), HOME, make)
    assert make.made == 2


def test_what_a_page_does_not_show_keeps_it():
    pages, serving, make = RecentPages(MINUTE), state(), Kitchen()
    pages.get(serving, ann(), HOME, make)
    pages.get(serving, ann(latest_session=9, session_names={"s1": 9}, searches={9: "tea"}), HOME, make)
    assert make.made == 1


def test_a_new_state_makes_new_pages():
    pages, make = RecentPages(MINUTE), Kitchen()
    pages.get(state(), ann(), HOME, make)
    pages.get(state(), ann(), HOME, make)
    assert make.made == 2


def test_pages_are_not_kept_for_long():
    pages, serving, make = RecentPages(0.0), state(), Kitchen()
    pages.get(serving, ann(), HOME, make)
    pages.get(serving, ann(), HOME, make)
    assert make.made == 2


def test_a_page_for_which_an_algorithm_failed_is_not_kept():
    pages, serving, make = RecentPages(MINUTE), state(), Kitchen("popular")
    pages.get(serving, ann(), HOME, make)
    pages.get(serving, ann(), HOME, make)
    assert make.made == 2


def test_only_some_pages_are_kept():
    pages, serving, make = RecentPages(MINUTE, most=1), state(), Kitchen()
    for limit in (1, 2, 1):
        pages.get(serving, ann(), replace(HOME, limit=limit), make)
    assert make.made == 3


def test_long_pages_leave_room_for_fewer():
    pages, serving = RecentPages(MINUTE, most=10), state()
    for limit, size in ((1, 4), (2, 4), (3, 8)):
        pages.get(serving, ann(), replace(HOME, limit=limit), lambda n=size: page(n))
    make = Kitchen()
    assert pages.get(serving, ann(), replace(HOME, limit=3), make).items.count == 8
    pages.get(serving, ann(), replace(HOME, limit=2), make)
    assert make.made == 1


def test_a_state_that_is_no_longer_current_does_not_stay_in_memory():
    pages, serving = RecentPages(MINUTE), state()
    pages.get(serving, ann(), HOME, Kitchen())
    left = ref(serving)
    del serving
    gc.collect()
    assert left() is None
