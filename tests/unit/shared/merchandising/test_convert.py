"""Placements and rules are read from messages; each bad field is refused by its name."""

from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.placement_pb2 import (
    BoostAction,
    BuryAction,
    ExcludeAction,
    LimitAction,
    PinAction,
    PlacementBoosts,
    RuleCondition,
)
from quintet.type.v1.placement_pb2 import LimitGroup as Group
from quintet.type.v1.placement_pb2 import Placement as PlacementMessage
from quintet.type.v1.placement_pb2 import Rule as RuleMessage
from quintet.type.v1.placement_pb2 import WeeklyHours as HoursMessage

from shared.errors import InvalidArgument
from shared.filters.parser import parse
from shared.merchandising.convert import to_placement, to_rule
from shared.merchandising.placement import BUILT_IN, Boosts, Placement
from shared.merchandising.rule import (
    Condition,
    Exclude,
    Limit,
    LimitGroup,
    Pin,
    Rule,
    WeeklyHours,
    Weigh,
)
from shared.page_rules import Page
from shared.timestamps import to_datetime

MAY, JUNE = Timestamp(seconds=1_777_593_600), Timestamp(seconds=1_780_272_000)


def placed(**fields: Any) -> PlacementMessage:
    return PlacementMessage(**{"placement_id": "home_top", **fields})


def ruled(**fields: Any) -> RuleMessage:
    return RuleMessage(**{"rule_id": "r", "boost": BoostAction(factor=2), **fields})


def test_a_placement_has_defaults() -> None:
    assert to_placement(placed()) == Placement("home_top", Page.HOME, count=10)
    assert to_placement(PlacementMessage(placement_id="home")) == BUILT_IN["home"]


def test_a_placement_says_all_that_is_said() -> None:
    message = placed(
        page_type=PageType.PAGE_TYPE_CART,
        strategy="trending",
        count=4,
        filter="price < 20",
        diversity=0.5,
        boosts=PlacementBoosts(price=0.1, margin=-0.2, novelty=0.3),
        allow_repeats=True,
    )
    boosts = Boosts(0.1, -0.2, 0.3)
    assert to_placement(message) == Placement(
        "home_top", Page.CART, "trending", 4, parse("price < 20"), 0.5, boosts, allow_repeats=True
    )
    assert to_placement(placed(strategy="default")).strategy == ""


@pytest.mark.parametrize(
    ("message", "field", "problem"),
    [
        (placed(placement_id=""), "placement_id", "is required"),
        (placed(placement_id="Home"), "placement_id", "lower-case"),
        (placed(placement_id="h" * 64), "placement_id", "at most 63"),
        (placed(description="x" * 501), "description", "at most 500"),
        (placed(page_type=99), "page_type", "page types"),
        (placed(strategy="magic"), "strategy", "ease"),
        (placed(strategy="popular", page_type=PageType.PAGE_TYPE_BUY_AGAIN), "strategy", "default"),
        (placed(count=-1), "count", "at least 0"),
        (placed(count=101), "count", "at most 100"),
        (placed(filter="price <"), "filter", "at position 8"),
        (placed(diversity=1.1), "diversity", "at most 1"),
        (placed(diversity=float("nan")), "diversity", "at least 0"),
        (placed(boosts=PlacementBoosts(margin=-2)), "boosts.margin", "at least -1"),
        (placed(placement_id="cart"), "page_type", "CART"),
    ],
)
def test_a_bad_placement_is_refused(message: PlacementMessage, field: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem) as caught:
        to_placement(message)
    assert caught.value.violations[0].field == f"placement.{field}"


@pytest.mark.parametrize(
    ("message", "rule"),
    [
        (ruled(), Rule("r", Weigh(2.0))),
        (ruled(bury=BuryAction()), Rule("r", Weigh(0.0))),
        (ruled(pin=PinAction(product_id="p", position=3)), Rule("r", Pin("p", 3))),
        (ruled(exclude=ExcludeAction(), filter="price < 1"), Rule("r", Exclude(), parse("price < 1"))),
        (
            ruled(limit=LimitAction(group=Group.LIMIT_GROUP_BRAND, most=2, window=5)),
            Rule("r", Limit(LimitGroup.BRAND, 2, 5)),
        ),
        (ruled(priority=-3, disabled=True), Rule("r", Weigh(2.0), priority=-3, disabled=True)),
    ],
)
def test_a_rule_says_what_to_do(message: RuleMessage, rule: Rule) -> None:
    assert to_rule(message) == rule


def test_a_rule_says_when() -> None:
    condition = RuleCondition(
        placement_ids=["home_top"],
        page_types=[PageType.PAGE_TYPE_HOME],
        segments=["champions"],
        start_time=MAY,
        end_time=JUNE,
        hours=[HoursMessage(weekdays=[1, 7], start_minute=60)],
        time_zone="Europe/Berlin",
    )
    assert to_rule(ruled(condition=condition)).condition == Condition(
        frozenset({"home_top"}),
        frozenset({Page.HOME}),
        frozenset({"champions"}),
        to_datetime(MAY),
        to_datetime(JUNE),
        (WeeklyHours(frozenset({1, 7}), 60),),
        "Europe/Berlin",
    )


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (ruled(rule_id="-"), "rule_id"),
        (ruled(description="x" * 501), "description"),
        (ruled(priority=1001), "priority"),
        (RuleMessage(rule_id="r"), "action"),
        (ruled(filter="colour = 1"), "filter"),
        (ruled(boost=BoostAction(factor=1)), "boost.factor"),
        (ruled(boost=BoostAction(factor=11)), "boost.factor"),
        (ruled(bury=BuryAction(factor=1)), "bury.factor"),
        (ruled(bury=BuryAction(factor=float("nan"))), "bury.factor"),
        (ruled(pin=PinAction(position=1)), "pin.product_id"),
        (ruled(pin=PinAction(product_id="p")), "pin.position"),
        (ruled(pin=PinAction(product_id="p", position=101)), "pin.position"),
        (ruled(pin=PinAction(product_id="p", position=1), filter="price < 1"), "filter"),
        (ruled(exclude=ExcludeAction()), "filter"),
        (ruled(limit=LimitAction(most=1)), "limit.group"),
        (ruled(limit=LimitAction(group=Group.LIMIT_GROUP_BRAND)), "limit.most"),
        (ruled(limit=LimitAction(group=Group.LIMIT_GROUP_BRAND, most=1, window=1)), "limit.window"),
        (ruled(condition=RuleCondition(placement_ids=["x"] * 101)), "condition.placement_ids"),
        (ruled(condition=RuleCondition(placement_ids=["X"])), "condition.placement_ids[0]"),
        (ruled(condition=RuleCondition(page_types=[99])), "condition.page_types[0]"),
        (ruled(condition=RuleCondition(segments=[""])), "condition.segments[0]"),
        (ruled(condition=RuleCondition(start_time=JUNE, end_time=MAY)), "condition.end_time"),
        (ruled(condition=RuleCondition(start_time=Timestamp(seconds=2**60))), "condition.start_time"),
        (ruled(condition=RuleCondition(hours=[HoursMessage(weekdays=[0])])), "condition.hours[0].weekdays[0]"),
        (ruled(condition=RuleCondition(hours=[HoursMessage(start_minute=1440)])), "condition.hours[0].start_minute"),
        (
            ruled(condition=RuleCondition(hours=[HoursMessage(start_minute=60, end_minute=60)])),
            "condition.hours[0].end_minute",
        ),
        (ruled(condition=RuleCondition(time_zone="Mars")), "condition.time_zone"),
    ],
)
def test_a_bad_rule_is_refused(message: RuleMessage, field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        to_rule(message, "rules[2]")
    assert caught.value.violations[0].field == f"rules[2].{field}"
