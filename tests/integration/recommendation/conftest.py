"""The shop of two tastes with a trained model, and an agent in it, on both databases."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from quintet.type.v1.recommendation_pb2 import ReasonKind, Recommendation, RecommendationList

from services.recommendation.agent import RecommendationAgent
from services.recommendation.request import Answer, Explanation, Filters, Page, PageContext, Pick, Price, Query
from shared.config import Settings
from shared.db import models, request_reads
from shared.db.engine import Database
from shared.recommendation_tokens import numbers_in
from tests.integration.recommendation import shop

Artefact = tuple[str, bytes]


@dataclass(frozen=True)
class Asked:
    """An answer, and its products as plain values; their keys are not in the answer and are 0."""

    answer: Answer

    @cached_property
    def picks(self) -> list[Pick]:
        """The recommended products, best first."""
        return [_pick(each) for each in RecommendationList.FromString(self.answer.page.message).recommendations]

    @property
    def numbers(self) -> list[int]:
        """The numbers of the recommendations."""
        return numbers_in(self.answer.number, self.answer.page.items.count)

    @property
    def strategy(self) -> str:
        """How the page was ordered."""
        return self.answer.page.strategy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.answer, name)


def _pick(sent: Recommendation) -> Pick:
    why, price = sent.reason, sent.price
    kind = ReasonKind.Name(why.kind).removeprefix("REASON_KIND_").lower()
    return Pick(
        0,
        sent.product_id,
        sent.product_name,
        sent.category,
        Price(price.amount_minor, price.currency_code) if sent.HasField("price") else None,
        sent.image_url,
        sent.score,
        Explanation(kind, tuple(why.product_ids), why.group, why.text),
        {part.algorithm: part.contribution for part in sent.contributions},
        sent.group_id,
    )


class Shop:
    """A database with the shop in it, and a running agent."""

    def __init__(self, database: Database, agent: RecommendationAgent) -> None:
        self.database = database
        self.agent = agent

    def ask(self, customer: str, page: Page = Page.HOME, limit: int = 10, **context: Any) -> Asked:
        """Ask for recommendations without filters."""
        return self.recommend(Query(customer, context=PageContext(page, **context), limit=limit))

    def recommend(self, query: Query) -> Asked:
        """Ask for recommendations."""
        return Asked(self.agent.recommend(query))

    def ids(self, customer: str, page: Page = Page.HOME, limit: int = 10, **context: Any) -> list[str]:
        """Return the products recommended."""
        return [pick.product_id for pick in self.ask(customer, page, limit, **context).picks]

    def caught_up(self) -> None:
        """Wait, at most 2 seconds, until the agent has taken in what changed in the catalogue and the weights."""
        with self.database.cursor() as cursor:
            newest, weights, _ = request_reads.latest_changes(cursor)
        manager, deadline = self.agent._model_manager, time.monotonic() + 2.0
        while manager.serving.catalogue.change < newest or manager.serving.weights_version < weights:
            assert time.monotonic() < deadline, "the agent does not follow the changes"
            time.sleep(0.001)

    def filtered(self, customer: str, limit: int = 10, **filters: Any) -> Asked:
        """Ask on the start page with filters."""
        return self.recommend(Query(customer, limit=limit, filters=Filters(**filters)))


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
