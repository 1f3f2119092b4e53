"""Selection: which algorithms answer where, and how the person takes over from the group."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommendation.request import Page
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.serving.page_policy import (
    COLD,
    FAMILIAR,
    NEWCOMER,
    PAGE_POLICIES,
    SEARCH,
    plan_ranking,
)
from shared.algorithms import DEFAULT_WEIGHTS
from shared.page_rules import ONLY_BOUGHT

POPULARITY = {"popular", "popular_in_group", "trending", "new_arrivals"}


@given(
    st.sampled_from(list(Page)),
    st.floats(0, 1e6),
    st.dictionaries(st.sampled_from(list(DEFAULT_WEIGHTS)), st.floats(0, 1)),
)
def test_weights_are_positive_and_there_are_some(page: Page, evidence: float, weights: dict[str, float]) -> None:
    plan = plan_ranking(page, weights, evidence)
    assert plan.weights
    assert all(weight > 0 for weight in plan.weights.values())


def test_a_stranger_gets_what_is_popular() -> None:
    plan = plan_ranking(Page.HOME, DEFAULT_WEIGHTS, 0.0)
    assert plan.strategy == "cold_start"
    assert plan.weights.keys() == COLD.keys()
    assert max(plan.weights, key=plan.weights.__getitem__) == "popular_in_group"


def test_the_person_takes_over_smoothly() -> None:
    def personal(evidence: float) -> float:
        weights = plan_ranking(Page.HOME, DEFAULT_WEIGHTS, evidence).weights
        return sum(weight for name, weight in weights.items() if name not in POPULARITY) / sum(weights.values())

    shares = [personal(evidence) for evidence in (0, 1, 2, 5, 10, 50, 1000)]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert 0.1 < shares[1] < 0.3
    assert shares[-1] > 0.85
    assert max(after - before for before, after in pairwise(shares)) < 0.35


@pytest.mark.parametrize(
    ("page", "strategy", "leading"),
    [
        (Page.HOME, "hybrid", "content"),
        (Page.PRODUCT, "related", "similar"),
        (Page.CATEGORY, "category", "content"),
        (Page.CART, "complementary", "complementary"),
        (Page.SEARCH, "search", SEARCH),
        (Page.POST_PURCHASE, "post_purchase", "complementary"),
        (Page.BUY_AGAIN, "buy_again", "repurchase"),
    ],
)
def test_each_page_is_led_by_its_purpose(page: Page, strategy: str, leading: str) -> None:
    plan = plan_ranking(page, DEFAULT_WEIGHTS, 1000.0)
    assert plan.strategy == strategy
    assert max(plan.weights, key=plan.weights.__getitem__) == leading


@pytest.mark.parametrize("page", [Page.PRODUCT, Page.CART, Page.SEARCH, Page.POST_PURCHASE])
def test_pages_about_something_are_no_cold_start_for_a_stranger(page: Page) -> None:
    plan = plan_ranking(page, DEFAULT_WEIGHTS, 0.0)
    assert plan.strategy != "cold_start"
    assert sum(plan.weights.get(name, 0.0) for name in POPULARITY) < 0.25 * sum(plan.weights.values())


def test_what_was_bought_is_for_one_page_alone() -> None:
    everything = dict.fromkeys(DEFAULT_WEIGHTS, 1.0)
    for page in set(Page) - {Page.BUY_AGAIN}:
        assert "repurchase" not in plan_ranking(page, everything, 50.0).weights
    assert plan_ranking(Page.BUY_AGAIN, everything, 50.0).weights == {"repurchase": 1.0}


def test_the_reranker_orders_the_page_as_soon_as_anything_is_known() -> None:
    assert plan_ranking(Page.HOME, DEFAULT_WEIGHTS, 0.0).reranker_weight == 0
    assert plan_ranking(Page.HOME, DEFAULT_WEIGHTS, 1.0).reranker_weight > 0
    assert plan_ranking(Page.HOME, DEFAULT_WEIGHTS, 1.0).policy.alone


def test_of_a_few_events_the_reranker_orders_beside_what_is_popular() -> None:
    newcomer = plan_ranking(Page.HOME, DEFAULT_WEIGHTS, FAMILIAR - 1, RerankerModels(newcomer_weight=0.25))
    assert (newcomer.beside, newcomer.reranker_weight) == (NEWCOMER, 0.25)
    assert newcomer.weights.keys() > NEWCOMER.keys(), "where there is no reranker all weights answer"
    for page, strength in ((Page.HOME, 0.0), (Page.HOME, FAMILIAR), (Page.PRODUCT, 1.0), (Page.CART, 1.0)):
        assert not plan_ranking(page, DEFAULT_WEIGHTS, strength).beside


def test_beside_other_algorithms_the_reranker_weighs_more_the_more_is_known() -> None:
    weights = [plan_ranking(Page.SEARCH, DEFAULT_WEIGHTS, strength).reranker_weight for strength in (30, 100, 1000)]
    assert weights == sorted(weights)
    assert 0 < weights[-1] < 0.5 < plan_ranking(Page.CART, {}, 1000.0).reranker_weight
    assert plan_ranking(Page.PRODUCT, DEFAULT_WEIGHTS, 0.0).reranker_weight > 1.5, "the product in view is known"


@pytest.mark.parametrize(
    ("page", "context"),
    [
        (Page.HOME, RerankContext.DISCOVERY),
        (Page.CATEGORY, RerankContext.DISCOVERY),
        (Page.SEARCH, RerankContext.DISCOVERY),
        (Page.PRODUCT, RerankContext.SESSION),
        (Page.CART, RerankContext.BASKET),
        (Page.POST_PURCHASE, RerankContext.BASKET),
        (Page.BUY_AGAIN, RerankContext.EVERYTHING),
    ],
)
def test_each_page_has_a_context(page: Page, context: RerankContext) -> None:
    assert plan_ranking(page, DEFAULT_WEIGHTS, 10.0).policy.context is context


def test_what_was_bought_is_ordered_by_the_reranker_where_people_buy_again() -> None:
    assert plan_ranking(Page.BUY_AGAIN, DEFAULT_WEIGHTS, 10.0).reranker_weight == 0
    assert plan_ranking(Page.BUY_AGAIN, DEFAULT_WEIGHTS, 10.0, RerankerModels(rebuy_rate=0.19)).reranker_weight == 0
    assert plan_ranking(Page.BUY_AGAIN, DEFAULT_WEIGHTS, 10.0, RerankerModels(rebuy_rate=0.2)).reranker_weight > 1
    often = plan_ranking(Page.HOME, DEFAULT_WEIGHTS, 10.0, RerankerModels(rebuy_rate=0.9))
    assert often == plan_ranking(Page.HOME, DEFAULT_WEIGHTS, 10.0)


def test_the_database_decides_what_leads_on_the_start_page() -> None:
    plan = plan_ranking(Page.HOME, {"ease": 0.9, "content": 0.1}, 1000.0)
    assert max(plan.weights, key=plan.weights.__getitem__) == "ease"
    assert "transitions" not in plan.weights


def test_all_weights_zero_still_gives_a_list() -> None:
    assert plan_ranking(Page.HOME, dict.fromkeys(DEFAULT_WEIGHTS, 0.0), 1000.0).weights


def test_the_pages_of_what_was_bought_are_those_of_the_rules() -> None:
    assert {page for page, policy in PAGE_POLICIES.items() if policy.bought} == ONLY_BOUGHT
