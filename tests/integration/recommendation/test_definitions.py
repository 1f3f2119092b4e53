"""Placements and rules are kept by their ids, on both databases, and every change counts for those who follow."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.placement_pb2 import BoostAction, BuryAction, ExcludeAction, PlacementBoosts
from quintet.type.v1.placement_pb2 import Placement as PlacementMessage
from quintet.type.v1.placement_pb2 import Rule as RuleMessage

from services.recommendation.merchandising import definitions
from services.recommendation.merchandising.definitions import Definitions, placements_in, rules_in
from shared.db import placements as stored
from shared.db.engine import Database
from shared.db.placements import RULES, Stored
from shared.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from shared.merchandising.load import load_merchandising
from shared.merchandising.placement import BUILT_IN
from shared.page_rules import Page


@pytest.fixture
def placements(database: Database) -> Definitions[PlacementMessage]:
    return placements_in(database)


@pytest.fixture
def rules(database: Database) -> Definitions[RuleMessage]:
    return rules_in(database)


def home_top(**fields: Any) -> PlacementMessage:
    return PlacementMessage(**{"placement_id": "home_top", "count": 5, "filter": "price < 20", **fields})


def without_time(message: PlacementMessage) -> PlacementMessage:
    assert message.HasField("update_time")
    message.ClearField("update_time")
    return message


def test_what_is_created_is_read_back_without_what_is_output_only(placements: Definitions[PlacementMessage]) -> None:
    created = placements.create(home_top(built_in=True))
    assert placements.get("home_top") == created
    assert without_time(created) == home_top()


def test_the_same_is_created_once_and_answered_again(placements: Definitions[PlacementMessage]) -> None:
    assert placements.create(home_top()) == placements.create(home_top(built_in=True))


@pytest.mark.parametrize("token", ["Home", "x" * 64, "a b"])
def test_what_is_no_page_token_is_refused_with_its_reason(
    placements: Definitions[PlacementMessage], token: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        placements.list(0, token)
    assert caught.value.reason == ErrorReason.PAGE_TOKEN_INVALID


def test_an_id_of_another_is_not_created_again(placements: Definitions[PlacementMessage]) -> None:
    placements.create(home_top())
    for message in (home_top(count=3), PlacementMessage(placement_id="home")):
        with pytest.raises(AlreadyExists) as caught:
            placements.create(message)
        assert caught.value.violations[0].field == "placement.placement_id"


def test_without_a_mask_all_is_replaced_and_with_one_what_it_names(placements: Definitions[PlacementMessage]) -> None:
    placements.create(home_top(diversity=0.5, boosts=PlacementBoosts(price=1)))
    change = PlacementMessage(placement_id="home_top", description="new", count=7, diversity=0.0)
    changed = placements.update(change, FieldMask(paths=["count", "filter", "diversity"]))
    boosts = PlacementBoosts(price=1)
    assert without_time(changed) == PlacementMessage(placement_id="home_top", count=7, diversity=0.0, boosts=boosts)
    assert without_time(placements.update(change)) == change


def test_a_mask_replaces_the_action_of_a_rule(rules: Definitions[RuleMessage]) -> None:
    rules.create(RuleMessage(rule_id="r", boost=BoostAction(factor=2), priority=3))
    bury = RuleMessage(rule_id="r", bury=BuryAction(factor=0.5))
    assert rules.update(bury, FieldMask(paths=["bury"])).bury.factor == 0.5
    assert rules.get("r").priority == 3
    with pytest.raises(InvalidArgument, match="action"):
        rules.update(RuleMessage(rule_id="r"), FieldMask(paths=["bury"]))
    assert rules.get("r").bury.factor == 0.5, "nothing is half-written"


def test_a_mask_may_name_a_nested_field_and_what_it_empties_is_gone(placements: Definitions[PlacementMessage]) -> None:
    placements.create(home_top(boosts=PlacementBoosts(price=1, margin=0.5)))
    bare = PlacementMessage(placement_id="home_top")
    assert placements.update(bare, FieldMask(paths=["boosts.price"])).boosts == PlacementBoosts(margin=0.5)
    assert not placements.update(bare, FieldMask(paths=["boosts.margin"])).HasField("boosts")


def test_a_mask_sets_an_action_without_fields(rules: Definitions[RuleMessage]) -> None:
    rules.create(RuleMessage(rule_id="r", filter="price < 1", boost=BoostAction(factor=2)))
    exclude = RuleMessage(rule_id="r", exclude=ExcludeAction())
    for mask in (FieldMask(paths=["exclude"]), None):
        exclude.filter = "price < 1"
        assert rules.update(exclude, mask).WhichOneof("action") == "exclude"


@pytest.mark.parametrize("path", ["placement_id", "built_in", "update_time", "colour", "boosts.colour", ""])
def test_a_bad_path_is_refused_by_its_place(placements: Definitions[PlacementMessage], path: str) -> None:
    placements.create(home_top())
    with pytest.raises(InvalidArgument) as caught:
        placements.update(home_top(), FieldMask(paths=["count", path]))
    assert caught.value.violations[0].field == "update_mask.paths[1]"


def test_a_built_in_placement_says_what_its_page_does_is_stored_by_an_update_and_comes_back(
    placements: Definitions[PlacementMessage],
) -> None:
    cart = placements.get("cart")
    assert (cart.page_type, cart.count, cart.built_in) == (PageType.PAGE_TYPE_CART, 10, True)
    assert cart.diversity == pytest.approx(0.05)
    stored_one = placements.update(PlacementMessage(placement_id="cart", count=3), FieldMask(paths=["count"]))
    assert (stored_one.count, stored_one.built_in, stored_one.diversity) == (3, False, cart.diversity)
    placements.delete("cart")
    assert placements.get("cart") == cart
    with pytest.raises(NotFound, match="no stored placement 'cart'"):
        placements.delete("cart")


def test_lists_are_read_page_by_page_with_what_is_built_in(placements: Definitions[PlacementMessage]) -> None:
    placements.create(home_top())
    placements.update(PlacementMessage(placement_id="cart", page_type=PageType.PAGE_TYPE_CART, count=3))
    names, token = [], ""
    while True:
        page, token = placements.list(3, token)
        assert len(page) <= 3
        names += [each.placement_id for each in page]
        if not token:
            break
    assert names == sorted([*BUILT_IN, "home_top"])
    with pytest.raises(InvalidArgument, match="page_token"):
        placements.list(3, "Not an id")
    with pytest.raises(InvalidArgument, match="page_size"):
        placements.list(-1, "")


def test_unknown_ones_are_not_found(rules: Definitions[RuleMessage]) -> None:
    with pytest.raises(NotFound, match="there is no rule 'r'"):
        rules.get("r")
    with pytest.raises(NotFound, match="there is no rule 'r'"):
        rules.update(RuleMessage(rule_id="r", boost=BoostAction(factor=2)))
    with pytest.raises(NotFound):
        rules.delete("r")


def test_there_are_at_most_so_many(rules: Definitions[RuleMessage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definitions, "MAX_DEFINITIONS", 1)
    rules.create(RuleMessage(rule_id="a", boost=BoostAction(factor=2)))
    with pytest.raises(FailedPrecondition, match="there are 1 already"):
        rules.create(RuleMessage(rule_id="b", boost=BoostAction(factor=2)))


def test_every_change_counts_and_one_that_cannot_be_read_is_left_out(
    database: Database, placements: Definitions[PlacementMessage], rules: Definitions[RuleMessage]
) -> None:
    def version() -> int:
        with database.read() as connection:
            return stored.version(connection)

    assert version() == 0
    placements.create(home_top())
    rules.create(RuleMessage(rule_id="r", boost=BoostAction(factor=2)))
    before = version()
    with database.write() as connection:
        now = rules.get("r").update_time.ToDatetime(tzinfo=None).astimezone()
        RULES.put(connection, Stored("broken", b"\xff", now))
        RULES.put(connection, Stored("later", RuleMessage(rule_id="later").SerializeToString(), now))
    with database.read() as connection:
        loaded = load_merchandising(connection, "recommendation")
    assert before < loaded.version == version()
    assert [rule.rule_id for rule in loaded.rules] == ["r"]
    assert loaded.placement("home_top", Page.CART).count == 5
