"""Makes what an arm of an experiment does what is done from now on.

Each step sets what is wanted, so it may be repeated.
"""

from google.protobuf.field_mask_pb2 import FieldMask
from quintet.feedback.v1 import feedback_service_pb2 as feedback_pb
from quintet.recommendation.v1 import recommendation_service_pb2 as recommendation_pb
from quintet.type.v1.experiment_pb2 import Experiment
from quintet.type.v1.placement_pb2 import Placement, Rule, Variant

from services.coordinator.agent_clients import AgentClients
from shared.errors import FailedPrecondition


async def apply_variant(agents: AgentClients, experiment: Experiment, arm_id: str) -> None:
    """Apply an arm: to the placements of the experiment, the rules and the model; without placements to the weights.

    Raises FailedPrecondition for an arm that says how placements are filled where the experiment names none, unless it
    says weights alone; NotFound for a placement, rule or model that is gone.
    """
    variant = next(arm.variant for arm in experiment.arms if arm.variant.variant_id == arm_id)
    paths = _paths(variant)
    if paths and not experiment.placement_ids and paths != ["weights"]:
        raise FailedPrecondition(
            f"arm {arm_id} changes {', '.join(paths)} and experiment {experiment.experiment_id} names no placements:"
            " change the placements by hand"
        )
    if paths and not experiment.placement_ids:
        reason = f"Arm {arm_id} of experiment {experiment.experiment_id}."
        request = feedback_pb.UpdateWeightsRequest(weights=variant.weights, reason=reason)
        await agents.call(agents.feedback.UpdateWeights, request)
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
        paths += ["weights"] if variant.weights else ["strategy", "weights"]
    if variant.HasField("diversity"):
        paths.append("diversity")
    if variant.HasField("boosts"):
        paths.append("boosts")
    return paths


async def _fill(agents: AgentClients, name: str, variant: Variant, paths: list[str]) -> None:
    placement = Placement(placement_id=name, strategy=variant.strategy, weights=variant.weights)
    if variant.HasField("diversity"):
        placement.diversity = variant.diversity
    if variant.HasField("boosts"):
        placement.boosts.CopyFrom(variant.boosts)
    mask = FieldMask(paths=["strategy", *paths] if variant.weights else paths)
    request = recommendation_pb.UpdatePlacementRequest(placement=placement, update_mask=mask)
    await agents.call(agents.recommendation.UpdatePlacement, request)


async def _switch(agents: AgentClients, name: str, *, disabled: bool) -> None:
    rule = Rule(rule_id=name, disabled=disabled)
    request = recommendation_pb.UpdateRuleRequest(rule=rule, update_mask=FieldMask(paths=["disabled"]))
    await agents.call(agents.recommendation.UpdateRule, request)
