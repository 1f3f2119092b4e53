"""Category affinity: the rate of the category times the share in it, worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.algorithms.base import Interactions, ReasonKind, Shopper
from services.recommendation.algorithms.category_affinity import MOST_LIFTED, CategoryAffinity
from services.recommendation.algorithms.interactions import Kind

NOW = 1_700_000_000
CATEGORY = [0, 0, 1, 1, -1]


def fitted(**params: float) -> CategoryAffinity:
    """Three customers bought product 0, one bought 1, two bought 2, nobody 3 and 4; all today."""
    customers, products = [0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 2, 2]
    data = Interactions.of(customers, products, n_customers=3, n_products=5, now=NOW, category=CATEGORY)
    return CategoryAffinity(**params).fit(data)


def shopper(products: list[int]) -> Shopper:
    n = len(products)
    return Shopper(
        NOW,
        products=np.array(products, np.int32),
        kinds=np.full(n, Kind.PURCHASE, np.int8),
        quantities=np.ones(n, np.float32),
        times=np.full(n, NOW),
        baskets=np.arange(n, dtype=np.int32),
    )


def test_scores_are_the_rate_of_the_category_times_the_share_in_it() -> None:
    one = np.log(2.0)  # log(1 + weight) of one purchase
    counts = np.array([3 * one + 0.5, one + 0.5, 2 * one + 0.5, 0.0, 0.0])
    masses = np.array([counts[:2].sum(), counts[2:4].sum(), counts[4]])
    # Three purchases in category 0 and one in 1, beside a prior of two.
    rates = (np.array([3.0, 1.0, 0.0]) + 2.0 * masses / masses.sum()) / 6.0
    of = np.array([0, 0, 1, 1, 2])
    found = fitted(prior=2.0, smoothing=0.5).score(shopper([0, 1, 1, 2]))
    np.testing.assert_allclose(found, rates[of] * counts / np.maximum(masses[of], 1e-9), rtol=1e-5)
    assert found.sum() == pytest.approx(1.0, rel=1e-5)


def test_a_stranger_gets_what_sells() -> None:
    found = fitted().score(Shopper(NOW))
    assert np.argsort(-found)[:3].tolist() == [0, 2, 1]


@given(st.lists(st.integers(0, 4), max_size=8), st.integers(1, 6), st.integers(0, 31))
def test_the_best_of_what_is_allowed_are_those_of_all_scores(met: list[int], k: int, bits: int) -> None:
    algorithm, who = fitted(), shopper(met)
    allowed = np.array([bool(bits >> place & 1) for place in range(5)])
    rows, values = algorithm.propose(who, k, allowed)
    scores = np.where(allowed, algorithm.score(who), 0.0)
    np.testing.assert_allclose(values, np.sort(scores)[::-1][: min(k, int((scores > 0).sum()))], rtol=1e-6)
    np.testing.assert_allclose(scores[rows], values, rtol=1e-6)


def test_the_reason_is_what_was_met_of_the_category() -> None:
    reason = fitted().explain(shopper([0, 1]), 1)
    assert reason is not None
    assert (reason.kind, reason.products) == (ReasonKind.FITS_YOUR_TASTE, (0,))
    of_stranger = fitted().explain(Shopper(NOW), 1)
    assert of_stranger is not None
    assert of_stranger.kind is ReasonKind.POPULAR


def with_baskets(*baskets: tuple[int, list[int]], lift_prior: float = 1e-6) -> CategoryAffinity:
    """Purchases as pairs of customer and products; product p is of category p // 10."""
    customers, products, numbers = [], [], []
    for number, (customer, bought) in enumerate(baskets):
        customers += [customer] * len(bought)
        products += bought
        numbers += [number] * len(bought)
    data = Interactions.of(
        customers, products, n_customers=9, n_products=40, now=NOW, baskets=numbers, category=np.arange(40) // 10
    )
    return CategoryAffinity(lift_prior=lift_prior).fit(data)


def test_a_lift_is_how_often_two_categories_are_in_one_basket_over_chance() -> None:
    # One customer, three lines of category 0 and three of 1, in three baskets of one each: 3 · 2 pairs of 0 and 1 where
    # 3 baskets · 2 ordered pairs fall on 0 and 1 with probability 2 · 9 / 30; nothing is with its own category.
    found = with_baskets((0, [0, 10]), (0, [1, 11]), (0, [2, 12])).lifts
    assert found[1, 2] == found[2, 1] == pytest.approx(3 / (6 * 9 / 30), rel=1e-3)
    assert found[1, 1] == pytest.approx(0.0, abs=1e-3)
    assert found[1, 3] == pytest.approx(1.0), "nothing is known of what nobody buys"


def test_a_cart_lowers_what_it_has_already_and_raises_what_goes_with_it() -> None:
    algorithm = with_baskets(
        *[(n % 3, [n % 10, 10 + n % 10]) for n in range(30)], *[(n % 3, [20, 30]) for n in range(30)]
    )
    without = algorithm.score(Shopper(NOW))
    found = algorithm.score(Shopper(NOW, cart=np.array([0], np.int32)))
    assert found[1] < 0.1 * without[1]
    assert found[11] / without[11] > 1.5 > 0.5 > found[20] / without[20]


def test_a_shop_with_very_many_categories_has_no_lifts() -> None:
    n = MOST_LIFTED + 1
    data = Interactions.of([0, 0], [0, 1], n_customers=1, n_products=n, now=NOW, category=np.arange(n))
    found = CategoryAffinity().fit(data)
    assert found.lifts.size == 0
    assert found.score(Shopper(NOW, cart=np.array([0], np.int32))).sum() == pytest.approx(1.0, rel=1e-4)
