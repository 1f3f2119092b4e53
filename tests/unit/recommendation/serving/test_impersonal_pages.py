"""Shoppers of whom nothing is known share their pages, and nobody else does."""

import gc
from dataclasses import replace
from weakref import ref

import numpy as np
import pytest

from services.recommendation.algorithms.shopper import Shopper
from services.recommendation.request import Filters, Page, PageContext, Query
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.choice import Choice
from services.recommendation.serving.impersonal_pages import ImpersonalPages
from services.recommendation.serving.model_manager import ServingState
from services.recommendation.serving.request_context import RequestContext
from services.recommendation.serving.retrieval import ShopperViews
from services.recommendation.serving.user_history import NOBODY

NONE = np.empty(0, np.int32)
HOME = Query(context=PageContext(Page.HOME, session_id="s1"))


class Kitchen:
    """Makes a new choice each time and counts them."""

    def __init__(self, *failed: str) -> None:
        self.made = 0
        self._failed = failed

    def __call__(self) -> Choice:
        self.made += 1
        return Choice((), f"made {self.made}", self._failed)


def state() -> ServingState:
    return ServingState(Catalogue.of_keys(np.empty(0, np.int64)))


def asked(*, impersonal: bool = True, **groups: int) -> RequestContext:
    views = ShopperViews(Shopper(1, groups=groups), 0, 1)
    return RequestContext(NOBODY, views, NONE, NONE, NONE, NONE, 0.0, impersonal=impersonal)


def test_a_stranger_gets_what_the_stranger_before_got():
    pages, serving, make = ImpersonalPages(), state(), Kitchen()
    first = pages.choose(serving, asked(age=1), HOME, make)
    other_session = replace(HOME, context=replace(HOME.context, session_id="s2"), visitor_id="other")
    assert pages.choose(serving, asked(age=1), other_session, make) is first
    assert make.made == 1


@pytest.mark.parametrize(
    ("request_context", "query"),
    [
        (asked(age=2), HOME),
        (asked(age=1), replace(HOME, limit=3)),
        (asked(age=1), replace(HOME, filters=Filters(in_stock_only=True))),
        (asked(age=1), replace(HOME, context=PageContext(Page.PRODUCT, product_id="p1"))),
        (asked(impersonal=False, age=1), HOME),
    ],
)
def test_who_or_what_is_different_gets_another_page(request_context, query):
    pages, serving, make = ImpersonalPages(), state(), Kitchen()
    pages.choose(serving, asked(age=1), HOME, make)
    pages.choose(serving, request_context, query, make)
    assert make.made == 2


def test_a_known_shopper_leaves_nothing_for_others():
    pages, serving, make = ImpersonalPages(), state(), Kitchen()
    pages.choose(serving, asked(impersonal=False), HOME, make)
    pages.choose(serving, asked(), HOME, make)
    assert make.made == 2


def test_a_new_state_makes_new_pages():
    pages, make = ImpersonalPages(), Kitchen()
    pages.choose(state(), asked(), HOME, make)
    pages.choose(state(), asked(), HOME, make)
    assert make.made == 2


def test_pages_are_not_kept_for_long():
    pages, serving, make = ImpersonalPages(seconds=0.0), state(), Kitchen()
    pages.choose(serving, asked(), HOME, make)
    pages.choose(serving, asked(), HOME, make)
    assert make.made == 2


def test_a_page_for_which_an_algorithm_failed_is_not_kept():
    pages, serving, make = ImpersonalPages(), state(), Kitchen("popular")
    pages.choose(serving, asked(), HOME, make)
    pages.choose(serving, asked(), HOME, make)
    assert make.made == 2


def test_only_some_pages_are_kept():
    pages, serving, make = ImpersonalPages(most=1), state(), Kitchen()
    for limit in (1, 2, 1):
        pages.choose(serving, asked(), replace(HOME, limit=limit), make)
    assert make.made == 3


def test_a_state_that_is_no_longer_current_does_not_stay_in_memory():
    pages, serving = ImpersonalPages(), state()
    pages.choose(serving, asked(), HOME, Kitchen())
    left = ref(serving)
    del serving
    gc.collect()
    assert left() is None
