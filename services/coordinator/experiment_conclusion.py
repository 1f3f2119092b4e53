"""Concludes experiments, and makes what the chosen arm does what is done from now on.

What an arm does is applied before the experiment is concluded: if that fails, the experiment goes on and all may be
repeated, since each step sets what is wanted.
"""

from google.protobuf.field_mask_pb2 import FieldMask
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.experiment_pb2 import Experiment, ExperimentState
from quintet.type.v1.placement_pb2 import Placement, Rule, Variant

from services.coordinator.agent_clients import AgentClients
from shared.errors import FailedPrecondition


async def conclude(agents: AgentClients, request: recommendation_pb.ConcludeExperimentRequest) -> Experiment:
    """Conclude an experiment with an arm, and apply the arm if the request says so.

    Raises as the recommendation agent's RPC and `_apply` do; then the experiment is as it was.
    """
    if request.apply:
        asked = recommendation_pb.GetExperimentRequest(experiment_id=request.experiment_id)
        found = (await agents.call(agents.recommendation.GetExperiment, asked)).experiment
        if _may_conclude(found, request.arm_id):
            await _apply(agents, found, request.arm_id)
    answer = await agents.call(agents.recommendation.ConcludeExperiment, request)
    concluded: Experiment = answer.experiment
    return concluded


def _may_conclude(experiment: Experiment, arm_id: str) -> bool:
    """Return whether an experiment can be concluded with an arm; where it cannot, the agent says why."""
    known = arm_id in [arm.variant.variant_id for arm in experiment.arms]
    return known and (
        experiment.state != ExperimentState.EXPERIMENT_STATE_CONCLUDED or experiment.chosen_arm_id == arm_id
    )


async def _apply(agents: AgentClients, experiment: Experiment, arm_id: str) -> None:
    """Apply an arm: to the placements of the experiment, the rules and the model.

    Raises FailedPrecondition for an arm that says how placements are filled where the experiment names none; NotFound
    for a placement, rule or model that is gone.
    """
    variant = next(arm.variant for arm in experiment.arms if arm.variant.variant_id == arm_id)
    paths = _paths(variant)
    if paths and not experiment.placement_ids:
        raise FailedPrecondition(
            f"arm {arm_id} changes {', '.join(paths)} and experiment {experiment.experiment_id} names no placements:"
            " change the placements by hand"
        )
    for name in experiment.placement_ids if paths else ():
        await _fill(agents, name, variant, paths)
    for name in variant.with_rule_ids:
        await _switch(agents, name, disabled=False)
    for name in variant.without_rule_ids:
        await _switch(agents, name, disabled=True)
    if variant.model_version:
        activate = recommendation_pb.ActivateModelVersionRequest(version=variant.model_version)
        await agents.call(agents.recommendation.ActivateModelVersion, activate)


def _paths(variant: Variant) -> list[str]:
    """Return the fields of a placement that a variant sets."""
    paths = []
    if variant.strategy or variant.weights:
        paths += ["strategy", "weights"]
    if variant.HasField("diversity"):
        paths.append("diversity")
    if variant.HasField("boosts"):
        paths.append("boosts")
    return paths


async def _fill(agents: AgentClients, name: str, variant: Variant, paths: list[str]) -> None:
    """Set fields of a placement. A bandit of it is switched off, as the experiment's arm kept it out."""
    placement = Placement(placement_id=name, strategy=variant.strategy, weights=variant.weights)
    if variant.HasField("diversity"):
        placement.diversity = variant.diversity
    if variant.HasField("boosts"):
        placement.boosts.CopyFrom(variant.boosts)
    asked = recommendation_pb.GetPlacementRequest(placement_id=name)
    now = (await agents.call(agents.recommendation.GetPlacement, asked)).placement
    if now.HasField("bandit"):
        placement.bandit.disabled = True
        paths = [*paths, "bandit.disabled"]
    request = recommendation_pb.UpdatePlacementRequest(placement=placement, update_mask=FieldMask(paths=paths))
    await agents.call(agents.recommendation.UpdatePlacement, request)


async def _switch(agents: AgentClients, name: str, *, disabled: bool) -> None:
    rule = Rule(rule_id=name, disabled=disabled)
    request = recommendation_pb.UpdateRuleRequest(rule=rule, update_mask=FieldMask(paths=["disabled"]))
    await agents.call(agents.recommendation.UpdateRule, request)
