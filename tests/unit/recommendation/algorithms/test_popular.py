import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from services.recommendation.algorithms.base import Interactions, Reason, ReasonKind, Shopper
from services.recommendation.algorithms.popular import MOST_GROUPS, Popular
from tests.contract.algorithms.synthetic_data import NOW

ONE = float(np.log1p(1.0))


def interactions() -> Interactions:
    """Region 0 (customers 0-5) buys product 0, region 1 (6-9) product 1; 9 and 5 are of age 1; 8 is from nowhere."""
    products = [0, 0, 0, 0, 0, 2, 1, 1, 1, 1]
    region = [0, 0, 0, 0, 0, 0, 1, 1, -1, 1]
    age = [0, 0, 0, 0, 0, 1, 0, 0, 0, 1]
    return Interactions.of(
        range(10), products, n_customers=10, n_products=4, now=NOW, groups={"region": region, "age": age}
    )


def shopper(**groups: int) -> Shopper:
    return Shopper(now=NOW, groups=groups)


def test_without_groups_everybody_counts():
    scores = Popular().fit(interactions()).score(shopper())
    np.testing.assert_allclose(scores, [0.5, 0.4, 0.1, 0.0], rtol=1e-6)


def test_a_group_is_drawn_to_everybody_by_the_prior():
    popular = Popular(levels=(("region",),), prior=2 * ONE).fit(interactions())
    np.testing.assert_allclose(popular.score(shopper(region=1)), [1 / 5, 3.8 / 5, 0.2 / 5, 0.0], rtol=1e-5)


def test_each_level_builds_on_the_wider_one():
    popular = Popular(levels=(("region",), ("region", "age")), prior=2 * ONE).fit(interactions())
    region = popular.score(shopper(region=1))
    both = popular.score(shopper(region=1, age=1))
    np.testing.assert_allclose(both, (np.array([0, 1, 0, 0]) + 2 * region) / 3, rtol=1e-5)


@pytest.mark.parametrize("groups", [{"region": -1}, {"region": 7}, {"age": 5}, {"shoe_size": 0}])
def test_unknown_groups_fall_back_to_everybody(groups):
    popular = Popular(prior=1.0).fit(interactions())
    np.testing.assert_array_equal(popular.score(shopper(**groups)), popular.score(shopper()))


def test_groups_that_the_data_lacks_are_skipped():
    data = Interactions.of([0], [1], n_customers=1, n_products=2, now=NOW)
    assert Popular().fit(data).score(shopper(region=0, age=0)).tolist() == [0.0, 1.0]


def test_one_busy_customer_makes_no_bestseller():
    data = Interactions.of([0] * 50 + [1, 2, 3], [0] * 50 + [1, 1, 1], n_customers=4, n_products=2, now=NOW)
    scores = Popular().fit(data).score(shopper())
    assert scores[0] == pytest.approx(np.log1p(50) / (np.log1p(50) + 3 * ONE), rel=1e-5)


def test_reason_names_the_group_that_likes_it_most():
    popular = Popular(prior=1.0).fit(interactions())
    assert popular.explain(shopper(region=1, age=0), 1) == Reason(ReasonKind.POPULAR_IN_GROUP, group=("region", 1))
    assert popular.explain(shopper(region=0, age=0), 1) == Reason(ReasonKind.POPULAR)
    assert popular.explain(shopper(region=9, shoe_size=4), 1) == Reason(ReasonKind.POPULAR)
    assert popular.explain(shopper(), 1) == Reason(ReasonKind.POPULAR)
    assert popular.explain(shopper(region=1), 3) is None


def test_the_prior_shrinks_with_the_shop_so_that_groups_have_a_say():
    small = Popular().fit(interactions())
    assert small.pull[0] == 4.0
    bounded = Popular(prior_share=1e9).fit(interactions())
    assert bounded.pull[0] == bounded.prior


def test_several_threads_may_score_shoppers_of_many_groups():
    n = 4 * MOST_GROUPS
    data = Interactions.of(
        range(n), np.arange(n) % 4, n_customers=n, n_products=4, now=NOW, groups={"region": range(n)}
    )
    popular = Popular(levels=(("region",),)).fit(data)
    rows = np.arange(4, dtype=np.int32)

    def scored(start: int) -> None:
        for region in range(n):
            shopper_ = shopper(region=(region + start) % n)
            np.testing.assert_allclose(popular.scores_of(shopper_).at(rows), popular.score(shopper_), rtol=1e-5)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(scored, range(0, n, n // 16)))
    finally:
        sys.setswitchinterval(before)
