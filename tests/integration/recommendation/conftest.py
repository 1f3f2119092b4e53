"""The shop of two tastes with a trained model, and an agent in it, on both databases."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from services.recommendation.agent import RecommendationAgent
from services.recommendation.request import Answer, Filters, Page, PageContext, Query
from shared.config import Settings
from shared.db import models, request_reads
from shared.db.engine import Database
from tests.integration.recommendation import shop

Artefact = tuple[str, bytes]


class Shop:
    """A database with the shop in it, and a running agent."""

    def __init__(self, database: Database, agent: RecommendationAgent) -> None:
        self.database = database
        self.agent = agent

    def ask(self, customer: str, page: Page = Page.HOME, limit: int = 10, **context: Any) -> Answer:
        """Ask for recommendations without filters."""
        return self.agent.recommend(Query(customer, context=PageContext(page, **context), limit=limit))

    def ids(self, customer: str, page: Page = Page.HOME, limit: int = 10, **context: Any) -> list[str]:
        """Return the products recommended."""
        return [pick.product_id for pick in self.ask(customer, page, limit, **context).picks]

    def caught_up(self) -> None:
        """Wait, at most 2 seconds, until the agent has taken in what changed in the catalogue and the weights."""
        with self.database.cursor() as cursor:
            newest, weights = request_reads.latest_changes(cursor)
        manager, deadline = self.agent._model_manager, time.monotonic() + 2.0
        while manager.serving.catalogue.change < newest or manager.serving.weights_version < weights:
            assert time.monotonic() < deadline, "the agent does not follow the changes"
            time.sleep(0.001)

    def filtered(self, customer: str, limit: int = 10, **filters: Any) -> Answer:
        """Ask on the start page with filters."""
        return self.agent.recommend(Query(customer, limit=limit, filters=Filters(**filters)))


@contextmanager
def running(database: Database) -> Iterator[Shop]:
    """Run an agent over `database`."""
    agent = RecommendationAgent(Settings(database_url=database.url, train_threads=1), database)
    agent.start()
    try:
        yield Shop(database, agent)
    finally:
        agent.stop()


@pytest.fixture(scope="session")
def artefacts() -> dict[str, Artefact]:
    """Trained models by kind of shop: training takes a moment, and the shop's keys are always the same."""
    return {}


@pytest.fixture
def untrained(database: Database) -> Database:
    """The shop before the first training."""
    shop.open_shop(database)
    return database


@pytest.fixture
def trained(untrained: Database, artefacts: dict[str, Artefact]) -> Database:
    """The shop with a model."""
    if "model" not in artefacts:
        shop.train(untrained)
        loaded = models.load_active(untrained, "recommender")
        assert loaded is not None
        artefacts["model"] = loaded
        return untrained
    version, payload = artefacts["model"]
    models.save_model(untrained, "recommender", version, payload, {})
    return untrained


@pytest.fixture
def coffee_shop(trained: Database) -> Iterator[Shop]:
    """The shop with a model and a running agent."""
    with running(trained) as opened:
        yield opened


@pytest.fixture
def run_agent() -> Callable[[Database], AbstractContextManager[Shop]]:
    """Runs an agent over a database."""
    return running
