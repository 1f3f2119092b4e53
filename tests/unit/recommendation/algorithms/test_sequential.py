"""Transitions, nearest sessions and related products: what goes with the present."""

import numpy as np
import pytest
import scipy.sparse as sp

from services.recommendation.algorithms.arrays import as_csr
from services.recommendation.algorithms.base import Interactions, ReasonKind, Shopper
from services.recommendation.algorithms.related import Complementary, Similar
from services.recommendation.algorithms.session_knn import SessionKnn
from services.recommendation.algorithms.transitions import Transitions, consecutive_baskets, session_steps
from tests.contract.algorithms.synthetic_data import NOW, browsing, buyer


def sessions(*contents: list[int], n_products: int = 8, customer_of: list[int] | None = None) -> Interactions:
    """Sessions in order of time, one second a step; each of its own customer unless said."""
    owners = customer_of or list(range(len(contents)))
    rows = [
        (owners[s], item, s, NOW - 10_000 + 100 * s + step)
        for s, items in enumerate(contents)
        for step, item in enumerate(items)
    ]
    customers, products, baskets, times = np.array(rows).T
    return Interactions.of(
        customers, products, n_customers=9, n_products=n_products, now=NOW, times=times, baskets=baskets
    )


def steps_of(data: Interactions, window: int = 8) -> np.ndarray:
    return session_steps(data, np.lexsort((data.times, data.baskets)), window).toarray()


def test_steps_count_one_over_the_distance_forwards():
    steps = steps_of(sessions([0, 1, 2]))
    assert steps[0, 1] == steps[1, 2] == 1.0
    assert steps[0, 2] == 0.5
    assert steps.sum() == 2.5


def test_steps_stay_within_the_window_and_the_session():
    assert steps_of(sessions([0, 1, 2], [3, 4]), window=1).sum() == 3.0
    assert steps_of(sessions([0], [1])).sum() == 0.0


def test_lines_of_the_same_second_have_no_order():
    data = sessions([0, 1])
    data.times[:] = NOW
    steps = steps_of(data)
    assert steps[0, 1] == steps[1, 0] == 0.5


def test_coming_back_to_the_same_product_is_no_step():
    assert steps_of(sessions([0, 0])).sum() == 0.0


def test_consecutive_baskets_are_paired_by_customer_and_time():
    data = sessions([0], [1], [2], [3], customer_of=[0, 1, 0, 1])
    contents, before, after = consecutive_baskets(data, 10)
    assert [contents[[row]].indices.tolist() for row in before] == [[0], [1]]
    assert [contents[[row]].indices.tolist() for row in after] == [[2], [3]]


def test_the_product_in_view_counts_most():
    model = Transitions(target_power=0.0).fit(sessions([0, 1], [0, 1], [2, 3], [2, 3]))
    assert np.argmax(model.score(browsing(0, current=2))) == 3
    assert np.argmax(model.score(browsing(2, current=0))) == 1
    reason = model.explain(browsing(2, current=0), 1)
    assert reason.kind is ReasonKind.OFTEN_NEXT
    assert reason.products == (0,)


def test_the_next_basket_follows_the_last():
    model = Transitions().fit(sessions([0], [5], [0], [5], [6], [7], customer_of=[0, 0, 1, 1, 2, 2]))
    assert np.argmax(model.score(buyer((0, 3)))) == 5


def test_target_power_leans_to_rare_products():
    data = sessions([0, 1], [0, 1], [0, 2], [3, 1], [4, 1], [5, 1], [6, 1])
    assert np.argmax(Transitions(target_power=0.0).fit(data).score(browsing(0))) == 1
    assert np.argmax(Transitions(target_power=1.0).fit(data).score(browsing(0))) == 2


def test_nearest_sessions_vote():
    model = SessionKnn(idf_weight=0.0).fit(sessions([0, 1, 2], [0, 1, 3], [4, 5]))
    scores = model.score(browsing(0, 1))
    assert scores[2] == scores[3] == pytest.approx(1.5)
    assert scores[5] == 0.0


def test_sessions_without_the_latest_product_count_less():
    model = SessionKnn(idf_weight=0.0).fit(sessions([0, 2], [1, 3]))
    scores = model.score(browsing(0, 1))
    assert scores[3] == pytest.approx(1.0)
    assert scores[2] == pytest.approx(0.5 * 0.9)


def test_rare_products_get_more_votes():
    model = SessionKnn(idf_weight=1.0).fit(sessions([0, 1, 2], [3, 1], [4, 1]))
    scores = model.score(browsing(0))
    assert scores[2] == pytest.approx(1 + np.log(3))
    assert scores[1] == pytest.approx(1.0)


def test_only_the_nearest_and_the_latest_sessions_vote():
    data = sessions([0, 1], [0, 2], [0, 3])
    assert np.flatnonzero(SessionKnn(neighbours=1).fit(data).score(browsing(0))).tolist() == [0, 3]
    assert np.flatnonzero(SessionKnn(sample=2).fit(data).score(browsing(0))).tolist() == [0, 2, 3]
    assert np.flatnonzero(SessionKnn(max_sessions=2).fit(data).score(browsing(0))).tolist() == [0, 2, 3]


def test_the_cart_or_the_latest_products_stand_in_for_a_session():
    model = SessionKnn(max_session=2).fit(sessions([0, 1], [2, 3], [4, 5]))
    assert model.score(browsing(cart=(2,)))[3] > 0
    history = model.score(buyer((4, 9), (0, 5), (2, 1)))
    assert history[3] > history[1] > 0
    assert history[5] == 0.0


def test_session_reason_names_the_shared_products():
    model = SessionKnn().fit(sessions([0, 1, 2], [1, 3]))
    assert set(model.explain(browsing(0, 1), 2).products) == {0, 1}
    assert model.explain(browsing(0, 1), 3).products == (1,)
    assert model.explain(browsing(0, 1), 7) is None


def related_data() -> Interactions:
    """0 is similar to 1 and complements 2; 3 is similar to 1 (more) and complements 4."""
    similar = sp.csr_array(([0.5, 0.9], ([0, 3], [1, 1])), shape=(5, 5))
    complementary = sp.csr_array(([0.5, 0.9], ([0, 3], [2, 4])), shape=(5, 5))
    return Interactions.of(
        n_customers=0, n_products=5, now=NOW, similar=as_csr(similar), complementary=as_csr(complementary)
    )


def test_similar_follows_the_product_in_view():
    model = Similar(decay=0.5).fit(related_data())
    np.testing.assert_allclose(model.score(browsing(3, current=0)), [0, 0.5 + 0.45, 0, 0, 0], rtol=1e-6)
    reason = model.explain(browsing(3, current=0), 1)
    assert reason.kind is ReasonKind.SIMILAR_TO
    assert reason.products == (0, 3)


def test_similar_falls_back_on_the_history():
    assert Similar().fit(related_data()).score(buyer((0, 2)))[1] == pytest.approx(0.5)


def test_complementary_follows_cart_view_and_last_purchase():
    model = Complementary().fit(related_data())
    assert np.flatnonzero(model.score(browsing(cart=(0,)))).tolist() == [2]
    assert np.flatnonzero(model.score(browsing(current=3, cart=(0,)))).tolist() == [2, 4]
    assert np.flatnonzero(model.score(buyer((0, 9), (3, 2)))).tolist() == [4]
    assert model.explain(browsing(cart=(0,)), 2).kind is ReasonKind.BOUGHT_TOGETHER
    assert not model.score(Shopper(now=NOW)).any()


def test_live_relations_replace_those_of_training():
    live = as_csr(sp.csr_array(([1.0], ([0], [6])), shape=(7, 7)))
    scores = Similar().fit(related_data()).score_with(live, browsing(current=0))
    assert np.flatnonzero(scores).tolist() == [6]
    with pytest.raises(ValueError, match="got 7"):
        Similar().fit(related_data()).score_with(live, browsing(current=7))
