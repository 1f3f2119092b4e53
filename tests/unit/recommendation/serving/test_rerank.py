"""The learned hybrid as a voice: it leads, its part is credited to the proposers, and its failure costs only itself."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommendation.algorithms.arrays import FloatArray, Mask
from services.recommendation.algorithms.base import Kind, Reason, Shopper
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import NAMES, ItemFeatures
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.serving.ranking import Ranked, rank
from services.recommendation.serving.rerank import PageReranker
from services.recommendation.serving.retrieval import Scorer, ShopperViews
from tests.unit.recommendation.reranker.trees import grown

N, KNOWN = 12, 10
EVERYBODY: Mask = np.ones(N, dtype=bool)
FACTS = ItemFeatures(np.zeros((KNOWN, len(NAMES)), np.float32))
WEIGHTS = {"ease": 0.5, "content": 0.5}
OPINIONS = ("item_knn", "ease", "popular", "item_knn@last")


class Fixed:
    """A scorer that always says the same; without scores it fails."""

    def __init__(self, scores: Any = None) -> None:
        self.scores = scores

    def score(self, views: ShopperViews) -> FloatArray:
        if self.scores is None:
            raise RuntimeError("broken for the test")
        return np.array(self.scores, np.float32)

    def explain(self, views: ShopperViews, row: int) -> Reason | None:
        return None


@pytest.fixture(scope="module")
def hybrid() -> Reranker:
    return grown(OPINIONS)


def scorers(**changed: Scorer) -> dict[str, Scorer]:
    rows = np.arange(N)
    found: dict[str, Scorer] = {
        "ease": Fixed(N - rows),
        "content": Fixed(rows + 1),
        "item_knn": Fixed(np.where(np.isin(rows, (6, 7, 8)), rows, 0)),
        "item_knn@last": Fixed(np.where(rows == 9, 1.0, 0.0)),
        "popular": Fixed(np.zeros(N)),
        "popular_in_group": Fixed(np.where(rows == 5, 1.0, 0.0)),
    }
    return {**found, **changed}


def views(**groups: int) -> ShopperViews:
    return ShopperViews(Shopper(0, groups=groups), KNOWN, 0)


def heard(hybrid: Reranker, allowed: Mask = EVERYBODY, weight: float = 4.0, **changed: Scorer) -> Ranked:
    return rank(scorers(**changed), WEIGHTS, views(), allowed, PageReranker(hybrid, FACTS, weight))


def test_the_hybrid_leads_where_it_has_the_weight(hybrid: Reranker) -> None:
    assert set(heard(hybrid).fused.top(3).tolist()) == {6, 7, 8}
    assert rank(scorers(), WEIGHTS, views(), EVERYBODY).fused.top(2).tolist() == [0, 11]
    assert heard(hybrid, weight=0.01).fused.top(2).tolist() == [0, 11]


def test_its_part_is_credited_to_the_algorithms_that_proposed_the_product(hybrid: Reranker) -> None:
    ranked = heard(hybrid)
    assert "hybrid" not in ranked.fused.names
    assert not any("@" in name for name in ranked.fused.names)
    given = ranked.fused.contributions(8)
    assert next(iter(given)) == "item_knn"
    # the hybrid likes 6, 7 and 8 alike; 8 is first of item_knn and ninth of ease, and 8 gets of ease itself as a ninth
    part, first, ninth = 4.0 / 5.0 * 11 / 13, 1 / 11, 1 / 19
    assert given["item_knn"] == pytest.approx(part * first / (first + ninth), abs=1e-5)
    assert given["ease"] == pytest.approx(0.5 / 5.0 * 11 / 19 + part * ninth / (first + ninth), abs=1e-5)
    assert "item_knn" in heard(hybrid).fused.contributions(9), "an opinion on the last product is the algorithm's"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 50.0))
def test_contributions_add_up_to_scores(hybrid: Reranker, seed: int, weight: float) -> None:
    rng = np.random.default_rng(seed)
    allowed = rng.random(N) < 0.7
    changed = {name: Fixed(np.where(rng.random(N) < 0.4, rng.random(N), 0.0)) for name in ("ease", "item_knn")}
    ranked = heard(hybrid, allowed, weight, **changed)
    for row in range(N):
        assert sum(ranked.fused.contributions(row).values()) == pytest.approx(float(ranked.fused.scores[row]), abs=1e-5)
    assert not ranked.fused.scores[~allowed].any()


def test_only_known_and_allowed_products_are_ordered(hybrid: Reranker) -> None:
    allowed = EVERYBODY.copy()
    allowed[8] = False
    voice = PageReranker(hybrid, FACTS, 1.0)
    scores = {name: scorer.score(views()) for name, scorer in scorers().items()}
    said = voice.speak(scores, views(), allowed)
    assert said.candidates.products.tolist() == [row for row in range(KNOWN) if row != 8]
    ordered = said.scores(N)
    assert ordered[[8, 10, 11]].tolist() == [0.0, 0.0, 0.0]
    assert sorted(ordered[ordered > 0].tolist()) == list(range(1, KNOWN))


def test_popularity_looks_at_the_groups_if_there_are_any(hybrid: Reranker) -> None:
    voice = PageReranker(hybrid, FACTS, 1.0)
    assert voice.asks(views()) == list(OPINIONS)
    assert voice.asks(views(age=1)) == ["item_knn", "ease", "popular_in_group", "item_knn@last"]
    ranked = rank(scorers(), WEIGHTS, views(age=1), EVERYBODY, voice)
    assert "popular_in_group" in ranked.fused.contributions(5)
    assert "popular" not in ranked.fused.contributions(5)


def test_a_hybrid_that_fails_is_named_and_costs_only_itself() -> None:
    broken = Reranker(OPINIONS, Kind.PURCHASE, "no trees", 20)
    ranked = rank(scorers(), WEIGHTS, views(), EVERYBODY, PageReranker(broken, FACTS, 4.0))
    assert ranked.failed == ("hybrid",)
    assert not ranked.exhausted
    np.testing.assert_array_equal(ranked.fused.scores, rank(scorers(), WEIGHTS, views(), EVERYBODY).fused.scores)


def test_an_algorithm_that_fails_has_no_opinion_in_the_hybrid(hybrid: Reranker) -> None:
    ranked = heard(hybrid, item_knn=Fixed(), **{"item_knn@last": Fixed()})
    assert ranked.failed == ("item_knn",)
    assert "item_knn" not in ranked.fused.contributions(8)
    assert ranked.fused.scores[8] > 0


def test_with_all_weighted_algorithms_gone_the_hybrid_still_answers(hybrid: Reranker) -> None:
    ranked = heard(hybrid, ease=Fixed(), content=Fixed())
    assert ranked.failed == ("content", "ease")
    assert not ranked.exhausted
    assert set(ranked.fused.top(5).tolist()) == {6, 7, 8, 9}


def test_there_is_a_voice_only_where_something_was_learned_and_has_a_weight(hybrid: Reranker) -> None:
    learned = RerankerModels({RerankContext.BASKET: hybrid}, {Kind.PURCHASE: FACTS})
    voice = PageReranker.of(learned, RerankContext.BASKET, 2.0)
    assert voice is not None
    assert (voice.hybrid, voice.facts, voice.weight) == (hybrid, FACTS, 2.0)
    assert PageReranker.of(learned, RerankContext.BASKET, 0.0) is None
    assert PageReranker.of(learned, RerankContext.SESSION, 2.0) is None


def test_a_hybrid_needs_the_facts_of_its_target(hybrid: Reranker) -> None:
    with pytest.raises(ValueError, match="PURCHASE"):
        RerankerModels({RerankContext.BASKET: hybrid}, {Kind.VIEW: FACTS})
