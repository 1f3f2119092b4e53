"""The learned hybrid behind the pages, over a real database: it speaks, keeps the rules, and its failure is counted."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.recommendation.algorithms.base import Interactions, Kind
from services.recommendation.models import bundle
from services.recommendation.request import Page
from services.recommendation.reranker.contexts import RerankContext
from services.recommendation.reranker.item_features import ItemFeatures
from services.recommendation.reranker.model import Reranker
from services.recommendation.reranker.reranker_models import RerankerModels
from services.recommendation.reranker.scorers import scorer_names
from services.recommendation.training import boosting, reranker_trainer
from services.recommendation.training.holdout_eval import HoldoutEval
from services.recommendation.training.train import run
from shared.algorithms import ALGORITHM_NAMES
from shared.db import models
from shared.db.engine import Database
from shared.jobs import ProgressReporter
from shared.telemetry import FALLBACKS
from tests.integration.recommendation import shop
from tests.integration.recommendation.conftest import Shop
from tests.unit.recommendation.reranker.trees import grown

RunAgent = Callable[[Database], AbstractContextManager[Shop]]
PAGES: dict[Page, dict[str, Any]] = {
    Page.HOME: {},
    Page.PRODUCT: {"product_id": "c1"},
    Page.CATEGORY: {"category": "Tea"},
    Page.CART: {"cart_product_ids": ("c7",)},
    Page.SEARCH: {"search_query": "teas"},
    Page.POST_PURCHASE: {"purchased_product_ids": ("t1",)},
    Page.BUY_AGAIN: {},
}
BOUGHT = {"c1", "c2", "c3", "c4", "c5", "c6", "a2"}
"""By c-lover-1."""


def install(database: Database, *first: str) -> None:
    """Store the shop's model anew with hybrids that trust the algorithm `first` above all."""
    loaded = models.load_active(database, "recommender")
    assert loaded is not None
    before = bundle.load(loaded[1])
    names = dict.fromkeys([*first, *scorer_names(before.model.algorithms, RerankContext.DISCOVERY)])
    targets = {context: Kind.VIEW if context is RerankContext.SESSION else Kind.PURCHASE for context in RerankContext}
    hybrids = {context: grown([*names], target) for context, target in targets.items()}
    nothing = Interactions.of(n_customers=0, n_products=before.model.n_products, now=0)
    facts = {kind: ItemFeatures.of(nothing, kind, timed=True) for kind in Kind}
    model = replace(before.model, learned=RerankerModels(hybrids, facts, rebuy_rate=0.5))
    payload = bundle.dump(replace(before, model=model))
    models.save_model(database, "recommender", "learned", payload, {})


@pytest.fixture
def learned_shop(trained: Database, run_agent: RunAgent) -> Iterator[Shop]:
    install(trained, "similar")
    with run_agent(trained) as opened:
        yield opened


@pytest.mark.parametrize("page", list(Page))
def test_every_page_is_answered_with_the_hybrid(learned_shop: Shop, page: Page) -> None:
    answer = learned_shop.ask("c-lover-1", page, **PAGES[page])
    assert answer.model_version == "learned"
    assert answer.fallbacks == ()
    assert answer.picks
    for pick in answer.picks:
        assert sum(pick.contributions.values()) == pytest.approx(pick.score, abs=1e-5)
        assert pick.contributions.keys() <= ALGORITHM_NAMES | {"popular_in_group", "search"}
    shown = {pick.product_id for pick in answer.picks}
    assert shown <= BOUGHT if page is Page.BUY_AGAIN else not shown & BOUGHT


def test_the_hybrid_brings_in_algorithms_that_have_no_weight_of_their_own(
    trained: Database, run_agent: RunAgent
) -> None:
    with run_agent(trained) as plain:
        assert all("similar" not in pick.contributions for pick in plain.ask("c-lover-1").picks)
    install(trained, "similar")
    with run_agent(trained) as learned:
        assert learned.ask("c-lover-1").picks[0].contributions["similar"] > 0.05


def test_a_stranger_is_none_of_its_business(learned_shop: Shop) -> None:
    shop.add_customer(learned_shop.database, "northerner", "North", "25-34")
    answer = learned_shop.ask("northerner")
    assert answer.strategy == "cold_start"
    assert {pick.algorithm for pick in answer.picks} <= {"popular_in_group", "popular", "trending", "new_arrivals"}


def test_a_product_that_came_after_training_is_still_recommended(learned_shop: Shop) -> None:
    shop.add_products(learned_shop.database, [shop.product("c99")])
    learned_shop.caught_up()
    answer = learned_shop.ask("c-lover-1", Page.PRODUCT, 20, product_id="c7")
    assert "c99" in [pick.product_id for pick in answer.picks]
    assert answer.fallbacks == ()


def test_a_hybrid_that_fails_is_a_counted_fallback(learned_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken for the test")

    monkeypatch.setattr(Reranker, "values", broken)
    counter = FALLBACKS.labels("recommendation", "algorithm_failed:hybrid")
    before = counter._value.get()
    answer = learned_shop.ask("c-lover-1")
    assert answer.fallbacks == ("algorithm_failed:hybrid",)
    assert len(answer.picks) == 10
    assert counter._value.get() == before + 1


def test_what_training_learns_is_what_answers(
    untrained: Database, run_agent: RunAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_algorithms = HoldoutEval.of_algorithms

    def hopeless(self: HoldoutEval) -> dict[str, Any]:
        return {name: values * 0.0 for name, values in of_algorithms(self)["popular"].items()}

    monkeypatch.setattr(reranker_trainer, "FEWEST_QUESTIONS", 10)
    monkeypatch.setattr(reranker_trainer, "FEWEST_EVALUATED", 1)
    monkeypatch.setattr(boosting, "FEWEST_QUESTIONS", 5)
    monkeypatch.setattr(HoldoutEval, "of_fixed_weights", lambda self, _: hopeless(self))
    monkeypatch.setattr(HoldoutEval, "of_algorithms", lambda self: {"popular": hopeless(self)})
    visits = [
        shop.bought(f"{taste}-lover-{i}", f"{taste}{(i + 7) % 8}", ago=timedelta(days=1, minutes=i))
        for taste in "ct"
        for i in range(shop.PEOPLE)
    ]
    shop.act(untrained, *visits)
    result = run(untrained, ProgressReporter(write=lambda _: None), threads=1)
    learned = {context for context, report in result["evaluation"].items() if report["learned"]}
    assert "discovery" in learned
    with run_agent(untrained) as opened:
        assert set(opened.agent._model_manager._serving.learned.rerankers) == learned
        answer = opened.ask("c-lover-1")
        assert (answer.fallbacks, answer.model_version) == ((), result["version"])
        assert answer.picks
