"""Placements, rules, ordered lists and pages through the one public door, with the recommendation agent behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from quintet.coordinator.v1 import coordinator_service_pb2 as pb
from quintet.type.v1.event_pb2 import Event, ProductView
from quintet.type.v1.placement_pb2 import BoostAction, ExcludeAction, Placement, PlacementBoosts, PlacementRequest, Rule

from services.recommendation import server as recommendation_server
from services.recommendation.agent import RecommendationAgent
from shared.config import Settings
from shared.db.engine import Database
from shared.db.recommended_lists import RANKED
from shared.errors import AlreadyExists, InvalidArgument, NotFound
from shared.rpc.client import call
from tests.integration.coordinator.test_service import coordinator, recorded
from tests.support.shop import add_products

SECONDS = 20


@asynccontextmanager
async def recommendation_agent(database: Database) -> AsyncIterator[str]:
    """Run an agent without a model, which answers with what it has."""
    agent = RecommendationAgent(Settings(database_url=database.url), database)
    agent.start()
    settings = Settings(database_url=database.url, recommendation_port=0, drain_seconds=0.0)
    server = recommendation_server.build(settings, agent)
    yield f"127.0.0.1:{await server.start()}"
    await server.stop()
    agent.stop()


@pytest.fixture
async def door(sqlite_database: Database) -> AsyncIterator[Any]:
    add_products(sqlite_database, *(f"p{number}" for number in range(8)), brand="Acme")
    async with (
        recommendation_agent(sqlite_database) as address,
        coordinator(sqlite_database, address) as stub,
    ):
        # It is tried again until the agents are connected.
        await call(stub.ListPlacements, pb.ListPlacementsRequest(), SECONDS)
        yield stub


def ids(products: Any) -> list[str]:
    return [each.product_id for each in products]


async def test_placements_and_rules_are_kept_through_the_door(door: Any) -> None:
    placement = Placement(placement_id="home_top", count=2, filter='brand = "Acme"')
    created = await call(door.CreatePlacement, pb.CreatePlacementRequest(placement=placement), SECONDS)
    assert created.placement.HasField("update_time")
    again = await call(door.CreatePlacement, pb.CreatePlacementRequest(placement=placement), SECONDS)
    assert again == created
    other = Placement(placement_id="home_top", count=4)
    with pytest.raises(AlreadyExists):
        await call(door.CreatePlacement, pb.CreatePlacementRequest(placement=other), SECONDS)
    change = pb.UpdatePlacementRequest(
        placement=Placement(placement_id="home_top", count=3), update_mask=FieldMask(paths=["count"])
    )
    await call(door.UpdatePlacement, change, SECONDS)
    got = await call(door.GetPlacement, pb.GetPlacementRequest(placement_id="home_top"), SECONDS)
    assert (got.placement.count, got.placement.filter) == (3, placement.filter)
    listed = await call(door.ListPlacements, pb.ListPlacementsRequest(), SECONDS)
    assert len(listed.placements) == 8
    rule = Rule(rule_id="up", boost=BoostAction(factor=2))
    await call(door.CreateRule, pb.CreateRuleRequest(rule=rule), SECONDS)
    assert ids_of(await call(door.ListRules, pb.ListRulesRequest(), SECONDS)) == ["up"]
    disabled = pb.UpdateRuleRequest(rule=Rule(rule_id="up", disabled=True), update_mask=FieldMask(paths=["disabled"]))
    assert (await call(door.UpdateRule, disabled, SECONDS)).rule.boost.factor == 2
    await call(door.DeleteRule, pb.DeleteRuleRequest(rule_id="up"), SECONDS)
    with pytest.raises(NotFound):
        await call(door.GetRule, pb.GetRuleRequest(rule_id="up"), SECONDS)
    await call(door.DeletePlacement, pb.DeletePlacementRequest(placement_id="home_top"), SECONDS)


async def test_deleting_again_succeeds_where_it_may_be_missing(door: Any) -> None:
    await call(door.CreatePlacement, pb.CreatePlacementRequest(placement=Placement(placement_id="top")), SECONDS)
    await call(door.CreateRule, pb.CreateRuleRequest(rule=Rule(rule_id="up", boost=BoostAction(factor=2))), SECONDS)
    for method, request in (
        (door.DeletePlacement, pb.DeletePlacementRequest(placement_id="top", allow_missing=True)),
        (door.DeleteRule, pb.DeleteRuleRequest(rule_id="up", allow_missing=True)),
    ):
        assert [(await call(method, request, SECONDS)).deleted for _ in range(2)] == [True, False]
        request.allow_missing = False
        with pytest.raises(NotFound):
            await call(method, request, SECONDS)


def ids_of(answer: pb.ListRulesResponse) -> list[str]:
    return [each.rule_id for each in answer.rules]


async def test_a_bad_filter_is_refused_with_its_position(door: Any) -> None:
    rule = Rule(rule_id="out", exclude=ExcludeAction(), filter="brand < 3")
    with pytest.raises(InvalidArgument, match="at position 7") as caught:
        await call(door.CreateRule, pb.CreateRuleRequest(rule=rule), SECONDS)
    assert caught.value.violations[0].field == "rule.filter"


async def test_what_a_list_overrides_of_its_placement_reaches_the_agent(door: Any) -> None:
    good = pb.GetRecommendationsRequest(visitor_id="v", strategy="popular", boosts=PlacementBoosts(novelty=1))
    assert (await call(door.GetRecommendations, good, SECONDS)).list.recommendations
    bad = pb.GetRecommendationsRequest(visitor_id="v", placement_id="buy_again", strategy="popular")
    assert await refused_field(door.GetRecommendations, bad) == "strategy"
    bad = pb.GetRecommendationsRequest(visitor_id="v", boosts=PlacementBoosts(price=-2))
    assert await refused_field(door.GetRecommendations, bad) == "boosts.price"
    requests = [PlacementRequest(limit=3, strategy="popular"), PlacementRequest(boosts=PlacementBoosts(price=-2))]
    batch = pb.BatchGetRecommendationsRequest(visitor_id="v", requests=requests)
    assert await refused_field(door.BatchGetRecommendations, batch) == "requests[1].boosts.price"
    batch = pb.BatchGetRecommendationsRequest(visitor_id="v", requests=[PlacementRequest(diversity=2)])
    assert await refused_field(door.BatchGetRecommendations, batch) == "requests[0].diversity"


async def refused_field(method: Any, request: Any) -> str:
    with pytest.raises(InvalidArgument) as caught:
        await call(method, request, SECONDS)
    return caught.value.violations[0].field


async def test_lists_of_a_page_show_nothing_twice_and_a_list_goes_on(door: Any) -> None:
    requests = [PlacementRequest(limit=3), PlacementRequest(placement_id="cart", limit=3)]
    batch = pb.BatchGetRecommendationsRequest(visitor_id="v", requests=requests)
    lists = (await call(door.BatchGetRecommendations, batch, SECONDS)).lists
    assert [each.placement_id for each in lists] == ["home", "cart"]
    shown = [name for each in lists for name in ids(each.recommendations)]
    assert len(shown) == len(set(shown)) == 6
    request = pb.GetRecommendationsRequest(visitor_id="v", limit=6)
    first = (await call(door.GetRecommendations, request, SECONDS)).list
    request.page_token = first.next_page_token
    rest = (await call(door.GetRecommendations, request, SECONDS)).list
    assert len({*ids(first.recommendations), *ids(rest.recommendations)}) == 10
    assert rest.next_page_token == ""


async def test_a_list_is_ordered_and_rules_are_previewed(door: Any) -> None:
    request = pb.RankProductsRequest(visitor_id="v", product_ids=["p3", "zz", "p1"])
    answer = await call(door.RankProducts, request, SECONDS)
    assert ids(answer.products) == ["p3", "zz", "p1"]
    assert (answer.strategy, list(answer.unknown_product_ids)) == ("given_order", ["zz"])
    rule = Rule(rule_id="up", boost=BoostAction(factor=2))
    preview = (await call(door.PreviewRules, pb.PreviewRulesRequest(rules=[rule]), SECONDS)).preview
    assert preview.lists == 0, f"lists of {RANKED} are no pages"


@pytest.mark.parametrize(
    ("placement_id", "field"), [("Nowhere", "recommend.placement_id"), ("nowhere", "recommend.placement_id")]
)
async def test_an_event_with_a_placement_that_cannot_answer_is_not_recorded(
    door: Any, sqlite_database: Database, placement_id: str, field: str
) -> None:
    event = Event(customer_id="ann", product_view=ProductView(product_id="p1"))
    request = pb.RecordEventRequest(event=event, recommend=pb.RecommendationOptions(placement_id=placement_id))
    with pytest.raises((InvalidArgument, NotFound)) as caught:
        await call(door.RecordEvent, request, SECONDS)
    assert caught.value.violations[0].field == field
    assert recorded(sqlite_database) == 0


async def test_an_event_is_answered_for_a_placement(door: Any) -> None:
    event = Event(customer_id="ann", product_view=ProductView(product_id="p1"))
    options = pb.RecommendationOptions(placement_id="product", limit=2)
    answer = await call(door.RecordEvent, pb.RecordEventRequest(event=event, recommend=options), SECONDS)
    assert (answer.recommendations.placement_id, len(answer.recommendations.recommendations)) == ("product", 2)
    assert "p1" not in ids(answer.recommendations.recommendations)
    options.placement_id = "category"
    with pytest.raises(InvalidArgument) as caught:
        await call(door.RecordEvent, pb.RecordEventRequest(event=event, recommend=options), SECONDS)
    assert caught.value.violations[0].field == "recommend.context.category"
