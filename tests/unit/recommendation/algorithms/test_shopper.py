from dataclasses import replace

import numpy as np
import pytest

from services.recommendation.algorithms.base import Kind, Shopper
from services.recommendation.algorithms.interactions import DAY
from tests.contract.algorithms.synthetic_data import NOW, browsing, buyer


@pytest.fixture
def shopper() -> Shopper:
    """Viewed 4, bought 1 and 2 together, put 3 into the cart; now looks at 4 again after 5."""
    return Shopper(
        now=NOW,
        products=np.array([4, 1, 2, 3], np.int32),
        kinds=np.array([Kind.VIEW, Kind.PURCHASE, Kind.PURCHASE, Kind.CART], np.int8),
        quantities=np.ones(4, np.float32),
        times=NOW - np.array([30, 20, 20, 10]) * DAY,
        baskets=np.array([0, 1, 1, 2], np.int32),
        session=np.array([5, 4], np.int32),
        current=4,
        cart=np.array([3], np.int32),
    )


def test_bought_and_last_basket(shopper):
    assert shopper.bought.tolist() == [1, 2]
    assert shopper.last_basket.tolist() == [1, 2]
    assert buyer((7, 3), (9, 1)).last_basket.tolist() == [9]
    assert browsing(3).last_basket.tolist() == []


def test_trail_ends_in_the_product_in_view(shopper):
    assert shopper.present.tolist() == [5, 4]
    assert shopper.trail.tolist() == [1, 2, 3, 5, 4]


def test_lines_of_one_purchase_are_one_step(shopper):
    assert shopper.trail_ages.tolist() == [3, 3, 2, 1, 0]
    assert Shopper(now=NOW).trail_ages.tolist() == []


def test_weights_add_up_history_session_and_cart(shopper):
    rows, weights = shopper.weights(half_life_days=10)
    assert rows.tolist() == [1, 2, 3, 4, 5]
    expected = [5 / 4, 5 / 4, 3 / 2 + 3, 1 / 8 + 1, 1]
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    assert weights.dtype == np.float32


def test_weights_are_computed_once_per_half_life(shopper):
    assert shopper.weights(10.0)[1] is shopper.weights(10.0)[1]
    assert shopper.weights(10.0)[1] is not shopper.weights(20.0)[1]


def test_within_leaves_out_newer_products_everywhere(shopper):
    known = shopper.within(4)
    assert known.products.tolist() == [1, 2, 3]
    assert known.times.shape == (3,)
    assert known.session.tolist() == []
    assert known.current is None
    assert known.cart.tolist() == [3]
    assert shopper.within(6).trail.tolist() == shopper.trail.tolist()


@pytest.mark.parametrize(("n", "row"), [(5, 5), (0, 5)])
def test_rows_above_are_named(shopper, n, row):
    with pytest.raises(ValueError, match=f"got {row}"):
        shopper.require_within(n)


def test_rows_below_are_named(shopper):
    with pytest.raises(ValueError, match="got -2"):
        replace(shopper, cart=np.array([-2], np.int32)).require_within(10)


def test_weights_follow_the_kinds_they_are_given():
    bought, browsed = buyer((1, 0)), browsing(2)
    learned = np.float32([0.0, 0.5, 1.0])
    assert bought.weights(10.0, learned)[1].tolist() == [1.0]
    assert bought.weights(10.0)[1].tolist() == [5.0]
    np.testing.assert_allclose(browsed.weights(10.0, learned)[1], [0.1])


def test_every_step_of_the_session_counts_and_the_product_in_view_once():
    rows, weights = browsing(2, 3, 2, current=2).weights()
    assert rows.tolist() == [2, 3]
    assert weights.tolist() == [2.0, 1.0]
    assert browsing(2, 3, current=2).weights()[1].tolist() == [2.0, 1.0]
