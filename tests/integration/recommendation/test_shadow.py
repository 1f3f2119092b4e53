"""A shadow answers again behind the answer and is never shown; what it does not come to is counted."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from services.recommendation.request import Query
from services.recommendation.serving import shadow as shadow_module
from services.recommendation.serving.shadow import MOST_WAITING, Shadow
from shared.db import models, shadow_models
from shared.db.engine import Database
from shared.db.recommendations import log_recommendations, mark_clicked
from shared.db.schema import recommendation_lists, recommendations, shadow_lists
from shared.db.shadow_models import ShadowList
from shared.errors import Unavailable
from shared.recommendation_tokens import list_number
from tests.integration.recommendation.conftest import Shop
from tests.integration.recommendation.shop import train
from tests.support.recommendations import list_of_one
from tests.support.shop import add_customers, add_products
from tests.support.tokens import next_number

NOW = datetime.now(UTC)
SECONDS = 20.0


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_module, "WRITE_SECONDS", 0.1)


def mark(database: Database, version: str, share: float = 1.0) -> None:
    with database.write() as connection:
        shadow_models.mark(connection, version, share, NOW)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def reports(database: Database) -> list[shadow_models.ShadowReport]:
    with database.read() as connection:
        return shadow_models.reports(connection)


def test_a_shadow_answers_what_was_asked_and_is_not_shown(coffee_shop: Shop) -> None:
    before = coffee_shop.agent.versions()[0].version
    shadow = train(coffee_shop.database)
    models.activate(coffee_shop.database, "recommender", before)
    until(lambda: coffee_shop.ask("c-lover-1").answer.model_version == before)
    mark(coffee_shop.database, shadow)
    until(lambda: coffee_shop.agent._model_manager.serving_of(shadow) is not None)
    until(lambda: coffee_shop.agent._shadow._model == (shadow, 1.0))
    answer = coffee_shop.ask("c-lover-2").answer
    assert answer.model_version == before
    until(lambda: any(each.version == shadow and each.lists for each in reports(coffee_shop.database)))
    with coffee_shop.database.read() as connection:
        row = connection.execute(select(shadow_lists).where(shadow_lists.c.list_id == answer.number)).one()
    assert 0 < row.overlap <= 1, "both were trained on the same data"
    assert row.version == shadow


class Fake:
    """A shadow whose answers a test makes."""

    def __init__(self, database: Database) -> None:
        self.asked: list[Query] = []
        self.answers: list[object] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.shadow = Shadow(database, self._answer, seed=1)
        self.shadow.follow("v2", 1.0)

    def _answer(self, query: Query, version: str) -> tuple[int, ...] | None:
        self.go_on.wait(SECONDS)
        self.asked.append(query)
        answer = self.answers.pop(0) if self.answers else (1, 2)
        if isinstance(answer, Exception):
            raise answer
        return answer  # type: ignore[return-value]

    def offer(self, list_id: int = 1, *shown: int) -> None:
        self.shadow.offer(Query("c"), list_id, shown or (1, 2), "v1")


@pytest.fixture
def fake(database: Database) -> Iterator[Fake]:
    made = Fake(database)
    mark(database, "v2")
    made.shadow.start()
    yield made
    made.go_on.set()
    made.shadow.stop()


def dropped(database: Database) -> int:
    with database.read() as connection:
        return shadow_models.shadows(connection)[0].dropped


def logged(database: Database, *responded: bool) -> list[int]:
    """Log a list of one product for each, some of which are clicked; return the lists' numbers."""
    add_customers(database, "ann")
    add_products(database, "tea")
    numbers = [next_number() for _ in responded]
    with database.write() as connection:
        log_recommendations(connection, [list_of_one(number, 1, 1, NOW, "ease") for number in numbers])
        clicked = [number for number, responds in zip(numbers, responded, strict=True) if responds]
        mark_clicked(connection, dict.fromkeys(clicked, NOW))
    return [list_number(number) for number in numbers]


def test_what_was_clicked_is_looked_for_in_the_shadows_list(database: Database) -> None:
    first, second, third = logged(database, True, True, False)
    found = [
        ShadowList(first, "v2", 1.0, None, (1, 7)),
        ShadowList(second, "v2", 0.0, 0.5, (7,)),
        ShadowList(third, "v2", 1.0, 1.0, (1,)),
    ]
    with database.write() as connection:
        assert shadow_models.add_lists(connection, [*found, ShadowList(99, "v2", 0.0, None, ())]) == [
            ShadowList(99, "v2", 0.0, None, ())
        ], "a list that is not logged waits"
    [report] = reports(database)
    assert (report.lists, report.clicked, report.clicked_too, report.bought) == (3, 2, 1, 0)
    assert (report.overlap, report.correlation) == (pytest.approx(2 / 3), 0.75)
    with database.write() as connection:
        connection.execute(recommendations.delete())
        connection.execute(recommendation_lists.delete())
    assert reports(database) == [], "they go with the lists"


def test_a_full_queue_drops_and_counts_and_never_waits(fake: Fake, database: Database) -> None:
    fake.go_on.clear()
    began = time.monotonic()
    for _ in range(MOST_WAITING + 10):
        fake.offer()
    assert time.monotonic() - began < 1.0
    fake.go_on.set()
    until(lambda: dropped(database) >= 9)


def test_nothing_is_answered_again_while_an_answer_is_made(fake: Fake) -> None:
    with fake.shadow.answering():
        fake.offer()
        time.sleep(0.3)
        assert not fake.asked
    until(lambda: len(fake.asked) == 1)


def test_what_waited_for_too_long_is_dropped(fake: Fake, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow_module, "LONGEST_WAIT_SECONDS", 0.2)
    with fake.shadow.answering():
        fake.offer()
        time.sleep(0.5)
    until(lambda: dropped(database) == 1)
    assert not fake.asked


@pytest.mark.parametrize("trouble", [None, Unavailable("away"), RuntimeError("broken")])
def test_a_shadow_that_fails_is_counted_and_goes_on(fake: Fake, database: Database, trouble: object) -> None:
    fake.answers = [trouble]
    fake.offer()
    until(lambda: dropped(database) == 1)
    fake.offer()
    until(lambda: len(fake.asked) == 2)


def test_the_sample_has_its_share_and_the_same_model_is_not_asked_again(database: Database) -> None:
    fake = Fake(database)
    fake.shadow.follow("v2", 0.25)
    for _ in range(400):
        fake.offer()
        fake.shadow._waiting.clear()
    drawn = 0
    for _ in range(2_000):
        fake.offer()
        drawn += len(fake.shadow._waiting)
        fake.shadow._waiting.clear()
    assert drawn / 2_000 == pytest.approx(0.25, abs=0.03)
    fake.shadow.offer(Query("c"), 1, (1,), "v2")
    fake.shadow.follow("", 0.0)
    fake.offer()
    assert not fake.shadow._waiting
    fake.shadow.stop()


def test_one_version_is_the_shadow(database: Database) -> None:
    mark(database, "v2", 0.1)
    mark(database, "v3", 0.2)
    with database.write() as connection:
        assert [(each.version, each.share) for each in shadow_models.shadows(connection)] == [("v3", 0.2)]
        shadow_models.add_dropped(connection, {"v3": 2, "gone": 5})
        again = shadow_models.mark(connection, "v3", 0.3, datetime.now(UTC))
        assert (again.dropped, again.since) == (2, NOW)
        assert shadow_models.unmark(connection, "v3")
        assert not shadow_models.unmark(connection, "v3")
