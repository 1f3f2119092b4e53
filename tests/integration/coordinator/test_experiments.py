"""Experiments through the one public door: what is concluded is done, and a fallback belongs to its arm."""

import asyncio
from typing import Any

import pytest
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.experiment_pb2 import Experiment, ExperimentArm, ExperimentState
from quintet.type.v1.placement_pb2 import Bandit, BoostAction, Placement, PlacementBoosts, Rule, Variant

from shared.db.engine import Database
from shared.errors import FailedPrecondition, NotFound
from shared.rpc.client import call
from tests.integration.coordinator.test_merchandising import SECONDS, door, recommendation_agent
from tests.integration.coordinator.test_service import coordinator
from tests.support.shop import add_products

__all__ = ["door"]
AS_NOW = Variant(variant_id="as_now")


def experiment(*variants: Variant, **fields: Any) -> Experiment:
    arms = [ExperimentArm(variant=each) for each in variants]
    return Experiment(experiment_id="e", arms=arms, **fields)


async def start(door: Any, *variants: Variant, **fields: Any) -> None:
    await call(door.CreateExperiment, pb.CreateExperimentRequest(experiment=experiment(*variants, **fields)), SECONDS)


async def conclude(door: Any, arm: str) -> Any:
    request = pb.ConcludeExperimentRequest(experiment_id="e", arm_id=arm, reason="Better.", apply=True)
    return (await call(door.ConcludeExperiment, request, SECONDS)).experiment


async def test_an_experiment_is_kept_through_the_door(door: Any) -> None:
    await start(door, AS_NOW, Variant(variant_id="new"))
    listed = await call(door.ListExperiments, pb.ListExperimentsRequest(), SECONDS)
    assert [each.experiment_id for each in listed.experiments] == ["e"]
    stopped = await call(door.StopExperiment, pb.StopExperimentRequest(experiment_id="e", reason="r"), SECONDS)
    assert stopped.experiment.state == ExperimentState.EXPERIMENT_STATE_STOPPED
    got = await call(door.GetExperiment, pb.GetExperimentRequest(experiment_id="e"), SECONDS)
    assert got.experiment == stopped.experiment
    assert (await call(door.DeleteExperiment, pb.DeleteExperimentRequest(experiment_id="e"), SECONDS)).deleted
    with pytest.raises(NotFound):
        await call(door.GetExperiment, pb.GetExperimentRequest(experiment_id="e"), SECONDS)


async def test_what_an_arm_does_is_done_after_it_was_chosen(door: Any) -> None:
    await call(door.CreateRule, pb.CreateRuleRequest(rule=rule("off", disabled=True)), SECONDS)
    await call(door.CreateRule, pb.CreateRuleRequest(rule=rule("on")), SECONDS)
    placement = Placement(placement_id="top", strategy="trending", count=3)
    await call(door.CreatePlacement, pb.CreatePlacementRequest(placement=placement), SECONDS)
    chosen = Variant(
        variant_id="new",
        weights=[{"algorithm": "popular", "weight": 1}],
        diversity=0.25,
        boosts=PlacementBoosts(price=0.5),
        with_rule_ids=["off"],
        without_rule_ids=["on"],
    )
    await start(door, AS_NOW, chosen, placement_ids=["top"])
    for _ in range(2):
        assert (await conclude(door, "new")).chosen_arm_id == "new"
    now = (await call(door.GetPlacement, pb.GetPlacementRequest(placement_id="top"), SECONDS)).placement
    assert (now.strategy, now.count, now.diversity, now.boosts.price) == ("", 3, 0.25, 0.5)
    assert [(each.algorithm, each.weight) for each in now.weights] == [("popular", 1)]
    rules = (await call(door.ListRules, pb.ListRulesRequest(), SECONDS)).rules
    assert {each.rule_id: each.disabled for each in rules} == {"off": False, "on": True}


async def test_an_arm_that_says_a_strategy_replaces_weights(door: Any) -> None:
    placement = Placement(placement_id="top", weights=[{"algorithm": "popular", "weight": 1}])
    await call(door.CreatePlacement, pb.CreatePlacementRequest(placement=placement), SECONDS)
    await start(door, AS_NOW, Variant(variant_id="new", strategy="trending"), placement_ids=["top"])
    await conclude(door, "new")
    now = (await call(door.GetPlacement, pb.GetPlacementRequest(placement_id="top"), SECONDS)).placement
    assert (now.strategy, len(now.weights)) == ("trending", 0)


async def test_an_arm_that_changes_placements_is_not_applied_to_no_placement(door: Any) -> None:
    await start(door, AS_NOW, Variant(variant_id="new", diversity=0.5))
    with pytest.raises(FailedPrecondition):
        await conclude(door, "new")
    assert await still_runs(door)


async def test_a_model_that_is_gone_is_not_applied(door: Any) -> None:
    await start(door, AS_NOW, Variant(variant_id="new", model_version="gone"))
    with pytest.raises(NotFound):
        await conclude(door, "new")
    assert await still_runs(door)


async def still_runs(door: Any) -> bool:
    got = await call(door.GetExperiment, pb.GetExperimentRequest(experiment_id="e"), SECONDS)
    return bool(got.experiment.state == ExperimentState.EXPERIMENT_STATE_RUNNING) and not got.experiment.chosen_arm_id


async def test_another_arm_than_the_chosen_one_changes_nothing(door: Any) -> None:
    await call(door.CreatePlacement, pb.CreatePlacementRequest(placement=Placement(placement_id="top")), SECONDS)
    await start(door, AS_NOW, Variant(variant_id="new", strategy="trending"), placement_ids=["top"])
    await conclude(door, "as_now")
    with pytest.raises(FailedPrecondition):
        await conclude(door, "new")
    now = (await call(door.GetPlacement, pb.GetPlacementRequest(placement_id="top"), SECONDS)).placement
    assert now.strategy == ""


async def test_a_chosen_arm_takes_the_place_of_a_bandit(door: Any) -> None:
    variants = [AS_NOW, Variant(variant_id="popular", strategy="popular")]
    placement = Placement(placement_id="top", bandit=Bandit(variants=variants))
    await call(door.CreatePlacement, pb.CreatePlacementRequest(placement=placement), SECONDS)
    await start(door, AS_NOW, Variant(variant_id="new", strategy="trending"), placement_ids=["top"])
    await conclude(door, "new")
    now = (await call(door.GetPlacement, pb.GetPlacementRequest(placement_id="top"), SECONDS)).placement
    assert (now.strategy, now.bandit.disabled, len(now.bandit.variants)) == ("trending", True, 2)


async def test_a_fallback_belongs_to_its_arm(sqlite_database: Database) -> None:
    add_products(sqlite_database, "p1", "p2")
    async with recommendation_agent(sqlite_database) as address, coordinator(sqlite_database, address) as stub:
        await start(stub, AS_NOW, Variant(variant_id="new"))
    async with coordinator(sqlite_database, "127.0.0.1:1") as stub:
        request = pb.GetRecommendationsRequest(visitor_id="v")
        async with asyncio.timeout(SECONDS):
            answer = (await call(stub.GetRecommendations, request, SECONDS)).list
            while "merchandising_not_read" in answer.fallbacks:
                answer = (await call(stub.GetRecommendations, request, SECONDS)).list
    assert answer.fallbacks[0] == "recommendation_agent_unavailable"
    assert [each.experiment_id for each in answer.assignments] == ["e"]
    assert answer.arm == answer.assignments[0].arm_id


def rule(name: str, **fields: Any) -> Rule:
    return Rule(rule_id=name, boost=BoostAction(factor=2), **fields)


async def test_what_the_log_cannot_say_is_refused_through_the_door(door: Any) -> None:
    request = pb.EvaluateConfigurationRequest(placement_id="home", without_exploration=True)
    with pytest.raises(FailedPrecondition, match="no list of placement home") as caught:
        await call(door.EvaluateConfiguration, request, SECONDS)
    assert caught.value.reason == ErrorReason.DATA_MISSING
    request = pb.EvaluateConfigurationRequest(placement_id="cart", without_exploration=True)
    with pytest.raises(FailedPrecondition, match="cannot be ranked again") as caught:
        await call(door.EvaluateConfiguration, request, SECONDS)
    assert (caught.value.reason, caught.value.metadata) == (ErrorReason.OVERLAP_INSUFFICIENT, {"cause": "replay"})
