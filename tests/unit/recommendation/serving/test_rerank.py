"""The reranker on a page: it leads, its part is credited to the proposers, and its failure costs only itself."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommendation.algorithms.arrays import Mask
from services.recommendation.algorithms.base import Kind, Reason, Shopper
from services.recommendation.algorithms.shopper_scores import OrderedScores, ShopperScores
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import NAMES, ItemFeatures
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.ranks import tie_hash
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.serving.merchandised import in_rates
from services.recommendation.serving.proposals import Proposals
from services.recommendation.serving.ranking import Ranked, rank
from services.recommendation.serving.rerank import PageReranker
from services.recommendation.serving.retrieval import Scorer, ShopperViews
from shared.algorithms import DEFAULT_WEIGHTS
from tests.unit.recommendation.reranker.trees import grown

N, KNOWN = 12, 10
EVERYBODY: Mask = np.ones(N, dtype=bool)
ITEM_FEATURES = ItemFeatures(np.zeros((KNOWN, len(NAMES)), np.float32))
WEIGHTS = {"ease": 0.5, "content": 0.5}
NAMES_OF_SCORERS = ("item_knn", "ease", "popular", "transitions")


class Fixed:
    """A scorer that always says the same; without scores it fails."""

    def __init__(self, scores: Any = None) -> None:
        self.scores = scores

    def scores_of(self, views: ShopperViews) -> ShopperScores:
        if self.scores is None:
            raise RuntimeError("broken for the test")
        return OrderedScores.of(np.array(self.scores, np.float32))

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return None


@pytest.fixture(scope="module")
def hybrid() -> Reranker:
    return grown(NAMES_OF_SCORERS)


def scorers(**changed: Scorer) -> dict[str, Scorer]:
    rows = np.arange(N)
    found: dict[str, Scorer] = {
        "ease": Fixed(N - rows),
        "content": Fixed(rows + 1),
        "item_knn": Fixed(np.where(np.isin(rows, (6, 7, 8)), rows, 0)),
        "transitions": Fixed(np.where(rows == 9, 1.0, 0.0)),
        "popular": Fixed(np.zeros(N)),
        "popular_in_group": Fixed(np.where(rows == 5, 1.0, 0.0)),
    }
    return {**found, **changed}


def views(**groups: int) -> ShopperViews:
    return ShopperViews(Shopper(0, groups=groups), KNOWN, 0)


def reranked(hybrid: Reranker, allowed: Mask = EVERYBODY, weight: float = 4.0, **changed: Scorer) -> Ranked:
    return rank(scorers(**changed), WEIGHTS, views(), allowed, PageReranker(hybrid, ITEM_FEATURES, weight))


def test_the_hybrid_leads_where_it_has_the_weight(hybrid: Reranker) -> None:
    assert set(reranked(hybrid).top(3).tolist()) == {6, 7, 8}
    assert rank(scorers(), WEIGHTS, views(), EVERYBODY).top(2).tolist() == [0, 11]
    assert reranked(hybrid, weight=0.01).top(2).tolist() == [0, 11]


def test_its_part_is_credited_to_the_algorithms_that_proposed_the_product(hybrid: Reranker) -> None:
    ranked = reranked(hybrid)
    assert "hybrid" not in ranked.fused.names
    given = ranked.contributions(8)
    assert next(iter(given)) == "item_knn"
    # 6, 7 and 8 have the same value, so a hash orders them; 8 is first of item_knn and ninth of ease
    rank = sorted((6, 7, 8), key=lambda row: int(tie_hash(row))).index(8)
    part, first, ninth = 4.0 / 5.0 * 11 / (11 + rank), 1 / 11, 1 / 19
    assert given["item_knn"] == pytest.approx(part * first / (first + ninth), abs=1e-5)
    assert given["ease"] == pytest.approx(0.5 / 5.0 * 11 / 19 + part * ninth / (first + ninth), abs=1e-5)
    assert "transitions" in reranked(hybrid).contributions(9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 50.0))
def test_contributions_add_up_to_scores(hybrid: Reranker, seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    allowed = rng.random(N) < 0.7
    changed = {name: Fixed(np.where(rng.random(N) < 0.4, rng.random(N), 0.0)) for name in ("ease", "item_knn")}
    ranked = reranked(hybrid, allowed, weight, **changed)
    for row in range(N):
        assert sum(ranked.contributions(row).values()) == pytest.approx(ranked.score(row), abs=1e-5)
    assert allowed[ranked.proposals.rows].all()


def test_only_known_and_allowed_products_are_ordered(hybrid: Reranker) -> None:
    allowed = EVERYBODY.copy()
    allowed[8] = False
    reranker = PageReranker(hybrid, ITEM_FEATURES, 1.0)
    proposals = Proposals.of(scorers(), reranker.scorer_names(views()), views(), allowed, 100)
    result = reranker.rerank(proposals, views())
    assert result.candidates.products.tolist() == [row for row in range(KNOWN) if row != 8]
    ordered = dict(zip(proposals.rows.tolist(), result.scores().tolist(), strict=True))
    assert [row for row, score in ordered.items() if score == 0] == [10, 11]
    assert sorted(score for score in ordered.values() if score > 0) == list(range(1, KNOWN))


def alone(hybrid: Reranker, learned: dict[str, float] | None = None) -> Ranked:
    reranker = PageReranker(hybrid, ITEM_FEATURES, 1.0, alone=True)
    return rank(scorers(), WEIGHTS, views(), EVERYBODY, reranker, learned_weights=learned or DEFAULT_WEIGHTS)


def test_alone_it_orders_all_its_candidates(hybrid: Reranker) -> None:
    ranked = alone(hybrid)
    known = [row for row in ranked.top(12).tolist() if row < KNOWN]
    assert set(known) == set(range(KNOWN))
    for row in range(N):
        assert sum(ranked.contributions(row).values()) == pytest.approx(ranked.score(row), abs=1e-5)


def test_alone_its_order_is_that_of_the_trees_until_weights_are_learned(hybrid: Reranker) -> None:
    reranker = PageReranker(hybrid, ITEM_FEATURES, 1.0, alone=True)
    ranked = alone(hybrid)
    result = reranker.rerank(ranked.proposals, views())
    expected = result.candidates.products[np.argsort(-result.scores()[result.chosen], kind="stable")]
    assert [row for row in ranked.top(N).tolist() if row < KNOWN] == expected.tolist()
    by_weights = rank(scorers(), WEIGHTS, views(), EVERYBODY).top(N).tolist()
    place = ranked.top(N).tolist().index(11)
    assert abs(place - by_weights.index(11)) <= 1, "new products keep their place in the fusion, candidates come first"
    tilted = alone(hybrid, {**DEFAULT_WEIGHTS, "transitions": 0.9})
    assert tilted.score(9) > ranked.score(9), "transitions proposed it"
    assert tilted.score(0) == pytest.approx(ranked.score(0), rel=0.05), "transitions did not"


def test_popularity_looks_at_the_groups_if_there_are_any(hybrid: Reranker) -> None:
    reranker = PageReranker(hybrid, ITEM_FEATURES, 1.0)
    assert reranker.scorer_names(views()) == list(NAMES_OF_SCORERS)
    assert reranker.scorer_names(views(age=1)) == ["item_knn", "ease", "popular_in_group", "transitions"]
    ranked = rank(scorers(), WEIGHTS, views(age=1), EVERYBODY, reranker)
    assert "popular_in_group" in ranked.contributions(5)
    assert "popular" not in ranked.contributions(5)


def test_cold_products_get_every_so_manyth_place_in_the_order_of_the_fusion(hybrid: Reranker) -> None:
    """Rows 10 and 11 came after the training; content, whose score grows with the row, proposes them."""
    reranker = PageReranker(hybrid, ITEM_FEATURES, 1.0, alone=True, cold_every=4)
    ranked = rank(scorers(), WEIGHTS, views(), EVERYBODY, reranker)
    listed = ranked.top(N).tolist()
    assert (listed[3], listed[7]) == (11, 10)
    without = alone(hybrid).top(N).tolist()
    assert [row for row in listed if row < KNOWN] == [row for row in without if row < KNOWN]
    for row in range(N):
        assert sum(ranked.contributions(row).values()) == pytest.approx(ranked.score(row), abs=1e-5)


def test_a_product_that_the_model_knows_but_nobody_met_is_proposed_by_its_content(hybrid: Reranker) -> None:
    met = np.zeros((KNOWN, len(NAMES)), np.float32)
    met[:, NAMES.index("popularity")] = np.arange(KNOWN) != 2
    silent = {name: Fixed(np.where(np.arange(N) == 2, 0, N - np.arange(N))) for name in ("ease", "item_knn")}
    reranker = PageReranker(hybrid, ItemFeatures(met), 1.0, alone=True, cold_every=4)
    ranked = rank(scorers(**silent), WEIGHTS, views(), np.arange(N) < KNOWN, reranker)
    assert ranked.top(N).tolist()[3] == 2
    assert next(iter(ranked.contributions(2))) == "content"


def test_a_hybrid_that_fails_is_named_and_costs_only_itself() -> None:
    broken = Reranker(NAMES_OF_SCORERS, Kind.PURCHASE, grown(["ease"]).trees, 20)
    ranked = rank(scorers(), WEIGHTS, views(), EVERYBODY, PageReranker(broken, ITEM_FEATURES, 4.0))
    assert ranked.failed == ("hybrid",)
    assert not ranked.exhausted
    np.testing.assert_array_equal(ranked.fused.scores, rank(scorers(), WEIGHTS, views(), EVERYBODY).fused.scores)


def test_an_algorithm_that_fails_has_no_opinion_in_the_hybrid(hybrid: Reranker) -> None:
    ranked = reranked(hybrid, item_knn=Fixed())
    assert ranked.failed == ("item_knn",)
    assert "item_knn" not in ranked.contributions(8)
    assert ranked.score(8) > 0


def test_with_all_weighted_algorithms_gone_the_hybrid_still_answers(hybrid: Reranker) -> None:
    ranked = reranked(hybrid, ease=Fixed(), content=Fixed())
    assert ranked.failed == ("content", "ease")
    assert not ranked.exhausted
    assert set(ranked.top(5).tolist()) == {6, 7, 8, 9}


def test_there_is_a_reranker_only_where_something_was_learned_and_has_a_weight(hybrid: Reranker) -> None:
    learned = RerankerModels({RerankContext.BASKET: hybrid}, {Kind.PURCHASE: ITEM_FEATURES})
    reranker = PageReranker.of(learned, RerankContext.BASKET, 2.0, True)
    assert reranker is not None
    assert (reranker.reranker, reranker.item_features, reranker.weight) == (hybrid, ITEM_FEATURES, 2.0)
    assert PageReranker.of(learned, RerankContext.BASKET, 0.0, True) is None
    assert PageReranker.of(learned, RerankContext.SESSION, 2.0, True) is None


def test_a_reranker_needs_the_item_features_of_its_target(hybrid: Reranker) -> None:
    with pytest.raises(ValueError, match="PURCHASE"):
        RerankerModels({RerankContext.BASKET: hybrid}, {Kind.VIEW: ITEM_FEATURES})


@pytest.mark.parametrize(("every", "places", "shown"), [(20, 10, False), (20, 20, True), (0, 10, True)])
def test_cold_products_are_asked_for_where_the_list_is_long_enough(
    hybrid: Reranker, every: int, places: int, shown: bool
) -> None:
    features = ItemFeatures(np.zeros((0, 0), np.float32))
    alone, beside = (
        PageReranker(hybrid, features, 1.0, alone=each, cold_every=every, places=places) for each in (True, False)
    )
    assert alone.shows_cold is shown
    assert beside.shows_cold


def test_with_a_known_slope_scores_say_how_often_products_are_bought(hybrid: Reranker) -> None:
    sloped = replace(hybrid, rate_slope=0.7)
    ranked = alone(sloped)
    result = PageReranker(sloped, ITEM_FEATURES, 1.0, alone=True).rerank(ranked.proposals, views())
    rated = replace(ranked, fused=in_rates(ranked))
    assert rated.top(N).tolist() == ranked.top(N).tolist(), "the order stays"
    value_of = dict(zip(result.candidates.products.tolist(), result.values.tolist(), strict=True))
    rate_of_best = max(value_of.values())
    in_order = sorted(value_of.values(), reverse=True)
    for place, row in enumerate(rated.top(len(in_order)).tolist()):
        assert rated.score(row) == pytest.approx(np.exp(0.7 * (in_order[place] - rate_of_best)), rel=1e-4)
    for row in range(N):
        assert sum(rated.contributions(row).values()) == pytest.approx(rated.score(row), abs=1e-5)


def test_what_stands_behind_all_candidates_is_bought_as_rarely_as_the_last(hybrid: Reranker) -> None:
    ranked = alone(replace(hybrid, rate_slope=0.7))
    rated = replace(ranked, fused=in_rates(ranked))
    assert ranked.reranked is not None
    rates = ranked.reranked.rates()
    assert rates is not None
    places = ranked.top(N).tolist()
    assert rated.score(places[-1]) == pytest.approx(float(rates[-1]), rel=1e-4)


def test_without_a_slope_scores_stay(hybrid: Reranker) -> None:
    ranked = alone(hybrid)
    assert in_rates(ranked) is ranked.fused
