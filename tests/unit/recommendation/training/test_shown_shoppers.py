"""Shoppers as they were when a list was made: what was in view or in the cart, and nothing of what came after."""

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.algorithms.interactions import DAY
from services.recommendation.holdout.tasks import EvalCase
from services.recommendation.reranker.contexts import CONTEXT_OF_PAGE, SESSION_SECONDS
from services.recommendation.serving.page_policy import PAGE_POLICIES
from services.recommendation.training.eval_rounds import PastShoppers
from services.recommendation.training.shown_shoppers import case_of_list
from shared.page_rules import Page

NOW = 1_000 * DAY
EVENTS = [
    (Kind.PURCHASE, 1, NOW - 3 * DAY, 0),
    (Kind.CART, 2, NOW - 2 * DAY, 1),
    (Kind.CART, 3, NOW - 900, 2),
    (Kind.PURCHASE, 3, NOW - 800, 3),
    (Kind.VIEW, 4, NOW - 700, 4),
    (Kind.VIEW, 5, NOW - 600, 4),
    (Kind.CART, 6, NOW - 500, 4),
    (Kind.VIEW, 7, NOW + 1, 4),
    (Kind.PURCHASE, 8, NOW + 2, 5),
]
"""What customer 0 did: kind, product, time and basket."""


def pasts() -> PastShoppers:
    kinds, products, times, baskets = zip(*EVENTS, strict=True)
    return PastShoppers(
        Interactions.of(
            np.zeros(len(EVENTS)),
            products,
            n_customers=2,
            n_products=10,
            now=NOW,
            kinds=kinds,
            times=times,
            baskets=baskets,
        )
    )


def case(page: Page, moment: int = NOW, shown: tuple[int, ...] = (8, 9)) -> EvalCase | None:
    rows = np.array(shown, np.int32)
    return case_of_list(page, pasts(), 0, moment, rows, rows[:1])


def test_nothing_of_what_came_after_is_known() -> None:
    found = case(Page.HOME)
    assert found is not None
    assert (found.shopper.now, int(found.shopper.times.max())) == (NOW, NOW - 500)
    assert found.targets.tolist() == [8]
    assert (found.customer, found.excluded.tolist()) == (0, [1, 3])


def test_what_was_shown_is_never_excluded() -> None:
    found = case(Page.HOME, shown=(1, 8))
    assert found is not None
    assert found.excluded.tolist() == [3]


def test_on_a_products_page_the_last_product_is_in_view() -> None:
    found = case(Page.PRODUCT)
    assert found is not None
    assert (found.shopper.session.tolist(), found.shopper.current) == ([4, 5], 5)
    assert found.excluded.tolist() == [1, 3, 5]


def test_the_cart_is_what_was_not_bought_yet() -> None:
    found = case(Page.CART)
    assert found is not None
    assert (found.shopper.cart.tolist(), found.excluded.tolist()) == ([6], [1, 3, 6])


def test_after_a_purchase_the_order_is_the_cart() -> None:
    found = case(Page.POST_PURCHASE)
    assert found is not None
    assert found.shopper.cart.tolist() == [3]


def test_what_may_be_bought_again_is_not_excluded() -> None:
    found = case(Page.BUY_AGAIN, shown=(1, 3))
    assert found is not None
    assert found.excluded.tolist() == []


@pytest.mark.parametrize("page", [Page.PRODUCT, Page.CART, Page.POST_PURCHASE])
def test_a_session_that_is_over_says_nothing_of_the_page(page: Page) -> None:
    assert case(page, NOW + 2 + SESSION_SECONDS) is None
    assert case(page, NOW) is not None


def test_of_a_stranger_nothing_can_be_said() -> None:
    assert case(Page.HOME, EVENTS[0][2]) is None


def test_pages_are_ordered_by_the_rerankers_that_serve_them() -> None:
    assert {page: policy.context for page, policy in PAGE_POLICIES.items()} == CONTEXT_OF_PAGE
