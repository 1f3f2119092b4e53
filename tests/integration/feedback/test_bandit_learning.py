"""Bandits learn from logged decisions and what came of them, on both databases, and the same however often."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import pytest
from quintet.type.v1.placement_pb2 import Bandit, Placement, Reward, Variant
from sqlalchemy import select

from services.feedback.attribution import Windows
from services.feedback.bandit.learning import learn_bandits
from shared.bandit.context import NAMES
from shared.bandit.posterior import RewardStatistics, posteriors
from shared.bandit.reward import came_back
from shared.db import bandits, placements
from shared.db.engine import Database
from shared.db.placements import PLACEMENTS, Stored
from shared.db.recommendations import log_recommendations
from shared.db.schema import bandit_statistics, products, purchases, recommendation_outcomes, sessions
from shared.db.sessions import SILENCE
from shared.experiments.decision import ListDecision
from shared.recommendation_tokens import LIST_BITS, number_at
from tests.integration.feedback.small_shop import ANN, NOON, Log, line, open_shop
from tests.support.recommendations import list_of_one

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
FEATURES = (1.0, *([0.0] * (len(NAMES) - 1)))
VARIANTS = [Variant(variant_id=name) for name in ("a", "b")]


class BanditShop:
    """A shop with the bandit of one placement; lists of one recommendation each."""

    def __init__(self, database: Database, **bandit: object) -> None:
        self.database = database
        self.log = Log(database)
        self._lists = 0
        with database.write() as connection:
            open_shop(connection)
        self.place(**bandit)

    def place(self, **bandit: object) -> None:
        message = Placement(placement_id="top", bandit=Bandit(variants=VARIANTS, **bandit))  # type: ignore[arg-type]
        with self.database.write() as connection:
            PLACEMENTS.put(connection, Stored("top", message.SerializeToString(), NOON))

    def show(self, variant: str, at: datetime = NOON, product: int = 1, features: Sequence[float] = FEATURES) -> int:
        """Log a list that was seen and return its recommendation."""
        self._lists += 1
        number = number_at((1 << LIST_BITS) + self._lists, 1)
        decision = ListDecision(variant, {"a": 0.5, "b": 0.5}, tuple(features))
        new = list_of_one(number, ANN, product, at)._replace(placement_id="top", decision=decision)
        with self.database.write() as connection:
            log_recommendations(connection, [new])
        self.log.see(at, number)
        return number

    def learn(self, at: datetime) -> dict[str, float]:
        """Apply the log, learn, and return the expected reward by variant."""
        self.log.apply()
        self.learned = learn_bandits(self.database, Windows(), at)
        with self.database.read() as connection:
            found = bandits.posteriors(connection).get("top", {})
        return {name: each.reward(np.array(FEATURES))[0] for name, each in found.items()}


def expected(rewards: dict[str, list[float]]) -> dict[str, float]:
    """Return what is expected of each variant, from the rewards of lists without features, all of one day."""
    row = np.array(FEATURES)
    statistics = {
        name: RewardStatistics.of(np.tile(row, (len(each), 1)), np.array(each)) for name, each in rewards.items()
    }
    return {name: each.reward(row)[0] for name, each in posteriors(statistics).items()}


def test_what_is_clicked_carted_and_bought_is_earned_by_its_variant(database: Database) -> None:
    shop = BanditShop(database)
    clicked, bought, _ = shop.show("a"), shop.show("a", product=2), shop.show("b")
    shop.log.click(NOON + HOUR, clicked)
    shop.log.click(NOON + HOUR, bought, "p2")
    shop.log.buy(NOON + HOUR, "o-1", line("p2", 200))
    assert shop.learn(NOON + 2 * HOUR) == pytest.approx(expected({"a": [1, 11], "b": [0]}))
    assert (shop.learned.placements, shop.learned.decisions) == (1, 3)


def test_learning_again_and_late_responses_give_what_learning_once_gives(database: Database) -> None:
    shop = BanditShop(database)
    first, second = shop.show("a"), shop.show("b")
    shop.log.click(NOON + HOUR, first)
    once = shop.learn(NOON + DAY)
    assert shop.learn(NOON + DAY) == once
    shop.log.click(NOON + 2 * HOUR, second)
    assert shop.learn(NOON + 2 * DAY)["b"] == pytest.approx(expected({"a": [1], "b": [1]})["b"], rel=0.1)
    with database.read() as connection:
        assert len(list(connection.execute(select(bandit_statistics)))) == 2


def test_money_counts_in_units_of_the_usual_currency(database: Database) -> None:
    shop = BanditShop(database, reward=Reward(revenue=2))
    bought = shop.show("a", product=2)
    shop.show("b")
    shop.log.click(NOON + HOUR, bought, "p2")
    shop.log.buy(NOON + HOUR, "o-1", line("p2", 250))
    with database.write() as connection:
        session = connection.execute(
            sessions.insert()
            .values(customer_id=ANN, started_at=NOON, last_event_at=NOON)
            .returning(sessions.c.session_id)
        ).scalar_one()
        row = {"external_id": "o-1", "customer_id": ANN, "session_id": session, "timestamp": NOON}
        connection.execute(purchases.insert().values(**row, total_amount=250, currency="EUR"))
    assert shop.learn(NOON + 2 * HOUR) == pytest.approx(expected({"a": [5.0], "b": [0]}))


def test_margin_counts_where_the_product_has_a_cost_and_clicks_by_their_grades(database: Database) -> None:
    shop = BanditShop(database, reward=Reward(margin=1, click=10))
    with database.write() as connection:
        connection.execute(products.update().where(products.c.product_id == 2).values(cost=150))
    bought = shop.show("a", product=2)
    quick = shop.show("b")
    shop.log.click(NOON + HOUR, bought, "p2")
    shop.log.buy(NOON + HOUR, "o-1", line("p2", 250))
    shop.log.click(NOON + HOUR, quick)
    with database.write() as connection:
        visit = sessions.insert().values(customer_id=ANN, started_at=NOON, last_event_at=NOON)
        session = connection.execute(visit.returning(sessions.c.session_id)).scalar_one()
        row = {"external_id": "o-1", "customer_id": ANN, "session_id": session, "timestamp": NOON}
        connection.execute(purchases.insert().values(**row, total_amount=250, currency="EUR"))
    shop.log.apply()
    with database.write() as connection:
        clicked = recommendation_outcomes.c
        update = recommendation_outcomes.update().where(clicked.recommendation_id == quick, clicked.kind == "click")
        connection.execute(update.values(grade=0.25))
        update = recommendation_outcomes.update().where(clicked.recommendation_id == bought, clicked.kind == "click")
        connection.execute(update.values(grade=1.0))
    assert shop.learn(NOON + 2 * HOUR) == pytest.approx(expected({"a": [11.0], "b": [2.5]}))


def test_coming_back_within_thirty_days_counts_and_the_same_visit_does_not(database: Database) -> None:
    shop = BanditShop(database, reward=Reward(return_visit=1))
    shop.show("a")
    shop.show("b", NOON + 3 * DAY)
    with database.write() as connection:
        for began in (NOON + timedelta(minutes=10), NOON + 2 * DAY):
            connection.execute(sessions.insert().values(customer_id=ANN, started_at=began, last_event_at=began))
    found = shop.learn(NOON + 4 * DAY)
    assert found["a"] > found["b"]
    visits = [NOON + timedelta(minutes=10), NOON + 31 * DAY]
    assert not came_back(NOON, visits, SILENCE)
    assert came_back(NOON + DAY, visits, SILENCE)


def test_lists_nobody_saw_teach_nothing_where_the_shop_says_what_is_seen(database: Database) -> None:
    shop = BanditShop(database)
    shop.show("a")
    shop.log.apply()
    number = number_at((1 << LIST_BITS) + 99, 1)
    unseen = list_of_one(number, ANN, 1, NOON)._replace(
        placement_id="top", decision=ListDecision("b", {"b": 1.0}, FEATURES)
    )
    with database.write() as connection:
        log_recommendations(connection, [unseen])
    shop.learn(NOON + DAY)
    assert shop.learned.decisions == 1


def test_fresh_lists_wait_and_old_ones_count_less(database: Database) -> None:
    shop = BanditShop(database, half_life_days=1)
    for at in (NOON, NOON + 3 * DAY):
        shop.log.click(at, shop.show("a", at))
    shop.show("b", NOON + 3 * DAY)
    shop.learn(NOON + 3 * DAY + timedelta(minutes=10))
    assert shop.learned.decisions == 1
    shop.learn(NOON + 3 * DAY + HOUR)
    assert shop.learned.decisions == 3
    shop.learn(NOON + 7 * DAY)
    assert shop.learned.decisions == 2, "what is older than six half-lives is left out"


def test_another_reward_is_learned_from_the_same_lists(database: Database) -> None:
    shop = BanditShop(database)
    shop.log.click(NOON, shop.show("a"))
    shop.show("b")
    before = shop.learn(NOON + DAY)
    shop.place(reward=Reward(click=5))
    after = shop.learn(NOON + DAY)
    assert after["a"] == pytest.approx(5 * before["a"])


def test_replicas_are_told_that_there_is_something_new(database: Database) -> None:
    shop = BanditShop(database)
    shop.show("a")
    with database.read() as connection:
        before = placements.version(connection)
    shop.learn(NOON + DAY)
    with database.read() as connection:
        assert placements.version(connection) > before


def test_without_a_bandit_nothing_is_learned(database: Database) -> None:
    found = learn_bandits(database, Windows(), NOON)
    assert (found.placements, found.decisions) == (0, 0)
