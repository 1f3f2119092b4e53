"""What another configuration would have earned, from logged lists and over the wire, on both databases."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.recommendation.v1 import recommendation_service_pb2_grpc as pb_grpc
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.experiment_pb2 import (
    ArmReference,
    ConfigurationEstimate,
    EstimateBasis,
    Experiment,
    ExperimentArm,
    ExperimentMetric,
    OffPolicyEstimator,
)
from quintet.type.v1.placement_pb2 import Bandit, Exploration, Placement, PlacementBoosts, Reward, Variant
from quintet.type.v1.recommendation_pb2 import RecommendationFilter
from sqlalchemy import select

from services.feedback.experiments.results import results_of
from services.recommendation import convert
from services.recommendation.server import build
from shared.bandit.context import NAMES
from shared.config import Settings
from shared.db.engine import Connection
from shared.db.orders import usual_currency
from shared.db.recommendation_items import ListItem, PackedItems
from shared.db.recommendations import NewList, log_recommendations, mark_clicked
from shared.db.schema import customers, products, recommendation_lists, recommendation_outcomes, session_facts, sessions
from shared.errors import Conflict, FailedPrecondition, InvalidArgument, NotFound
from shared.experiments.assignment import unit_hash
from shared.experiments.decision import Exposure, ListDecision
from shared.recommendation_tokens import list_number, number_at
from shared.rpc.client import call, open_channel
from tests.integration.recommendation import shop as small_shop
from tests.integration.recommendation.conftest import Shop
from tests.support.tokens import next_number

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FEATURES = (1.0, *([0.0] * (len(NAMES) - 1)))
VARIANTS = [Variant(variant_id="as_now"), Variant(variant_id="bold", diversity=0.3)]
CHANCES = {"as_now": 0.7, "bold": 0.3}
CLICKS = {"as_now": 0.1, "bold": 0.3}
SNIPS = OffPolicyEstimator.OFF_POLICY_ESTIMATOR_SELF_NORMALISED


class Log:
    """Logs lists of one product for new customers and what was clicked of them."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.at = datetime.now(UTC) - DAY
        with shop.database.read() as connection:
            self.product = int(connection.execute(select(products.c.product_id).limit(1)).scalar_one())

    def customer(self, connection: Connection, name: str) -> int:
        row = customers.insert().values(external_id=name, registration_date=self.at)
        return int(connection.execute(row.returning(customers.c.customer_id)).scalar_one())

    def show(self, connection: Connection, customer: int | None, *, clicked: bool, **how: Any) -> None:
        number = list_number(next_number())
        items = PackedItems.of([ListItem(1, self.product, 1.0, "popular")])
        facts = {"strategy": "hybrid", "model_version": "v1", "placement_id": "top"} | how
        log_recommendations(connection, [NewList(number, "r", customer, "HOME", self.at, items, **facts)])
        if clicked:
            click(connection, number_at(number, 1), self.at)

    def decide(self, n: int, chances: dict[str, float] = CHANCES, seed: int = 1) -> None:
        """Log lists that a bandit filled, two of each customer."""
        random = np.random.default_rng(seed)
        with self.shop.database.write() as connection:
            for number in range(n):
                customer = self.customer(connection, f"b-{number}")
                for _ in range(2):
                    chosen = str(random.choice([*chances], p=[*chances.values()]))
                    decision = ListDecision(chosen, chances, FEATURES)
                    self.show(connection, customer, clicked=random.random() < CLICKS[chosen], decision=decision)

    def assign(self, n: int, seed: int = 1) -> None:
        """Log lists of the arms of the experiment `e`, one of each customer, with the facts of their sessions."""
        random = np.random.default_rng(seed)
        with self.shop.database.write() as connection:
            for number in range(n):
                customer = self.customer(connection, f"e-{number}")
                arm = "bold" if random.random() < 0.5 else "as_now"
                clicked = bool(random.random() < CLICKS[arm])
                met = Exposure("e", arm, unit_hash("customer", f"e-{number}"))
                self.show(connection, customer, clicked=clicked, exposures=(met,))
                visit(connection, customer, self.at, clicked=clicked)


def click(connection: Connection, number: int, at: datetime) -> None:
    mark_clicked(connection, {number: at})
    outcome = {"recommendation_id": number, "kind": "click", "occurred_at": at, "event_sequence": 1}
    connection.execute(recommendation_outcomes.insert().values(**outcome))


def visit(connection: Connection, customer: int, at: datetime, *, clicked: bool) -> None:
    row = sessions.insert().values(customer_id=customer, started_at=at, last_event_at=at)
    number = int(connection.execute(row.returning(sessions.c.session_id)).scalar_one())
    names = ("lists_shown", "added_to_cart", "purchased", "purchased_after_view", "dismissed", "refunded", "orders")
    fact = dict.fromkeys(names, 0) | {"day": 0, "segment": "", "arm": "", "units": 0.0, "shown": 1, "clicked": clicked}
    connection.execute(session_facts.insert().values(session_id=number, customer_id=customer, started_at=at, **fact))


@pytest.fixture
def log(coffee_shop: Shop) -> Log:
    return Log(coffee_shop)


@pytest.fixture
async def stub(coffee_shop: Shop) -> AsyncIterator[pb_grpc.RecommendationServiceStub]:
    settings = Settings(database_url=coffee_shop.database.url, recommendation_port=0, drain_seconds=0.0)
    server = build(settings, coffee_shop.agent)
    channel = open_channel(f"127.0.0.1:{await server.start()}")
    yield pb_grpc.RecommendationServiceStub(channel)
    await channel.close()
    await server.stop()


def place(shop: Shop, **fields: Any) -> None:
    shop.agent.placements.create(Placement(placement_id="top", **fields))
    shop.caught_up()


async def ask(stub: Any, **fields: Any) -> ConfigurationEstimate:
    request = pb.EvaluateConfigurationRequest(**{"placement_id": "top"} | fields)
    return (await call(stub.EvaluateConfiguration, request, 120.0)).estimate


async def test_a_variant_of_a_bandit_earns_what_its_lists_did(stub: Any, log: Log) -> None:
    place(log.shop, bandit=Bandit(variants=VARIANTS))
    log.decide(700)
    found = await ask(stub, variant_id="bold", reward=Reward(click=1))
    assert found.basis == EstimateBasis.ESTIMATE_BASIS_BANDIT
    assert found.estimator == OffPolicyEstimator.OFF_POLICY_ESTIMATOR_DOUBLY_ROBUST
    assert found.estimated.low < CLICKS["bold"] < found.estimated.high
    assert found.logged.value == pytest.approx(0.7 * 0.1 + 0.3 * 0.3, abs=0.03)
    assert found.difference.value == pytest.approx(found.estimated.value - found.logged.value)
    assert found.difference.low > 0
    assert found.summary.startswith("It would have earned more than")
    assert (found.lists, found.skipped_lists, found.units, found.support) == (1400, 0, 700, 1.0)
    assert found.changed_share == pytest.approx(0.7, abs=0.05)
    assert found.largest_weight == pytest.approx(1 / 0.3)
    assert (found.incomplete, list(found.examples)) == (False, [])


async def test_a_configuration_that_a_bandit_tried_is_evaluated_as_its_variant(stub: Any, log: Log) -> None:
    place(log.shop, bandit=Bandit(variants=VARIANTS))
    log.decide(400)
    named = await ask(stub, variant_id="bold", estimator=SNIPS)
    given = await ask(stub, variant=Variant(variant_id="any", diversity=0.3), estimator=SNIPS)
    assert (given.basis, given.estimated, given.lists) == (named.basis, named.estimated, 800)


async def test_the_reward_of_the_bandit_is_the_default(stub: Any, log: Log) -> None:
    place(log.shop, bandit=Bandit(variants=VARIANTS, reward=Reward(click=2)))
    log.decide(400)
    twice, once = await ask(stub, variant_id="bold"), await ask(stub, variant_id="bold", reward=Reward(click=1))
    assert twice.estimated.value == pytest.approx(2 * once.estimated.value)
    with log.shop.database.read() as connection:
        assert (twice.reward.click, twice.currency_code) == (2, usual_currency(connection))


async def test_the_latest_lists_are_looked_at(stub: Any, log: Log) -> None:
    place(log.shop, bandit=Bandit(variants=VARIANTS))
    log.decide(400)
    found = await ask(stub, variant_id="as_now", max_lists=600)
    assert (found.lists, found.incomplete) == (600, True)


async def test_the_arm_of_an_experiment_earns_what_the_experiment_found(stub: Any, log: Log) -> None:
    """With lists of one product clicks per list are the experiment's click-through rate."""
    place(log.shop)
    arms = [ExperimentArm(variant=each) for each in VARIANTS]
    ctr = ExperimentMetric.EXPERIMENT_METRIC_CLICK_THROUGH_RATE
    log.shop.agent.experiments.create(Experiment(experiment_id="e", arms=arms, primary_metric=ctr))
    log.assign(800)
    with log.shop.database.read() as connection:
        results = results_of(connection, "e", datetime.now(UTC))
    of_arm = {each.arm_id: next(iter(each.metrics.values())) for each in results.arms}
    for name, (value, low, high) in of_arm.items():
        arm = ArmReference(experiment_id="e", arm_id=name)
        found = await ask(stub, arm=arm, estimator=SNIPS)
        assert found.basis == EstimateBasis.ESTIMATE_BASIS_EXPERIMENT
        assert found.estimated.value == pytest.approx(value, abs=1e-9)
        assert (found.lists, found.skipped_lists) == (800, 0)
        assert found.estimated.high - found.estimated.low == pytest.approx(high - low, rel=0.25)
        robust = await ask(stub, arm=arm)
        assert robust.estimated.value == pytest.approx(value, abs=robust.estimated.standard_error)


async def test_what_was_never_chosen_is_refused_with_the_cause(stub: Any, log: Log) -> None:
    place(log.shop, bandit=Bandit(variants=[*VARIANTS, Variant(variant_id="new", strategy="popular")]))
    log.decide(300)
    with pytest.raises(FailedPrecondition, match="run an experiment") as caught:
        await ask(stub, variant_id="new")
    assert caught.value.reason == ErrorReason.OVERLAP_INSUFFICIENT
    assert caught.value.metadata == {"cause": "support", "lists": "600"}


async def test_few_lists_are_refused(stub: Any, log: Log) -> None:
    place(log.shop, bandit=Bandit(variants=VARIANTS))
    log.decide(40)
    with pytest.raises(FailedPrecondition) as caught:
        await ask(stub, variant_id="bold")
    assert caught.value.metadata["cause"] == "effective_sample_size"


@pytest.mark.parametrize(
    ("fields", "error", "field"),
    [
        ({"placement_id": "none", "variant_id": "bold"}, NotFound, "placement_id"),
        ({"variant_id": "none"}, NotFound, "variant_id"),
        ({"arm": ArmReference(experiment_id="none", arm_id="a")}, NotFound, "arm.experiment_id"),
        ({"variant": Variant(variant_id="v", strategy="none")}, InvalidArgument, "variant.strategy"),
        ({}, InvalidArgument, "configuration"),
        ({"variant_id": "bold", "without_exploration": True}, InvalidArgument, "without_exploration"),
        ({"variant_id": "bold", "estimator": 6}, InvalidArgument, "estimator"),
        ({"variant_id": "bold", "estimator": 99}, InvalidArgument, "estimator"),
        ({"variant_id": "bold", "currency_code": "XXX"}, InvalidArgument, "currency_code"),
        ({"variant_id": "bold", "reward": Reward()}, InvalidArgument, "reward"),
        ({"variant_id": "bold", "max_lists": -1}, InvalidArgument, "max_lists"),
        ({"without_exploration": True, "reward": Reward(return_visit=1)}, InvalidArgument, "reward.return_visit"),
        ({"variant": Variant(variant_id="v", model_version="none")}, NotFound, "variant.model_version"),
    ],
)
async def test_a_bad_field_is_named(stub: Any, log: Log, fields: Any, error: type[Exception], field: str) -> None:
    place(log.shop, bandit=Bandit(variants=VARIANTS))
    log.decide(2)
    with pytest.raises(error) as caught:
        await ask(stub, **fields)
    assert caught.value.metadata["field"] == field  # type: ignore[attr-defined]


async def test_a_period_without_lists_is_refused(stub: Any, log: Log) -> None:
    place(log.shop, bandit=Bandit(variants=VARIANTS))
    with pytest.raises(FailedPrecondition, match="no list of placement top") as caught:
        await ask(stub, variant_id="bold")
    assert caught.value.reason == ErrorReason.DATA_MISSING


async def test_one_configuration_is_evaluated_at_a_time(stub: Any, log: Log) -> None:
    place(log.shop, bandit=Bandit(variants=VARIANTS))
    with log.shop.agent._evaluations._one, pytest.raises(Conflict):
        await ask(stub, variant_id="bold")


class Answers:
    """Asks the agent for lists as shoppers do, and makes them as old as sessions need to be over."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def ask(self, visitors: int, people: Sequence[str] = ()) -> None:
        for each in people:
            self.recommend(customer_id=each)
        for number in range(visitors):
            self.recommend(visitor_id=f"v-{number}")
        self.shop.agent._recommendation_log.stop()
        with self.shop.database.write() as connection:
            lists = recommendation_lists
            earlier = datetime.now(UTC) - 2 * HOUR
            connection.execute(lists.update().values(generated_at=earlier))

    def click_all(self, every: int) -> None:
        """Click the first product of every so many lists."""
        with self.shop.database.write() as connection:
            numbers = connection.execute(select(recommendation_lists.c.id).order_by(recommendation_lists.c.id))
            for number in numbers.scalars().all()[::every]:
                at = datetime.now(UTC) - HOUR
                click(connection, number_at(number, 1), at)

    def recommend(self, **facts: Any) -> None:
        request = pb.RecommendRequest(placement_id="top", **facts)
        self.shop.agent.recommend(convert.to_query(request, self.shop.agent.merchandising))


async def test_a_configuration_that_changes_nothing_shows_the_same(stub: Any, coffee_shop: Shop) -> None:
    """Though shoppers bought, since their lists were answered, what these showed."""
    place(coffee_shop, count=6)
    answers = Answers(coffee_shop)
    people = [f"c-lover-{number}" for number in range(small_shop.PEOPLE)]
    answers.ask(134, people)
    answers.click_all(3)
    first = coffee_shop.ids(people[0], limit=1)[0]
    small_shop.act(coffee_shop.database, *(small_shop.bought(each, first) for each in people))
    found = await ask(stub, variant=Variant(variant_id="same", strategy="default"))
    assert found.basis == EstimateBasis.ESTIMATE_BASIS_REPLAY
    assert (found.lists, found.skipped_lists, found.changed_share) == (150, 0, 0)
    assert found.logged.value == found.estimated.value == pytest.approx(1 / 3)
    interval = (found.difference.value, found.difference.low, found.difference.high)
    assert interval == pytest.approx((0, 0, 0), abs=1e-6)
    assert found.summary == "It would have shown the same lists, which earned 0.3333 each."


async def test_another_order_of_lists_that_explore_nothing_is_refused(stub: Any, coffee_shop: Shop) -> None:
    place(coffee_shop, count=6)
    answers = Answers(coffee_shop)
    answers.ask(150, [f"c-lover-{number}" for number in range(5)])
    answers.click_all(3)
    boosts = PlacementBoosts(price=-1)
    with pytest.raises(FailedPrecondition, match="it does what was never tried") as caught:
        await ask(stub, variant=Variant(variant_id="cheap", boosts=boosts))
    assert caught.value.metadata == {"cause": "support", "lists": "155", "changed_share": "1.0000"}


async def test_what_exploration_costs_is_known_where_there_is_some(stub: Any, coffee_shop: Shop) -> None:
    exploration = Exploration(share_of_places=0.1, relevance_given_up=1)
    place(coffee_shop, count=5, exploration=exploration)
    answers = Answers(coffee_shop)
    answers.ask(400)
    answers.click_all(2)
    found = await ask(stub, without_exploration=True)
    assert found.lists == 400
    assert found.changed_share == 0
    assert found.support == pytest.approx(1.0)
    assert 100 < found.effective_units < 400
    assert found.largest_weight == pytest.approx(1 / (1 - 0.1 * 5), rel=0.01)
    assert found.estimated.low < 0.5 < found.estimated.high


async def test_lists_that_do_not_come_out_as_they_were_are_left_out(stub: Any, coffee_shop: Shop) -> None:
    place(coffee_shop, count=6)
    answers = Answers(coffee_shop)
    answers.ask(150)
    with coffee_shop.database.write() as connection:
        connection.execute(recommendation_lists.update().values(model_version="gone"))
    with pytest.raises(FailedPrecondition, match="0 of 150 lists come out as they were logged") as caught:
        await ask(stub, variant=Variant(variant_id="same", strategy="default"))
    assert caught.value.metadata["cause"] == "replay"


async def test_lists_of_calls_with_filters_are_left_out(stub: Any, coffee_shop: Shop) -> None:
    """The log does not keep what a call asked for; lists that show it do not come out as they were."""
    place(coffee_shop, count=6)
    answers = Answers(coffee_shop)
    for number in range(20):
        answers.recommend(visitor_id=f"f-{number}", filter=RecommendationFilter(categories=["Tea"]))
    answers.ask(150)
    answers.click_all(3)
    found = await ask(stub, variant=Variant(variant_id="same", strategy="default"))
    assert (found.lists, found.skipped_lists) == (150, 20)


async def test_pages_about_something_are_not_ranked_again(stub: Any, coffee_shop: Shop) -> None:
    place(coffee_shop, page_type="PAGE_TYPE_PRODUCT")
    with pytest.raises(FailedPrecondition, match="lists of PRODUCT pages cannot be ranked again"):
        await ask(stub, variant=Variant(variant_id="v", diversity=0.5))
