"""Trending, new arrivals and repurchase: the algorithms of time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.algorithms.base import Interactions, Kind, ReasonKind, Shopper
from services.recommendation.algorithms.interactions import DAY
from services.recommendation.algorithms.new_arrivals import Arrivals, NewArrivals
from services.recommendation.algorithms.repurchase import Repurchase
from services.recommendation.algorithms.trending import Trending
from tests.contract.algorithms.synthetic_data import NOW, browsing, buyer, shopper_of


def events(*rows: tuple[int, int, float], n_products: int = 3) -> Interactions:
    """Purchases of (customer, product, days ago), each in a basket of its own."""
    customers, products, days = np.array(rows).T
    times = NOW - (days * DAY).astype(np.int64)
    return Interactions.of(
        customers.astype(int),
        products.astype(int),
        n_customers=100,
        n_products=n_products,
        now=NOW,
        times=times,
        baskets=np.arange(len(rows)),
    )


def trend(*rows: tuple[int, int, float]) -> np.ndarray:
    return Trending(recent_days=7, base_days=14, prior=1.0).fit(events(*rows)).score(Shopper(now=NOW))


def test_trending_is_the_surplus_over_expectation_in_shrunk_deviations():
    base = [(c, 0, 10) for c in range(8)] + [(c, 1, 10) for c in range(2)]
    recent = [(c, 0, 1) for c in range(2)] + [(c, 1, 1) for c in range(3)]
    np.testing.assert_allclose(trend(*base, *recent), [0.0, (3 - 1) / np.sqrt(1 + 1), 0.0], rtol=1e-6)


def test_one_busy_customer_is_no_trend():
    many = trend(*[(c, 0, 1) for c in range(5)], (9, 1, 10))
    one = trend(*[(0, 0, 1)] * 5, (9, 1, 10))
    assert many[0] == pytest.approx(5.0)
    assert one[0] == pytest.approx(1.0)


def test_what_is_older_than_both_periods_does_not_count():
    assert not trend((0, 0, 30), (1, 0, 40)).any()


def arrivals(days: list[int], category: list[int] | None = None) -> NewArrivals:
    added = NOW - np.array(days) * DAY
    data = Interactions.of(
        n_customers=0, n_products=len(days), now=NOW, added=added, category=-1 if category is None else category
    )
    return NewArrivals(half_life_days=10, window_days=30).fit(data)


def test_arrivals_fade_and_end():
    np.testing.assert_allclose(arrivals([300, 0, 10, 31]).score(Shopper(now=NOW)), [0.0, 0.5, 0.25, 0.0])


def test_the_opening_assortment_is_not_new():
    assert not arrivals([5, 5, 5]).score(Shopper(now=NOW)).any()
    assert arrivals([5, 5, 1]).score(Shopper(now=NOW))[2] > 0


def test_arrivals_fade_with_the_time_of_asking():
    model = arrivals([300, 0])
    assert model.score(Shopper(now=NOW + 10 * DAY))[1] == pytest.approx(0.25)
    assert model.score(Shopper(now=NOW + 31 * DAY))[1] == 0.0


def test_arrivals_of_the_shoppers_categories_come_first():
    model = arrivals([300, 1, 1, 1], category=[7, 7, 8, -1])
    scores = model.score(browsing(0))
    assert scores[1] == pytest.approx(2 * scores[2])
    assert scores[2] == scores[3]
    assert model.explain(browsing(0), 1).kind is ReasonKind.NEW_ARRIVAL


def test_a_live_catalogue_may_have_grown():
    added = NOW - np.array([300, 200, 0]) * DAY
    scores = arrivals([300, 200]).score_with(added, np.array([-1, -1, -1], np.int32), Shopper(now=NOW))
    np.testing.assert_allclose(scores, [0.0, 0.0, 0.5])


@given(
    days=st.lists(st.integers(0, 40), min_size=2, max_size=60),
    categories=st.lists(st.integers(-1, 4), min_size=60, max_size=60),
    k=st.integers(1, 10),
    forbidden=st.sets(st.integers(0, 59)),
    earlier=st.integers(0, 20),
)
def test_the_search_ends_early_and_misses_nothing(days, categories, k, forbidden, earlier):
    model = arrivals([300, *days], category=[2, *categories[: len(days)]])
    shopper = browsing(0, 1, 2)
    allowed = np.array([row not in forbidden for row in range(len(days) + 1)])
    scores = np.where(allowed, model.score(shopper), 0.0)
    found_before = Arrivals.of(model.added, shopper.now - earlier * DAY, model.window_days)
    for found in (model.scores_of(shopper), model.scores_with(model.added, model.category, shopper, found_before)):
        rows, values = found.top(k, allowed)
        expected = np.sort(scores[scores > 0])[::-1][:k]
        np.testing.assert_allclose(values, expected, rtol=1e-6)
        np.testing.assert_allclose(scores[rows], values, rtol=1e-6)


def weekly(product: int, customers: range) -> list[tuple[int, int, float]]:
    return [(c, product, 7 * week) for c in customers for week in range(1, 9)]


def test_intervals_and_repeat_rates_are_learned_per_product():
    once = [(c, 1, 20) for c in range(50)]
    monthly = [(c, 2, 30 * month) for c in range(20) for month in range(1, 4)]
    model = Repurchase(prior=1.0).fit(events(*weekly(0, range(20)), *once, *monthly))
    assert model.interval_days[0] == pytest.approx(7.0, rel=0.01)
    assert model.interval_days[2] == pytest.approx(30.0, rel=0.05)
    assert model.interval_days[1] == pytest.approx(7.0)
    assert model.repeat_rate[0] > 0.95
    assert model.repeat_rate[1] < 0.02


def test_what_is_bought_often_and_lately_comes_first():
    model = Repurchase().fit(events(*weekly(0, range(20)), *weekly(1, range(20)), *weekly(2, range(20))))
    scores = model.score(buyer((1, 100), (0, 30), (2, 21), (0, 20), (0, 10)))
    assert np.argsort(-scores).tolist() == [0, 2, 1]


def test_a_product_becomes_due():
    model = Repurchase(rhythm=1.0, half_life_days=1e6).fit(events(*weekly(0, range(20)), n_products=1))
    scores = [model.score(buyer((0, days)))[0] for days in (0, 1, 7, 14)]
    assert scores[0] < 1e-6
    assert scores == sorted(scores)
    assert scores[2] == pytest.approx(scores[3] * (1 - 2**-3) / (1 - 2**-6), rel=1e-3)


def test_several_lines_of_one_basket_are_one_purchase():
    twice = buyer((0, 3), (0, 3))
    model = Repurchase().fit(events(*weekly(0, range(5))))
    apart = model.score(twice)[0]
    twice.baskets[:] = 0
    assert model.score(twice)[0] < apart


def test_views_are_no_purchases():
    shopper = buyer((0, 3), (1, 2))
    shopper.kinds[0] = Kind.VIEW
    model = Repurchase().fit(events(*weekly(0, range(5))))
    assert np.flatnonzero(model.score(shopper)).tolist() == [1]
    assert model.explain(shopper, 0) is None
    assert model.explain(shopper, 1).kind is ReasonKind.BUY_AGAIN
    assert model.explain(shopper, 1).products == (1,)


def test_history_long_past_still_beats_nothing():
    data = events(*weekly(0, range(5)))
    assert Repurchase(half_life_days=1.0).fit(data).score(buyer((0, 10_000)))[0] > 0
    assert not Repurchase().fit(data).score(shopper_of(data, 50)).any()
