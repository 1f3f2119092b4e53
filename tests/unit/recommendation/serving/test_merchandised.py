"""What placements and rules make of a page: plan, facts that boosts look at, groups, and the arrangement."""

import numpy as np
import pytest

from services.recommendation.request import PageContext, Query
from services.recommendation.serving.known_shopper import OneReading
from services.recommendation.serving.merchandised import (
    arrangement,
    groups_of,
    margin,
    placed_plan,
    places_to_fill,
)
from services.recommendation.serving.page_policy import PAGE_POLICIES, plan_ranking
from services.recommendation.serving.user_history import Person
from shared.consent import NOTHING_SAID, Consent
from shared.merchandising.placement import Placement
from shared.merchandising.rule import Limit, LimitGroup, Pin, Rule, Weigh
from shared.page_rules import Page
from tests.unit.recommendation.small import catalogue, entry

SHELF = catalogue(
    entry(1, price=400, cost=100, brand="Acme", group_id="shirt"),
    entry(2, price=400, brand="Acme", group_id="shirt"),
    entry(3, price=None, currency=None, cost=100),
    entry(4, price=0, cost=0, brand="Bolt"),
)
ROWS = np.arange(4, dtype=np.int32)
ALL = np.ones(4, np.bool_)
PLAN = plan_ranking(Page.HOME, {"ease": 1.0}, 100.0)


def test_the_margin_is_the_share_of_the_price_above_the_cost() -> None:
    np.testing.assert_array_equal(margin(SHELF, ROWS), [0.75, np.nan, np.nan, np.nan])


def test_products_are_grouped_by_brand_or_category_where_they_have_one() -> None:
    brands = groups_of(Limit(LimitGroup.BRAND, 1), ROWS, SHELF)
    assert brands[0] == brands[1] != brands[3]
    assert set(brands) == {0, 1, 3}
    assert len(set(groups_of(Limit(LimitGroup.CATEGORY, 1), ROWS, SHELF).values())) == 1


def test_a_plan_stays_as_it_is_where_nothing_is_said() -> None:
    assert placed_plan(PLAN, Query()) is PLAN


@pytest.mark.parametrize(("placement", "asked", "trade_off"), [(0.3, None, 0.7), (0.3, 0.0, 1.0), (None, 1.0, 0.0)])
def test_the_diversity_of_the_call_comes_before_that_of_the_placement(
    placement: float | None, asked: float | None, trade_off: float
) -> None:
    query = Query(stored_placement=Placement("p", diversity=placement), diversity=asked)
    assert placed_plan(PLAN, query).policy.trade_off == pytest.approx(trade_off)


def test_one_algorithm_orders_alone_and_popular_products_fill_up() -> None:
    plan = placed_plan(PLAN, Query(stored_placement=Placement("p", strategy="trending")))
    assert (plan.strategy, plan.reranker_weight, plan.policy.alone) == ("trending", 0.0, False)
    assert max(plan.weights, key=lambda name: plan.weights[name]) == "trending"
    assert set(plan.weights) == {"trending", "popular"}
    assert plan.policy.category_share == PAGE_POLICIES[Page.HOME].category_share


def test_only_pins_and_limits_need_more_candidates_than_places() -> None:
    assert places_to_fill([Rule("up", Weigh(2.0))], 10) == 10
    assert places_to_fill([Rule("pin", Pin("p1", 1))], 10) == 40


def test_a_pin_takes_the_place_of_the_other_variants_of_its_product() -> None:
    query = Query(limit=3, rules=(Rule("pin", Pin("p2", 2)),))
    assert arrangement(ROWS, ALL, SHELF, query).rows == [2, 1, 3]
    again = Query(limit=4, rules=query.rules, context=PageContext(Page.BUY_AGAIN))
    assert arrangement(ROWS, ALL, SHELF, again).rows == [0, 1, 2, 3]


def test_what_the_page_may_not_show_is_not_pinned() -> None:
    allowed = np.array([True, False, True, True])
    query = Query(limit=3, rules=(Rule("pin", Pin("p2", 1)), Rule("gone", Pin("p9", 2))))
    assert arrangement(ROWS[allowed], allowed, SHELF, query).rows == [0, 2, 3]


def test_pins_count_on_over_the_pages_of_a_list() -> None:
    query = Query(limit=2, rules=(Rule("pin", Pin("p4", 3)),), shown=(1,))
    assert arrangement(ROWS[1:], ALL, SHELF, query).rows == [1, 3]
    assert arrangement(ROWS[1:3], ALL, SHELF, Query(limit=2, rules=query.rules, shown=(4, 1, 9))).rows == [1, 2]


class Histories:
    """Counts how often shoppers are read."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def read(self, *_: object) -> None:
        self.calls.append("read")

    def nobody(self, consent: Consent) -> Person:
        return Person(None, {})

    def find_session(self, *_: object) -> int:
        self.calls.append("session")
        return 1

    def latest_search(self, *_: object) -> str:
        self.calls.append("search")
        return "tea"


def test_a_shopper_is_read_once_for_all_lists_of_a_page() -> None:
    histories = Histories()
    once = OneReading(histories)
    for _ in range(3):
        once.read("ann", "", SHELF, "v1", NOTHING_SAID)
        once.find_session(1, "s")
        assert once.latest_search(1, 1) == "tea"
    assert histories.calls == ["read", "session", "search"]
