"""Messages of variants, bandits, exploration and experiments as values, with checks of each field."""

from collections.abc import Mapping, Sequence

from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.experiment_pb2 import AssignmentUnit, ExperimentDesign, ExperimentMetric
from quintet.type.v1.experiment_pb2 import Experiment as ExperimentMessage
from quintet.type.v1.experiment_pb2 import ExperimentArm as ArmMessage
from quintet.type.v1.placement_pb2 import Bandit as BanditMessage
from quintet.type.v1.placement_pb2 import Exploration as ExplorationMessage
from quintet.type.v1.placement_pb2 import Reward as RewardMessage
from quintet.type.v1.placement_pb2 import Variant as VariantMessage

from shared import limits
from shared.errors import InvalidArgument
from shared.events.check import check_choice, check_count, check_id, check_number, check_text
from shared.experiments.assignment import BUCKETS
from shared.experiments.bandit_plan import (
    HALF_LIFE_DAYS,
    MOST_EXPLORED,
    NEW_PRODUCTS,
    RELEVANCE_GIVEN_UP,
    BanditPlan,
    ExplorationPlan,
    Reward,
)
from shared.experiments.experiment import Arm, Design, Experiment, Unit
from shared.experiments.variant import Variant
from shared.merchandising.fields import (
    DEFAULT_STRATEGY,
    check_alone,
    check_name,
    check_order,
    check_strategy,
    to_boosts,
    to_moment,
    to_strategy,
    to_weights,
)
from shared.page_rules import Page

_REWARDS = tuple(field.name for field in RewardMessage.DESCRIPTOR.fields)
_UNITS: Mapping[int, Unit] = {
    AssignmentUnit.ASSIGNMENT_UNIT_UNSPECIFIED: Unit.CUSTOMER,
    AssignmentUnit.ASSIGNMENT_UNIT_CUSTOMER: Unit.CUSTOMER,
    AssignmentUnit.ASSIGNMENT_UNIT_VISITOR: Unit.VISITOR,
    AssignmentUnit.ASSIGNMENT_UNIT_SESSION: Unit.SESSION,
}
_DESIGNS: Mapping[int, Design] = {
    ExperimentDesign.EXPERIMENT_DESIGN_UNSPECIFIED: Design.SPLIT,
    ExperimentDesign.EXPERIMENT_DESIGN_SPLIT: Design.SPLIT,
    ExperimentDesign.EXPERIMENT_DESIGN_TEAM_DRAFT: Design.TEAM_DRAFT,
    ExperimentDesign.EXPERIMENT_DESIGN_OPTIMISED_INTERLEAVING: Design.OPTIMISED,
}
INTERLEAVED_ARMS = 2


def to_variant(message: VariantMessage, page: Page | None, field: str) -> Variant:
    """Return a variant; `page` is that of its placement, None for any. Raises InvalidArgument naming the field."""
    check_name(message.variant_id, f"{field}.variant_id")
    check_text(message.description, f"{field}.description", limits.MAX_NOTE)
    check_alone(message.strategy, message.weights, field)
    check_id(message.model_version, f"{field}.model_version", required=False)
    diversity = message.diversity if message.HasField("diversity") else None
    if diversity is not None:
        check_number(diversity, f"{field}.diversity", 0, 1)
    return Variant(
        message.variant_id,
        _strategy(message.strategy, page, f"{field}.strategy"),
        to_weights(message.weights, f"{field}.weights"),
        diversity,
        to_boosts(message.boosts, f"{field}.boosts") if message.HasField("boosts") else None,
        _rule_names(message.with_rule_ids, f"{field}.with_rule_ids"),
        _rule_names(message.without_rule_ids, f"{field}.without_rule_ids"),
        message.model_version,
    )


def to_bandit(message: BanditMessage, page: Page, field: str) -> BanditPlan | None:
    """Return the plan of a bandit; None for one that is switched off. Raises InvalidArgument naming the field."""
    least, most = limits.MIN_BANDIT_VARIANTS, limits.MAX_BANDIT_VARIANTS
    check_count(message.variants, f"{field}.variants", most, least=least)
    variants = tuple(
        to_variant(each, page, f"{field}.variants[{index}]") for index, each in enumerate(message.variants)
    )
    _check_different([each.variant_id for each in variants], f"{field}.variants", "variant_id")
    check_number(message.most_explored, f"{field}.most_explored", 0, 1)
    check_number(message.half_life_days, f"{field}.half_life_days", 0, limits.MAX_HALF_LIFE_DAYS)
    reward = to_reward(message.reward, f"{field}.reward") if message.HasField("reward") else Reward()
    if message.disabled:
        return None
    explored, half_life = message.most_explored or MOST_EXPLORED, message.half_life_days or HALF_LIFE_DAYS
    return BanditPlan(variants, reward, explored, half_life)


def to_reward(message: RewardMessage, field: str) -> Reward:
    """Return what a list is worth. Raises InvalidArgument naming the field."""
    weights = {name: getattr(message, name) for name in _REWARDS}
    for name, weight in weights.items():
        check_number(weight, f"{field}.{name}", 0, limits.MAX_WEIGHT)
    if not any(weights.values()):
        raise InvalidArgument.of(field, 0, "must have a weight above 0", ErrorReason.FIELD_OUT_OF_RANGE)
    return Reward(**weights)


def to_exploration(message: ExplorationMessage, field: str) -> ExplorationPlan:
    """Return a budget of exploration. Raises InvalidArgument naming the field."""
    places = f"{field}.share_of_places"
    check_number(message.share_of_places, places, 0, limits.MAX_EXPLORED_PLACES, above=True)
    check_number(message.relevance_given_up, f"{field}.relevance_given_up", 0, 1)
    new = message.new_products if message.HasField("new_products") else NEW_PRODUCTS
    check_number(new, f"{field}.new_products", 0, 1)
    return ExplorationPlan(message.share_of_places, message.relevance_given_up or RELEVANCE_GIVEN_UP, new)


def to_experiment(message: ExperimentMessage, field: str = "experiment") -> Experiment:
    """Return an experiment. Raises InvalidArgument naming the field."""
    check_name(message.experiment_id, f"{field}.experiment_id")
    check_text(message.description, f"{field}.description", limits.MAX_NOTE)
    _check_plan(message, field)
    if message.layer:
        check_name(message.layer, f"{field}.layer")
    check_count(message.placement_ids, f"{field}.placement_ids", limits.MAX_CONDITION_NAMES)
    for index, name in enumerate(message.placement_ids):
        check_name(name, f"{field}.placement_ids[{index}]")
    start, end = (to_moment(message, name, field) for name in ("start_time", "end_time"))
    check_order(start, end, field)
    return Experiment(
        experiment_id=message.experiment_id,
        arms=_arms(message, field),
        placement_ids=frozenset(message.placement_ids),
        unit=_UNITS[message.unit],
        design=_DESIGNS[message.design],
        layer=message.layer or f"experiment:{message.experiment_id}",
        first_bucket=message.first_bucket,
        buckets=buckets_of(message),
        start=start,
        end=end,
    )


def buckets_of(message: ExperimentMessage) -> int:
    """Return how many buckets of its layer an experiment needs: at least one."""
    return max(1, round((message.traffic or 1.0) * BUCKETS))


def _check_plan(message: ExperimentMessage, field: str) -> None:
    check_choice(message.unit, f"{field}.unit", _UNITS, "one of the units of assignment")
    check_choice(message.design, f"{field}.design", _DESIGNS, "one of the designs")
    check_choice(message.primary_metric, f"{field}.primary_metric", ExperimentMetric.values(), "one of the metrics")
    check_number(message.traffic, f"{field}.traffic", 0, 1)
    check_number(message.minimum_effect, f"{field}.minimum_effect", 0, limits.MAX_EFFECT)
    check_number(message.alpha, f"{field}.alpha", 0, limits.MAX_ALPHA)
    check_number(message.power, f"{field}.power", 0, limits.MAX_POWER)
    check_count(message.guardrails, f"{field}.guardrails", limits.MAX_GUARDRAILS)
    for index, each in enumerate(message.guardrails):
        where = f"{field}.guardrails[{index}]"
        known = [value for value in ExperimentMetric.values() if value]
        check_choice(each.metric, f"{where}.metric", known, "one of the metrics")
        check_number(each.tolerance, f"{where}.tolerance", 0, 1)


def _arms(message: ExperimentMessage, field: str) -> tuple[Arm, ...]:
    check_count(message.arms, f"{field}.arms", limits.MAX_ARMS, least=limits.MIN_ARMS)
    arms = tuple(_arm(each, f"{field}.arms[{index}]") for index, each in enumerate(message.arms))
    _check_different([arm.arm_id for arm in arms], f"{field}.arms", "variant.variant_id")
    if _DESIGNS[message.design] is not Design.SPLIT and len(arms) != INTERLEAVED_ARMS:
        problem = "must be two for lists that are drawn from both"
        raise InvalidArgument.of(f"{field}.arms", len(arms), problem, ErrorReason.FIELD_CONFLICT)
    return arms


def _arm(message: ArmMessage, field: str) -> Arm:
    check_number(message.share, f"{field}.share", 0, limits.MAX_ARM_SHARE)
    return Arm(to_variant(message.variant, None, f"{field}.variant"), message.share or 1.0)


def _strategy(name: str, page: Page | None, field: str) -> str | None:
    if not name:
        return None
    if page is not None:
        return to_strategy(name, page, field)
    check_strategy(name, field)
    return "" if name == DEFAULT_STRATEGY else name


def _rule_names(names: Sequence[str], field: str) -> frozenset[str]:
    check_count(names, field, limits.MAX_CONDITION_NAMES)
    for index, name in enumerate(names):
        check_name(name, f"{field}[{index}]")
    return frozenset(names)


def _check_different(names: Sequence[str], field: str, part: str) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            where = f"{field}[{index}].{part}"
            raise InvalidArgument.of(where, name, "must be given once only", ErrorReason.DUPLICATE_ELEMENT)
