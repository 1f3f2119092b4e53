"""The logbook: durable before it answers, many answers at once, and one that cannot be logged spoils no other."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from services.recommendation.serving.recommendation_log import RecommendationLog
from shared.db.engine import Database, StaleReference
from shared.db.recommendations import NewRecommendation
from shared.db.schema import recommendations
from shared.errors import Unavailable
from tests.integration.recommendation import shop


@pytest.fixture
def logbook(database: Database) -> Iterator[RecommendationLog]:
    shop.add_products(database, [shop.product("c1")])
    book = RecommendationLog(database)
    book.start()
    yield book
    book.stop()


def row(request: str, position: int = 1, product: int = 1) -> NewRecommendation:
    """Return a row to log."""
    return NewRecommendation(request, None, product, position, 0.5, "ease", "HOME", datetime.now(UTC))


def test_calls_at_once_get_the_ids_of_their_own_rows(database: Database, logbook: RecommendationLog) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: logbook.append([row(str(n), place) for place in (1, 2, 3)]), range(40)))
    with database.read() as connection:
        stored = connection.execute(select(recommendations)).all()
    by_id = {each.id: (each.request_id, each.position) for each in stored}
    assert len(by_id) == 120
    for number, ids in enumerate(found):
        assert [by_id[each] for each in ids] == [(str(number), place) for place in (1, 2, 3)]


def test_an_answer_that_cannot_be_logged_spoils_no_other(database: Database, logbook: RecommendationLog) -> None:
    def append(product: int) -> object:
        try:
            return logbook.append([row(str(product), product=product)])
        except StaleReference as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(append, [1, 99] * 20))
    assert all(isinstance(each, list) for each in found[::2])
    assert all(isinstance(each, StaleReference) for each in found[1::2])
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(recommendations)).scalar_one() == 20


def test_nothing_is_logged_for_an_empty_answer(logbook: RecommendationLog) -> None:
    assert logbook.append([]) == []


def test_after_the_stop_nothing_is_lost_silently(logbook: RecommendationLog) -> None:
    logbook.stop()
    logbook.stop()
    with pytest.raises(Unavailable, match="stopping"):
        logbook.append([row("late")])
