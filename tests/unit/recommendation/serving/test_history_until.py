"""A history as it was at a moment: nothing of later is in it."""

import numpy as np

from services.recommendation.algorithms.interactions import Kind
from services.recommendation.serving.user_history import UserHistory

VIEW, CART, BUY = (np.int8(kind) for kind in (Kind.VIEW, Kind.CART, Kind.PURCHASE))
PAST = UserHistory(
    products=np.array([1, 2, 2, 3, 3, 2, 4], np.int32),
    kinds=np.array([VIEW, BUY, VIEW, CART, BUY, BUY, CART]),
    quantities=np.ones(7, np.float32),
    times=np.array([10, 20, 30, 40, 50, 60, 70]),
    baskets=np.array([0, 1, 2, 2, 3, 4, 5], np.int32),
    sessions=np.array([1, 1, 2, 2, 2, 3, 3]),
    cart=np.array([4, 5], np.int32),
    last_order=np.array([2], np.int32),
    bought=np.array([2, 3, 9], np.int32),
    dismissed=np.array([8], np.int32),
    latest_session=3,
    searches={3: "later"},
)


def test_what_was_done_later_is_left_out() -> None:
    then = PAST.until(40)
    assert then.products.tolist() == [1, 2, 2, 3]
    assert then.times.tolist() == [10, 20, 30, 40]
    assert then.bought.tolist() == [2, 9], "3 was bought later; 9 was bought before all that is kept"
    assert then.cart.tolist() == [5], "4 was put in later"
    assert then.last_order.tolist() == [2]
    assert (then.latest_session, then.searches, then.dismissed.tolist()) == (2, {}, [8])
    assert then.in_session(2).tolist() == [2, 3]


def test_before_everything_there_is_nothing() -> None:
    then = PAST.until(5)
    assert (len(then.products), then.latest_session, then.last_order.tolist()) == (0, 0, [])
    assert then.bought.tolist() == [9]


def test_until_now_all_is_as_it_is() -> None:
    now = PAST.until(70)
    assert now.digest == PAST.digest
