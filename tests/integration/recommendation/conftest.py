"""The shop of two tastes with a trained model, and an agent in it, on both databases."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from quintet.type.v1.recommendation_pb2 import ReasonKind, Recommendation, RecommendationList

from services.recommendation.agent import RecommendationAgent
from services.recommendation.request import Answer, Explanation, Filters, Page, PageContext, Pick, Price, Query
from shared.config import Settings
from shared.db import models, request_reads
from shared.db.engine import Database
from shared.recommendation_tokens import numbers_in
from tests.integration.recommendation import shop, tuning_shop
from tests.support.databases import Template

Copied = Callable[[str], AbstractContextManager[Database]]


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
            latest = request_reads.latest_changes(cursor)
        manager, deadline = self.agent._model_manager, time.monotonic() + 2.0
        while not manager.serving.is_at(latest):
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
def sqlite_shop(sqlite_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A SQLite file with the shop before the first training."""
    return sqlite_template.prepared(tmp_path_factory.mktemp("shop"), shop.open_shop)


@pytest.fixture(scope="session")
def postgres_shop(postgres_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A PostgreSQL database with the shop before the first training."""
    return postgres_template.prepared(tmp_path_factory.mktemp("shop"), shop.open_shop)


@pytest.fixture(scope="session")
def sqlite_trained_shop(sqlite_shop: Template, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A SQLite file with the shop and a model."""
    return sqlite_shop.prepared(tmp_path_factory.mktemp("shop"), shop.train)


@pytest.fixture(scope="session")
def postgres_trained_shop(
    postgres_shop: Template, sqlite_trained_shop: Template, tmp_path_factory: pytest.TempPathFactory
) -> Template:
    """A PostgreSQL database with the shop and the model of the file: the keys of a shop are always the same."""
    folder = tmp_path_factory.mktemp("shop")
    with sqlite_trained_shop.copied(folder) as file:
        loaded = models.load_active(file, "recommender")
    assert loaded is not None
    version, payload = loaded
    return postgres_shop.prepared(folder, lambda each: models.save_model(each, "recommender", version, payload, {}))


@pytest.fixture(scope="session")
def sqlite_tuning_shop(sqlite_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A SQLite file with the shop that has enough customers to tune on."""
    return sqlite_template.prepared(tmp_path_factory.mktemp("shop"), tuning_shop.open_shop)


@pytest.fixture(scope="session")
def postgres_tuning_shop(postgres_template: Template, tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A PostgreSQL database with the shop that has enough customers to tune on."""
    return postgres_template.prepared(tmp_path_factory.mktemp("shop"), tuning_shop.open_shop)


@pytest.fixture
def copied(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Copied:
    """Gives a copy of a template by the end of its fixture's name, of each kind of database in turn."""

    def copy(name: str) -> AbstractContextManager[Database]:
        template: Template = request.getfixturevalue(f"{database_kind}_{name}")
        return template.copied(tmp_path)

    return copy


@pytest.fixture
def tunable(copied: Copied) -> Iterator[Database]:
    """The shop that has enough customers to tune on."""
    with copied("tuning_shop") as copy:
        yield copy


@pytest.fixture
def untrained(copied: Copied) -> Iterator[Database]:
    """The shop before the first training."""
    with copied("shop") as copy:
        yield copy


@pytest.fixture
def trained(copied: Copied) -> Iterator[Database]:
    """The shop with a model."""
    with copied("trained_shop") as copy:
        yield copy


@pytest.fixture
def coffee_shop(trained: Database) -> Iterator[Shop]:
    """The shop with a model and a running agent."""
    with running(trained) as opened:
        yield opened


@pytest.fixture
def run_agent() -> Callable[[Database], AbstractContextManager[Shop]]:
    """Runs an agent over a database."""
    return running
