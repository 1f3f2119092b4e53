"""Messages of placements and rules as values, with checks of each field."""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.placement_pb2 import LimitGroup as LimitGroupMessage
from quintet.type.v1.placement_pb2 import Placement as PlacementMessage
from quintet.type.v1.placement_pb2 import Rule as RuleMessage
from quintet.type.v1.placement_pb2 import RuleCondition as ConditionMessage

from shared import limits
from shared.errors import InvalidArgument
from shared.events.check import check_choice, check_count, check_id, check_number, check_text
from shared.events.filter import checked_expression
from shared.events.page import page_of_type
from shared.experiments.convert import to_bandit, to_exploration
from shared.merchandising.fields import (
    check_alone,
    check_name,
    check_order,
    to_boosts,
    to_moment,
    to_strategy,
    to_weights,
)
from shared.merchandising.placement import BUILT_IN, Placement
from shared.merchandising.rule import (
    MINUTES_A_DAY,
    Action,
    Condition,
    Exclude,
    Limit,
    LimitGroup,
    Pin,
    Rule,
    WeeklyHours,
    Weigh,
)
from shared.page_rules import DEFAULT_LIMIT, MAX_LIMIT, Page

UTC = "UTC"
_GROUPS = {
    LimitGroupMessage.LIMIT_GROUP_BRAND: LimitGroup.BRAND,
    LimitGroupMessage.LIMIT_GROUP_CATEGORY: LimitGroup.CATEGORY,
}


def to_placement(message: PlacementMessage, field: str = "placement") -> Placement:
    """Return a placement. Raises InvalidArgument naming the field."""
    check_name(message.placement_id, f"{field}.placement_id")
    check_text(message.description, f"{field}.description", limits.MAX_NOTE)
    check_number(message.count, f"{field}.count", 0, MAX_LIMIT)
    page = _page(message.page_type, f"{field}.page_type")
    namesake = BUILT_IN.get(message.placement_id)
    if namesake is not None and page is not namesake.page:
        problem = f"must be {namesake.page} for this built-in placement"
        raise InvalidArgument.of(f"{field}.page_type", page, problem, ErrorReason.FIELD_CONFLICT)
    diversity = message.diversity if message.HasField("diversity") else None
    if diversity is not None:
        check_number(diversity, f"{field}.diversity", 0, 1)
    check_alone(message.strategy, message.weights, field)
    return Placement(
        message.placement_id,
        page,
        to_strategy(message.strategy, page, f"{field}.strategy"),
        message.count or DEFAULT_LIMIT,
        checked_expression(message.filter, f"{field}.filter"),
        diversity,
        to_boosts(message.boosts, f"{field}.boosts"),
        message.allow_repeats,
        weights=to_weights(message.weights, f"{field}.weights"),
        bandit=to_bandit(message.bandit, page, f"{field}.bandit") if message.HasField("bandit") else None,
        exploration=to_exploration(message.exploration, f"{field}.exploration")
        if message.HasField("exploration")
        else None,
    )


def to_rule(message: RuleMessage, field: str = "rule") -> Rule:
    """Return a rule. Raises InvalidArgument naming the field."""
    check_name(message.rule_id, f"{field}.rule_id")
    check_text(message.description, f"{field}.description", limits.MAX_NOTE)
    check_number(message.priority, f"{field}.priority", -limits.MAX_PRIORITY, limits.MAX_PRIORITY)
    kind = message.WhichOneof("action")
    if kind is None:
        problem = f"is required: one of {', '.join(_ACTIONS)}"
        raise InvalidArgument.of(f"{field}.action", "", problem, ErrorReason.FIELD_REQUIRED)
    action = _ACTIONS[kind](getattr(message, kind), f"{field}.{kind}")
    expression = checked_expression(message.filter, f"{field}.filter")
    _check_fits(kind, message.filter, has_filter=expression is not None, field=f"{field}.filter")
    condition = _condition(message.condition, f"{field}.condition")
    return Rule(message.rule_id, action, expression, condition, message.priority, message.disabled)


def _check_fits(kind: str, text: str, *, has_filter: bool, field: str) -> None:
    if kind == "pin" and has_filter:
        problem = "must be empty for a pin, which names its product"
        raise InvalidArgument.of(field, text, problem, ErrorReason.FIELD_CONFLICT)
    if kind == "exclude" and not has_filter:
        raise InvalidArgument.of(field, text, "is required to exclude products", ErrorReason.FIELD_REQUIRED)


def _page(page_type: int, field: str) -> Page:
    check_choice(page_type, field, PageType.values(), "one of the page types")
    return page_of_type(page_type)


def _pin(message: Any, field: str) -> Pin:
    check_id(message.product_id, f"{field}.product_id")
    check_number(message.position, f"{field}.position", 1, MAX_LIMIT)
    return Pin(message.product_id, message.position)


def _boost(message: Any, field: str) -> Weigh:
    check_number(message.factor, f"{field}.factor", 1, limits.MAX_BOOST, above=True)
    return Weigh(message.factor)


def _bury(message: Any, field: str) -> Weigh:
    if not 0 <= message.factor < 1:
        problem = "must be at least 0 and below 1"
        raise InvalidArgument.of(f"{field}.factor", message.factor, problem, ErrorReason.FIELD_OUT_OF_RANGE)
    return Weigh(message.factor)


def _limit(message: Any, field: str) -> Limit:
    check_choice(message.group, f"{field}.group", _GROUPS, "BRAND or CATEGORY")
    check_number(message.most, f"{field}.most", 1, MAX_LIMIT)
    if message.window:
        check_number(message.window, f"{field}.window", limits.MIN_WINDOW, MAX_LIMIT)
    return Limit(_GROUPS[message.group], message.most, message.window)


_ACTIONS: Mapping[str, Callable[[Any, str], Action]] = {
    "pin": _pin,
    "boost": _boost,
    "bury": _bury,
    "exclude": lambda _message, _field: Exclude(),
    "limit": _limit,
}


def _condition(message: ConditionMessage, field: str) -> Condition:
    check_count(message.placement_ids, f"{field}.placement_ids", limits.MAX_CONDITION_NAMES)
    check_count(message.page_types, f"{field}.page_types", len(Page))
    check_count(message.segments, f"{field}.segments", limits.MAX_CONDITION_NAMES)
    check_count(message.hours, f"{field}.hours", limits.MAX_WEEKLY_HOURS)
    for index, name in enumerate(message.placement_ids):
        check_name(name, f"{field}.placement_ids[{index}]")
    for index, name in enumerate(message.segments):
        check_text(name, f"{field}.segments[{index}]", limits.MAX_SEGMENT, required=True)
    start, end = (to_moment(message, name, field) for name in ("start_time", "end_time"))
    check_order(start, end, field)
    return Condition(
        placement_ids=frozenset(message.placement_ids),
        pages=frozenset(_page(each, f"{field}.page_types[{index}]") for index, each in enumerate(message.page_types)),
        segments=frozenset(message.segments),
        start=start,
        end=end,
        hours=tuple(_hours(each, f"{field}.hours[{index}]") for index, each in enumerate(message.hours)),
        time_zone=_time_zone(message.time_zone, f"{field}.time_zone"),
    )


def _hours(message: Any, field: str) -> WeeklyHours:
    check_count(message.weekdays, f"{field}.weekdays", 7)
    for index, day in enumerate(message.weekdays):
        check_number(day, f"{field}.weekdays[{index}]", 1, 7)
    end = message.end_minute or MINUTES_A_DAY
    check_number(message.start_minute, f"{field}.start_minute", 0, MINUTES_A_DAY - 1)
    check_number(end, f"{field}.end_minute", message.start_minute, MINUTES_A_DAY, above=True)
    return WeeklyHours(frozenset(message.weekdays), message.start_minute, end)


def _time_zone(name: str, field: str) -> str:
    if not name:
        return UTC
    check_text(name, field, limits.MAX_TIME_ZONE)
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # the last two for what is no name of a file
        problem = "must be a name of the IANA time zone database"
        raise InvalidArgument.of(field, name, problem, ErrorReason.FIELD_UNKNOWN_VALUE) from error
