"""Old recommendations go by the response to them, and what refers to them with them, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from services.coordinator.job_steps import maintain
from services.feedback import late_recommendations
from services.feedback.attribution import Windows
from shared.config import Settings
from shared.db import recommendation_retention
from shared.db.engine import Database
from shared.db.outcomes import NewOutcome, add_outcomes, credits_of
from shared.db.recommendation_retention import drop_old_recommendations
from shared.db.recommendations import (
    mark_clicked,
    mark_dismissed,
    mark_purchased,
    mark_shown,
    read_recommendations,
)
from shared.db.schema import recommendation_lists, recommendation_outcomes, recommendations, waiting_responses
from shared.telemetry import EVENTS
from tests.integration.feedback.small_shop import ANN, Log, open_shop, recommend
from tests.support.dismissals import dismissed_products

NOW = datetime.now(UTC)
TABLES = (recommendation_lists, recommendations, recommendation_outcomes, waiting_responses)


@pytest.fixture(autouse=True)
def small_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recommendation_retention, "LISTS_AT_ONCE", 2)
    monkeypatch.setattr(recommendation_retention, "REST_SECONDS", 0.0)


@pytest.fixture
def shop(database: Database) -> Database:
    with database.write() as connection:
        open_shop(connection)
    return database


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def made(database: Database, *days: float) -> list[int]:
    with database.write() as connection:
        return [recommend(connection, 1 + n % 5, at=ago(each)) for n, each in enumerate(days)]


def kept(database: Database, keys: list[int]) -> list[int]:
    with database.read() as connection:
        return sorted(read_recommendations(connection, keys))


def counted(database: Database) -> list[int]:
    with database.read() as connection:
        return [connection.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES]


def test_only_old_lists_that_nobody_responded_to_go_first(shop: Database) -> None:
    keys = made(shop, 0, 34, 36, 37, 38, 39, 40, 41)
    with shop.write() as connection:
        mark_shown(connection, {keys[3]: ago(37)})
        mark_dismissed(connection, [keys[5]])
    assert drop_old_recommendations(shop, 35, 400) == 4
    assert drop_old_recommendations(shop, 35, 400) == 0
    assert kept(shop, keys) == sorted([keys[0], keys[1], keys[3], keys[5]])


def test_what_was_responded_to_goes_later_with_what_came_of_it(shop: Database) -> None:
    forgotten, seen_lately, clicked_lately, refused = keys = made(shop, 500, 500, 500, 500)
    with shop.write() as connection:
        mark_shown(connection, {forgotten: ago(499), seen_lately: ago(399), clicked_lately: ago(499)})
        mark_clicked(connection, {forgotten: ago(401), clicked_lately: ago(10)})
        mark_purchased(connection, [forgotten])
        mark_dismissed(connection, [refused])
        credit = ("o-1", ago(401), 100, "EUR")
        add_outcomes(connection, [NewOutcome(key, "purchase", ago(401), 1, *credit) for key in keys[:2]])
    assert drop_old_recommendations(shop, 35, 400) == 1
    assert kept(shop, keys) == sorted([seen_lately, clicked_lately, refused])
    with shop.read() as connection:
        assert [each.recommendation_id for each in credits_of(connection, ["o-1"])] == [seen_lately]
        assert dismissed_products(connection, ANN) == {4}
    assert counted(shop) == [3, 3, 1, 0]


def test_a_response_that_came_since_the_look_keeps_its_list(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    key, *_ = keys = made(shop, 50, 50)
    look = recommendation_retention._next

    def looked(*asked):  # type: ignore[no-untyped-def]
        found = look(*asked)
        with shop.write() as connection:
            mark_shown(connection, {key: ago(0)})
        return found

    monkeypatch.setattr(recommendation_retention, "_next", looked)
    assert drop_old_recommendations(shop, 35, 400) == 1
    assert kept(shop, keys) == [key]


def test_a_response_to_a_deleted_recommendation_is_counted_as_lost(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    (key,) = made(shop, 50)
    assert drop_old_recommendations(shop, 35, 400) == 1
    log = Log(shop)
    log.respond(NOW, key, "CLICK")
    log.click(NOW, key)
    log.buy(NOW, "o-1")
    log.apply()
    assert counted(shop) == [0, 0, 0, 2]
    before = EVENTS.labels("response", "recommendation_lost")._value.get()
    monkeypatch.setattr(late_recommendations, "LONGEST_WAIT", timedelta(seconds=-1))
    late_recommendations.apply_late(shop, Windows())
    assert counted(shop) == [0, 0, 0, 0]
    assert EVENTS.labels("response", "recommendation_lost")._value.get() == before + 2


async def test_the_maintenance_job_drops_by_the_settings(shop: Database) -> None:
    keys = made(shop, 3, 5)
    settings = Settings(database_url=shop.url, recommendation_retention_days=4)
    *_, last = [progress async for progress in maintain(settings)]
    assert last.result is not None
    assert last.result["recommendation_lists_dropped"] == 1
    assert kept(shop, keys) == keys[:1]
