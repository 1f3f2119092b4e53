"""Experiments are kept, assign arms in answers, and are logged with what they decided, on both databases."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.type.v1.consent_pb2 import Consent as ConsentMessage
from quintet.type.v1.consent_pb2 import ConsentState
from quintet.type.v1.experiment_pb2 import Experiment, ExperimentArm, ExperimentState, Guardrail
from quintet.type.v1.placement_pb2 import (
    Bandit,
    BuryAction,
    ExcludeAction,
    Exploration,
    PinAction,
    Placement,
    Rule,
    Variant,
)
from quintet.type.v1.recommendation_pb2 import RecommendationList
from sqlalchemy import select

from services.recommendation import convert
from services.recommendation.experiments.store import ExperimentStore, first_room
from shared.bandit.context import NAMES
from shared.bandit.posterior import Posterior
from shared.db import bandits, models
from shared.db.engine import Database
from shared.db.recommendation_items import unpack
from shared.db.schema import customers, experiment_exposures, recommendation_lists, visitors
from shared.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from shared.experiments.assignment import BUCKETS
from shared.recommendation_tokens import Shopper
from tests.integration.recommendation import shop as small_shop
from tests.integration.recommendation.conftest import Shop

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
POPULAR = Variant(variant_id="popular", strategy="popular")
AS_NOW = Variant(variant_id="as_now")
CUSTOMERS = [f"c-lover-{number}" for number in range(small_shop.PEOPLE)]


def experiment(name: str = "e", *variants: Variant, **fields: Any) -> Experiment:
    arms = [ExperimentArm(variant=each) for each in variants or (AS_NOW, POPULAR)]
    return Experiment(experiment_id=name, arms=arms, **fields)


def stamp(moment: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(moment)
    return found


@pytest.fixture
def store(database: Database) -> ExperimentStore:
    return ExperimentStore(database, lambda: NOW)


def test_an_experiment_runs_from_now_on_and_is_created_once(store: ExperimentStore) -> None:
    created = store.create(experiment())
    assert created.state == ExperimentState.EXPERIMENT_STATE_RUNNING
    assert created.start_time.ToDatetime(UTC) == NOW
    assert [each.action for each in created.decisions] == ["created"]
    assert store.create(experiment()) == created == store.get("e")
    with pytest.raises(AlreadyExists):
        store.create(experiment("e", AS_NOW, Variant(variant_id="other")))


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"start_time": stamp(NOW - timedelta(hours=1))}, "experiment.start_time"),
        ({"end_time": stamp(NOW)}, "experiment.end_time"),
        ({"traffic": -1}, "experiment.traffic"),
        ({"conclude_automatically": True}, "experiment.conclude_automatically"),
        ({"guardrails": [Guardrail(metric=1)], "design": "EXPERIMENT_DESIGN_TEAM_DRAFT"}, "experiment.guardrails"),
    ],
)
def test_what_cannot_run_is_refused(store: ExperimentStore, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        store.create(experiment(**fields))
    assert caught.value.metadata["field"] == field
    assert store.list(0, "") == ([], "")


def test_stopping_and_concluding_are_kept_with_their_reasons(store: ExperimentStore) -> None:
    store.create(experiment("a"))
    store.create(experiment("b"))
    stopped = store.stop("a", "The sale begins.")
    assert store.stop("a") == stopped
    concluded = store.conclude("b", "popular", "More clicks.")
    assert store.conclude("b", "popular") == concluded
    assert (concluded.state, concluded.chosen_arm_id) == (ExperimentState.EXPERIMENT_STATE_CONCLUDED, "popular")
    assert [(each.action, each.arm_id, each.reason) for each in concluded.decisions] == [
        ("created", "", ""),
        ("concluded", "popular", "More clicks."),
    ]
    assert store.conclude("a", "as_now").state == concluded.state, "what was stopped may be concluded"
    with pytest.raises(FailedPrecondition):
        store.conclude("b", "as_now")
    with pytest.raises(FailedPrecondition):
        store.stop("b")
    with pytest.raises(NotFound) as caught:
        store.conclude("b", "nobody")
    assert caught.value.metadata["field"] == "arm_id"
    with pytest.raises(NotFound):
        store.stop("c")


def test_an_alarm_is_written_down_once_while_the_experiment_runs(store: ExperimentStore) -> None:
    store.create(experiment())
    for _ in range(2):
        store.record_alarm("e", "guardrail_broken", "popular", "Worse.")
    found = store.record_alarm("e", "sample_ratio_mismatch")
    assert [(each.action, each.arm_id) for each in found.decisions[1:]] == [
        ("guardrail_broken", "popular"),
        ("sample_ratio_mismatch", ""),
    ]
    assert found.decisions[1].reason == "Worse."
    with pytest.raises(InvalidArgument):
        store.record_alarm("e", "boredom")
    stopped = store.stop("e")
    assert store.record_alarm("e", "guardrail_broken", "as_now") == stopped


def test_only_what_has_ended_is_deleted(store: ExperimentStore) -> None:
    store.create(experiment())
    with pytest.raises(FailedPrecondition):
        store.delete("e")
    store.stop("e")
    assert store.delete("e")
    assert not store.delete("e", allow_missing=True)
    with pytest.raises(NotFound):
        store.delete("e")


def test_experiments_of_a_layer_share_its_traffic(store: ExperimentStore) -> None:
    first = store.create(experiment("a", layer="home", traffic=0.6))
    second = store.create(experiment("b", layer="home", traffic=0.3))
    assert (first.first_bucket, second.first_bucket) == (0, 6_000)
    with pytest.raises(FailedPrecondition) as caught:
        store.create(experiment("c", layer="home", traffic=0.2))
    assert "0.1" in caught.value.message
    store.stop("a")
    assert store.create(experiment("c", layer="home", traffic=0.2)).first_bucket == 0
    assert store.create(experiment("d", layer="cart")).first_bucket == 0


@pytest.mark.parametrize(
    ("taken", "wanted", "first"),
    [
        ([], BUCKETS, 0),
        ([(0, 10)], 5, 10),
        ([(5, 10)], 5, 0),
        ([(5, 10)], 6, 10),
        ([(0, 10), (20, BUCKETS)], 11, None),
    ],
)
def test_the_first_range_that_is_wide_enough_is_taken(
    taken: list[tuple[int, int]], wanted: int, first: int | None
) -> None:
    assert first_room(taken, wanted) == first


class Caller:
    """Asks for lists as a platform does and reads what was logged of them."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def run(self, *experiments: Experiment) -> None:
        for each in experiments:
            self.shop.agent.experiments.create(each)
        self.shop.caught_up()

    def place(self, name: str, **fields: Any) -> None:
        self.shop.agent.placements.create(Placement(placement_id=name, **fields))
        self.shop.caught_up()

    def ask(self, customer: str = "", **fields: Any) -> RecommendationList:
        request = pb.RecommendRequest(customer_id=customer, **fields)
        agent = self.shop.agent
        answer = agent.recommend(convert.to_query(request, agent.merchandising))
        return convert.to_response(answer, Shopper(customer, request.visitor_id), agent.tokens).list

    def logged(self) -> list[Any]:
        """Return the lists of the log, after all that waits was written."""
        self.shop.agent._recommendation_log.stop()
        with self.shop.database.read() as connection:
            return list(connection.execute(select(recommendation_lists).order_by(recommendation_lists.c.id)))

    def exposures(self) -> list[Any]:
        with self.shop.database.read() as connection:
            return list(connection.execute(select(experiment_exposures)))


@pytest.fixture
def caller(coffee_shop: Shop) -> Caller:
    return Caller(coffee_shop)


def ids(answer: RecommendationList) -> list[str]:
    return [each.product_id for each in answer.recommendations]


def test_each_customer_meets_one_arm_and_the_log_knows_it(caller: Caller) -> None:
    caller.run(experiment())
    answers = [caller.ask(each) for each in CUSTOMERS for _ in range(2)]
    arms = {name: {each.arm for each in answers[2 * at : 2 * at + 2]} for at, name in enumerate(CUSTOMERS)}
    assert all(len(each) == 1 for each in arms.values())
    assert set.union(*arms.values()) == {"as_now", "popular"}
    assert all((each.strategy == "popular") == (each.arm == "popular") for each in answers)
    assert [(each.experiment_id, each.arm_id) for each in answers[0].assignments] == [("e", answers[0].arm)]
    logged = caller.logged()
    assert [each.assignments for each in logged] == [{"e": each.arm} for each in answers]
    assert {each.decision for each in logged} == {None}
    exposures = caller.exposures()
    assert Counter(each.arm for each in exposures) == Counter(next(iter(each)) for each in arms.values())
    assert {each.customer_id for each in exposures} == {each.customer_id for each in logged}
    first = {each.customer_id: each.generated_at for each in reversed(logged)}
    assert all(each.first_at == first[each.customer_id] for each in exposures)


def test_what_an_experiment_ended_with_is_the_placement_again(caller: Caller) -> None:
    caller.run(experiment("e", POPULAR, Variant(variant_id="other", strategy="popular")))
    assert caller.ask(CUSTOMERS[0]).strategy == "popular"
    caller.shop.agent.experiments.stop("e")
    caller.shop.caught_up()
    after = caller.ask(CUSTOMERS[0])
    assert (after.strategy != "popular", after.arm, list(after.assignments)) == (True, "", [])


def test_a_shopper_who_must_not_be_measured_is_in_no_experiment(caller: Caller) -> None:
    caller.run(experiment("e", POPULAR, Variant(variant_id="other", strategy="popular")))
    denied = ConsentMessage(measure=ConsentState.CONSENT_STATE_DENIED)
    answer = caller.ask(CUSTOMERS[0], consent=denied)
    assert (answer.arm, answer.strategy == "popular") == ("", False)
    assert caller.logged() == caller.exposures() == []


def test_a_stranger_becomes_known_to_the_exposure(caller: Caller) -> None:
    caller.run(experiment())
    unknown = caller.ask(visitor_id="v-1")
    with caller.shop.database.write() as connection:
        key = connection.execute(
            customers.insert().values(registration_date=NOW).returning(customers.c.customer_id)
        ).scalar_one()
        connection.execute(visitors.insert().values(visitor_id="v-1", customer_id=key))
    assert caller.ask(visitor_id="v-1").arm == unknown.arm
    first, second = caller.logged()
    assert (first.customer_id, second.customer_id) == (None, key)
    [exposure] = caller.exposures()
    assert (exposure.customer_id, exposure.first_at) == (key, first.generated_at)


def test_weights_of_a_variant_order_the_list_by_themselves(caller: Caller) -> None:
    weighed = [Variant(variant_id=name, weights=[{"algorithm": "popular", "weight": 2}]) for name in ("a", "b")]
    caller.run(experiment("e", *weighed))
    answer = caller.ask(CUSTOMERS[0])
    assert answer.strategy == "weights"
    assert {part.algorithm for each in answer.recommendations for part in each.contributions} == {"popular"}


def other_model(caller: Caller) -> str:
    """Store another version of the model, which is not in force, and return its name."""
    loaded = models.load_active(caller.shop.database, "recommender")
    assert loaded is not None
    version, payload = loaded
    models.save_model(caller.shop.database, "recommender", "other", payload, {})
    models.activate(caller.shop.database, "recommender", version)
    return "other"


def test_another_model_answers_in_its_arm(caller: Caller) -> None:
    other = other_model(caller)
    caller.run(experiment("e", AS_NOW, Variant(variant_id="new", model_version=other)))
    manager = caller.shop.agent._model_manager
    manager._follow_models()
    answers = [caller.ask(each) for each in CUSTOMERS]
    assert {(each.arm, each.model_version == other) for each in answers} == {("as_now", False), ("new", True)}
    assert {tuple(each.fallbacks) for each in answers} == {()}
    assert all(len(each.recommendations) == 10 for each in answers)
    small_shop.add_products(caller.shop.database, [small_shop.product("c0", price=777)])
    caller.shop.caught_up()
    prices = {each.price.amount_minor for one in CUSTOMERS for each in caller.ask(one).recommendations}
    assert 777 in prices
    assert Counter(each.model_version for each in caller.logged()[: len(answers)])[other] > 0
    caller.shop.agent.experiments.stop("e")
    caller.shop.caught_up()
    manager._follow_models()
    assert manager.serving_of(other) is None, "what no variant names is let go"


def test_a_model_that_is_gone_is_answered_for_by_the_active_one(caller: Caller) -> None:
    variants = [Variant(variant_id=name, model_version="gone") for name in ("a", "b")]
    caller.run(experiment("e", *variants))
    for _ in range(2):
        caller.shop.agent._model_manager._follow_models()
        answer = caller.ask(CUSTOMERS[0])
        assert list(answer.fallbacks) == ["model_of_variant_unavailable"]
        assert answer.model_version == caller.shop.agent._model_manager.serving.version
    assert caller.shop.agent._model_manager.broken == ""


def test_rules_hold_as_the_variant_has_them(caller: Caller) -> None:
    rules = caller.shop.agent.rules
    everywhere = set(ids(caller.ask(CUSTOMERS[0], limit=100)))
    rules.create(Rule(rule_id="no_tea", filter='category = "Tea"', exclude=ExcludeAction(), disabled=True))
    rules.create(Rule(rule_id="no_coffee", filter='category = "Coffee"', exclude=ExcludeAction()))
    variants = [
        Variant(variant_id=name, with_rule_ids=["no_tea"], without_rule_ids=["no_coffee"]) for name in ("a", "b")
    ]
    caller.shop.caught_up()
    assert {name[0] for name in ids(caller.ask(CUSTOMERS[0], limit=100))} == {name[0] for name in everywhere} - {"c"}
    caller.run(experiment("e", *variants))
    assert {name[0] for name in ids(caller.ask(CUSTOMERS[0], limit=100))} == {name[0] for name in everywhere} - {"t"}


BANDIT = Bandit(variants=[AS_NOW, POPULAR], most_explored=0.5)


def test_a_bandit_chooses_within_its_budget_and_logs_the_chances(caller: Caller) -> None:
    caller.place("top", bandit=BANDIT)
    answers = [caller.ask(CUSTOMERS[0], placement_id="top") for _ in range(200)]
    chosen = Counter(each.variant_id for each in answers)
    assert 60 < chosen["popular"] < 140
    assert all((each.strategy == "popular") == (each.variant_id == "popular") for each in answers)
    logged = caller.logged()
    assert [each.decision["variant"] for each in logged] == [each.variant_id for each in answers]
    assert {tuple(each.decision["probabilities"].items()) for each in logged} == {(("as_now", 0.5), ("popular", 0.5))}
    assert {len(each.decision["features"]) for each in logged} == {len(NAMES)}
    assert {each.placement_id for each in logged} == {"top"}


def test_what_is_believed_decides_in_every_replica(caller: Caller) -> None:
    caller.place("top", bandit=BANDIT)
    certain = 1e-12 * np.eye(len(NAMES))
    best = np.zeros(len(NAMES))
    best[0] = 1.0
    with caller.shop.database.write() as connection:
        found = {"as_now": Posterior(0 * best, certain), "popular": Posterior(best, certain)}
        bandits.store_posteriors(connection, "top", found, NOW)
    caller.shop.caught_up()
    chosen = Counter(caller.ask(CUSTOMERS[0], placement_id="top").variant_id for _ in range(100))
    assert chosen["popular"] > 90
    assert caller.logged()[0].decision["probabilities"] == {"as_now": 0.01, "popular": 0.99}


def test_an_arm_that_says_something_keeps_the_bandit_out(caller: Caller) -> None:
    caller.place("top", bandit=BANDIT)
    plain = [Variant(variant_id=name, strategy="default") for name in ("a", "b")]
    caller.run(experiment("e", *plain))
    answers = [caller.ask(CUSTOMERS[0], placement_id="top") for _ in range(20)]
    assert {(each.variant_id, each.strategy == "popular") for each in answers} == {("", False)}


def test_an_arm_that_says_a_model_or_rules_alone_is_filled_by_the_bandit(caller: Caller) -> None:
    caller.place("top", bandit=BANDIT)
    caller.run(experiment("e", AS_NOW, Variant(variant_id="bold", without_rule_ids=["none"])))
    answers = [caller.ask(each, placement_id="top") for each in CUSTOMERS for _ in range(3)]
    assert {each.arm for each in answers} == {"as_now", "bold"}
    assert all(each.variant_id for each in answers)
    assert {each.decision["variant"] for each in caller.logged()} == {"as_now", "popular"}


def test_exploration_shows_other_products_at_a_known_chance_within_its_budget(caller: Caller) -> None:
    plain = caller.ask(CUSTOMERS[0], limit=8)
    caller.place("top", count=8, exploration=Exploration(share_of_places=0.05, relevance_given_up=1))
    answers = [caller.ask(CUSTOMERS[0], placement_id="top") for _ in range(300)]
    explored = [each for answer in answers for each in answer.recommendations if each.explored]
    assert 0.02 < len(explored) / (8 * 300) < 0.08
    assert {each.position for each in explored} <= set(range(2, 9))
    assert {each.product_id for each in explored}.isdisjoint(ids(plain))
    per_place = 0.05 * 8 / 7
    others = [each for answer in answers for each in answer.recommendations if not each.explored]
    assert {round(each.propensity, 6) for each in others} == {1.0, round(1 - per_place, 6)}
    assert all(each.propensity == 1.0 for each in others if each.position == 1)
    assert sum({each.product_id: each.propensity for each in explored}.values()) <= per_place + 1e-6
    logged = caller.logged()
    stored = [item.propensity for each in logged[1:] for item in unpack(each.packed_items)]
    np.testing.assert_allclose(stored, [each.propensity for answer in answers for each in answer.recommendations], 1e-6)
    displaced = [each.decision["displaced"][0] for each in logged[1:] if each.decision]
    assert displaced == [each.position for each in explored]


def test_products_that_came_after_the_training_get_their_share_of_the_explored_places(caller: Caller) -> None:
    small_shop.add_products(caller.shop.database, [small_shop.product("c-just-in")])
    caller.shop.caught_up()
    all_new = Exploration(share_of_places=0.5, relevance_given_up=1, new_products=1)
    caller.place("top", count=4, exploration=all_new)
    shown = [each for _ in range(40) for each in caller.ask(CUSTOMERS[0], placement_id="top").recommendations]
    explored = [each.product_id for each in shown if each.explored]
    assert len(explored) > 20
    assert set(explored) == {"c-just-in"}
    caller.place("half", count=4, exploration=Exploration(share_of_places=0.5, relevance_given_up=1, new_products=0.5))
    answers = [caller.ask(CUSTOMERS[0], placement_id="half") for _ in range(100)]
    drawn = [each.product_id == "c-just-in" for answer in answers for each in answer.recommendations if each.explored]
    assert 0.3 < np.mean(drawn) < 0.7


def test_a_small_budget_of_relevance_accepts_few_attempts(caller: Caller) -> None:
    caller.place("top", count=8, exploration=Exploration(share_of_places=0.1, relevance_given_up=1e-9))
    answers = [caller.ask(CUSTOMERS[0], placement_id="top") for _ in range(50)]
    given_up = [each.explored for answer in answers for each in answer.recommendations]
    assert sum(given_up) < 5


def test_lists_with_promised_places_and_of_what_was_bought_are_not_explored(caller: Caller) -> None:
    everything = Exploration(share_of_places=0.5, relevance_given_up=1)
    caller.place("pinned", exploration=everything)
    caller.place("again", page_type="PAGE_TYPE_BUY_AGAIN", exploration=everything)
    caller.shop.agent.rules.create(Rule(rule_id="pin", pin=PinAction(product_id="t1", position=3)))
    caller.shop.agent.rules.create(Rule(rule_id="low", filter='category = "Tea"', bury=BuryAction()))
    caller.shop.caught_up()
    for name in ("pinned", "again"):
        answers = [caller.ask(CUSTOMERS[0], placement_id=name) for _ in range(10)]
        assert not [each for answer in answers for each in answer.recommendations if each.explored], name


def test_who_is_held_out_meets_no_bandit_and_no_exploration(caller: Caller) -> None:
    caller.place("top", bandit=BANDIT, exploration=Exploration(share_of_places=0.5, relevance_given_up=1))
    held = experiment("all", AS_NOW, Variant(variant_id="held_out"), layer="holdout")
    caller.run(held, experiment("other"))
    answers = [caller.ask(each, placement_id="top") for each in CUSTOMERS for _ in range(3)]
    out = [each for each in answers if each.assignments[0].arm_id == "held_out"]
    assert out
    assert len(out) < len(answers)
    assert {(len(each.assignments), each.variant_id) for each in out} == {(1, "")}
    assert not [each for answer in out for each in answer.recommendations if each.explored]
    assert {each.propensity for answer in out for each in answer.recommendations} == {1.0}
    assert {len(each.assignments) for each in answers if each not in out} == {2}


def test_the_same_seed_makes_the_same_choices(caller: Caller) -> None:
    caller.place("top", bandit=BANDIT, exploration=Exploration(share_of_places=0.1, relevance_given_up=1))
    runs = []
    for _ in range(2):
        caller.shop.agent._random = np.random.default_rng(5)
        runs.append([ids(caller.ask(CUSTOMERS[0], placement_id="top")) for _ in range(30)])
    assert runs[0] == runs[1]


@pytest.mark.parametrize("design", ["TEAM_DRAFT", "OPTIMISED_INTERLEAVING"])
def test_interleaved_lists_are_drawn_from_both_arms(caller: Caller, design: str) -> None:
    new = Variant(variant_id="new", strategy="new_arrivals")
    caller.place("top", bandit=BANDIT, exploration=Exploration(share_of_places=0.5, relevance_given_up=1))
    caller.place("alone_popular", strategy="popular")
    caller.place("alone_new", strategy="new_arrivals")
    popular, arrivals = (ids(caller.ask(CUSTOMERS[0], placement_id=f"alone_{name}")) for name in ("popular", "new"))
    caller.run(experiment("e", POPULAR, new, placement_ids=["top"], design=f"EXPERIMENT_DESIGN_{design}"))
    answers = [caller.ask(CUSTOMERS[0], placement_id="top", limit=6) for _ in range(30)]
    assert {each.strategy for each in answers} == {"interleaved"}
    assert {(each.arm, each.variant_id) for each in answers} == {("both", "")}
    assert {ids(each)[0] for each in answers} == {popular[0], arrivals[0]}
    assert all(set(ids(each)) <= {*popular, *arrivals} for each in answers)
    logged = [each for each in caller.logged() if each.placement_id == "top"]
    for each, answer in zip(logged, answers, strict=True):
        decision = each.decision
        assert decision["interleaved"] == "e"
        assert len(decision["credits"]) == len(answer.recommendations) == 6
    totals = np.array([each.decision["credits"] for each in logged]).mean(axis=0)
    assert np.abs(totals).max() < 0.7, "neither arm has a place to itself"


def test_further_pages_of_a_list_are_filled_by_what_seems_best_and_teach_nothing(caller: Caller) -> None:
    caller.place("top", count=4, bandit=BANDIT)
    first = caller.ask(CUSTOMERS[0], placement_id="top")
    second = caller.ask(CUSTOMERS[0], placement_id="top", page_token=first.next_page_token)
    assert not set(ids(first)) & set(ids(second))
    assert [bool(each.decision) for each in caller.logged()] == [True, False]
