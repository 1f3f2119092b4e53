"""Models: swapped and rolled back while answers are made, learned from, and missed."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import numpy as np
import pytest

from services.recommendation.algorithms.ease import Ease
from services.recommendation.algorithms.popular import Popular
from services.recommendation.algorithms.shopper_scores import OrderedScores
from services.recommendation.models.model import Model
from services.recommendation.request import Page
from services.recommendation.serving.model_manager import ModelManager
from services.recommendation.training import train as training
from shared.algorithms import DEFAULT_WEIGHTS
from shared.config import Settings
from shared.db import models
from shared.db.engine import Database
from shared.errors import Conflict, DataLoss, FailedPrecondition, NotFound, Unavailable
from shared.jobs import ProgressReporter
from tests.integration.recommendation import shop
from tests.integration.recommendation.conftest import Shop
from tests.support.waiting import wait_until

RunAgent = Callable[[Database], AbstractContextManager[Shop]]
ONE_DATABASE = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
"""For trainings in a child process, which test_service has on both databases."""


def test_without_a_model_answers_come_from_live_data_and_say_so(untrained: Database, run_agent: RunAgent) -> None:
    with run_agent(untrained) as opened:
        answer = opened.ask("c-lover-1")
        assert (answer.model_version, answer.strategy, answer.fallbacks) == ("", "cold_start", ("no_model",))
        assert len(answer.picks) == 10
        assert answer.picks[0].product_id[0] in "ca"
        again = opened.ask("c-lover-1", Page.BUY_AGAIN)
        assert {pick.product_id for pick in again.picks} == {"c1", "c2", "c3", "c4", "c5", "c6", "a2"}
        assert len(opened.ids("c-lover-1", Page.SEARCH, 3, search_query="tea")) == 3


def test_an_empty_shop_answers_with_nothing(database: Database, run_agent: RunAgent) -> None:
    with run_agent(database) as opened:
        shop.add_customer(database, "first")
        assert opened.ids("first") == []


def test_a_new_model_is_taken_in_by_itself(untrained: Database, run_agent: RunAgent) -> None:
    with run_agent(untrained) as opened:
        assert opened.ask("c-lover-1").model_version == ""
        version = shop.train(untrained)
        wait_until(lambda: opened.ask("c-lover-1").model_version == version)
        assert opened.ask("c-lover-1").fallbacks == ()


def test_rollback_is_in_force_at_once_and_everywhere_soon(coffee_shop: Shop, run_agent: RunAgent) -> None:
    first = coffee_shop.ask("c-lover-1").model_version
    second = shop.train(coffee_shop.database)
    with run_agent(coffee_shop.database) as replica:
        assert replica.ask("c-lover-1").model_version == second
        assert coffee_shop.agent.activate(first).active
        assert coffee_shop.ask("c-lover-1").model_version == first
        wait_until(lambda: replica.ask("c-lover-1").model_version == first)
    versions = coffee_shop.agent.versions()
    assert [(each.version, each.active) for each in versions] == [(second, False), (first, True)]


def test_activating_what_is_not_there_changes_nothing(coffee_shop: Shop) -> None:
    version = coffee_shop.ask("c-lover-1").model_version
    with pytest.raises(NotFound, match="x1"):
        coffee_shop.agent.activate("x1")
    assert coffee_shop.ask("c-lover-1").model_version == version


def test_a_damaged_model_is_not_activated(coffee_shop: Shop) -> None:
    good = coffee_shop.ask("c-lover-1").model_version
    cache = coffee_shop.agent._model_manager
    models.save_model(coffee_shop.database, "recommender", "damaged", b"no model", {})
    wait_until(lambda: coffee_shop.ask("c-lover-1").fallbacks == ("model_load_failed",))
    assert coffee_shop.ask("c-lover-1").model_version == good
    wait_until(lambda: cache._failures >= 3, 20.0)
    models.activate(coffee_shop.database, "recommender", good)
    wait_until(lambda: coffee_shop.ask("c-lover-1").fallbacks == (), 1.5)
    with pytest.raises(DataLoss):
        coffee_shop.agent.activate("damaged")
    assert coffee_shop.ask("c-lover-1").model_version == good
    active = [each.version for each in coffee_shop.agent.versions() if each.active]
    assert active == [good]


def test_an_algorithm_that_fails_is_left_out_and_named(coffee_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken for the test")

    monkeypatch.setattr(Ease, "_sparse_scores", broken)
    answer = coffee_shop.ask("c-lover-1")
    assert answer.fallbacks == ("algorithm_failed:ease",)
    assert len(answer.picks) == 10
    assert "ease" not in {name for pick in answer.picks for name in pick.contributions}


def test_when_every_algorithm_fails_there_is_still_a_list(coffee_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.recommendation.serving import retrieval

    def broken(*_: object) -> None:
        raise RuntimeError("broken for the test")

    kinds = (
        retrieval.TrainedScorer,
        retrieval.ContentScorer,
        retrieval.ArrivalsScorer,
        retrieval.GroupedScorer,
        retrieval.UngroupedScorer,
    )
    for kind in kinds:
        monkeypatch.setattr(kind, "scores_of", broken)
    answer = coffee_shop.ask("c-lover-1")
    assert "all_algorithms_failed" in answer.fallbacks
    assert len(answer.picks) == 10


def test_an_explanation_that_fails_costs_only_itself(coffee_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("broken for the test")

    shop.add_customer(coffee_shop.database, "northerner", "North", "25-34")
    monkeypatch.setattr(Popular, "_reason", broken)
    answer = coffee_shop.ask("northerner")
    assert {pick.explanation.kind for pick in answer.picks} == {"from_assortment"}
    assert {pick.explanation.text for pick in answer.picks} == {"From our assortment"}


def test_training_says_what_it_did_and_keeps_three_versions(trained: Database) -> None:
    for _ in range(3):
        shop.train(trained)
    with trained.read() as connection:
        versions = models.list_versions(connection, "recommender")
    assert len(versions) == 3
    assert [each.active for each in versions] == [True, False, False]
    assert versions[0].metadata["n_products"] == 22
    assert versions[0].metadata["metrics"]["customers"] == 32


def test_training_measures_itself_against_best_sellers(untrained: Database) -> None:
    visits = [
        shop.bought(f"{taste}-lover-{i}", f"{taste}{(i + 7) % 8}", ago=timedelta(days=1, minutes=i))
        for taste in "ct"
        for i in range(shop.PEOPLE)
    ]
    shop.act(untrained, *visits)
    result = training.run(untrained, ProgressReporter(write=lambda _: None), threads=1)
    discovery = result["evaluation"]["discovery"]
    assert (discovery["learned"], discovery["questions"], discovery["evaluated"]) == (False, 0, 32)
    assert 0 <= discovery["recall_at_20.popular"] <= 1
    assert discovery["recall_at_20.hybrid"] == discovery["recall_at_20.fixed"] > 0
    assert result["rebuy_rate"] == 0.125


def test_there_is_nothing_to_train_on_without_products(database: Database) -> None:
    with pytest.raises(FailedPrecondition, match="add products"):
        shop.train(database)


def test_products_that_nobody_met_are_enough_to_train_on(database: Database, run_agent: RunAgent) -> None:
    shop.add_products(database, [shop.product(name) for name in shop.COFFEE])
    shop.add_customer(database, "first")
    version = shop.train(database)
    with run_agent(database) as opened:
        answer = opened.ask("first", limit=5)
        assert (answer.model_version, len(answer.picks)) == (version, 5)
        assert opened.ids("first", Page.PRODUCT, 3, product_id="c1")


def test_another_embedding_space_is_taken_in_by_itself(coffee_shop: Shop) -> None:
    before = coffee_shop.ids("c-lover-1", Page.PRODUCT, product_id="c0")
    shop.move_to_space(coffee_shop.database, "space-2", dimensions=5)
    cache = coffee_shop.agent._model_manager
    wait_until(lambda: cache._serving.catalogue.space == "space-2")
    assert cache._serving.catalogue.embeddings.shape == (22, 5)
    assert set(coffee_shop.ids("c-lover-1", Page.PRODUCT, product_id="c0")) == set(before)


def test_errors_in_the_background_are_retried(coffee_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def failing(_: ModelManager) -> None:
        calls.append(1)
        raise RuntimeError("broken for the test")

    monkeypatch.setattr(ModelManager, "_follow_space", failing)
    wait_until(lambda: len(calls) >= 2)
    assert coffee_shop.ask("c-lover-1").fallbacks == ()


@ONE_DATABASE
async def test_one_training_at_a_time(coffee_shop: Shop) -> None:
    first = coffee_shop.agent.train()
    assert (await anext(first)).stage == "reading"
    with pytest.raises(Conflict):
        await anext(coffee_shop.agent.train())
    await first.aclose()
    again = coffee_shop.agent.train()
    assert (await anext(again)).stage == "reading"
    await again.aclose()


@ONE_DATABASE
async def test_training_beside_serving_is_in_use_at_its_end(coffee_shop: Shop) -> None:
    before = coffee_shop.ask("c-lover-1").model_version
    steps = [step async for step in coffee_shop.agent.train()]
    assert steps[-1].result is not None
    assert steps[-1].result["version"] == coffee_shop.ask("c-lover-1").model_version != before


def test_the_child_process_says_why_it_failed(database: Database) -> None:
    with pytest.raises(FailedPrecondition):
        training.work(Settings(database_url=database.url), ProgressReporter(write=lambda _: None))


def test_a_model_with_scores_that_are_not_finite_is_not_stored(
    untrained: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ease, "_score", lambda self, _: np.full(self.n_products, np.nan, np.float32))
    with pytest.raises(training.SelfCheckFailed, match="ease"):
        shop.train(untrained)
    with untrained.read() as connection:
        assert models.active_version(connection, "recommender") is None


def test_a_model_that_recommends_nothing_is_not_stored(untrained: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = {name: np.zeros(22, np.float32) for name in DEFAULT_WEIGHTS}
    monkeypatch.setattr(Model, "scores", lambda *_: nothing)
    with pytest.raises(training.SelfCheckFailed, match="nothing"):
        shop.train(untrained)


def test_an_algorithm_whose_scores_are_not_finite_is_left_out(
    coffee_shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    infinite = lambda self, _: OrderedScores.of(np.full(self.n_products, np.inf, np.float32))  # noqa: E731
    monkeypatch.setattr(Ease, "_sparse_scores", infinite)
    assert coffee_shop.ask("c-lover-1").fallbacks == ("algorithm_failed:ease",)


def test_an_answer_does_not_wait_for_a_writer(coffee_shop: Shop) -> None:
    with coffee_shop.database.write():  # holds the write lock
        start = time.monotonic()
        answer = coffee_shop.ask("c-lover-1")
        assert time.monotonic() - start < 5.0  # a writer gives up after 15
    assert len(answer.picks) == 10
    assert answer.fallbacks == ()


def test_a_database_that_is_away_is_not_the_end(coffee_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise Unavailable("away")

    cache = coffee_shop.agent._model_manager
    with monkeypatch.context() as patched:
        patched.setattr(models, "active_version", away)
        wait_until(lambda: cache.broken == "unknown")
    wait_until(lambda: cache.broken == "")
    assert coffee_shop.ask("c-lover-1").fallbacks == ()
