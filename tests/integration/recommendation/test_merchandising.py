"""Placements and rules count in the next answers: filters, pins, boosts, limits, pages, several lists of one page."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from quintet.recommendation.v1 import recommendation_service_pb2 as pb
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.placement_pb2 import (
    BoostAction,
    ExcludeAction,
    LimitAction,
    LimitGroup,
    PinAction,
    PlacementBoosts,
    PlacementRequest,
    RuleCondition,
)
from quintet.type.v1.placement_pb2 import Placement as PlacementMessage
from quintet.type.v1.placement_pb2 import Rule as RuleMessage
from quintet.type.v1.recommendation_pb2 import (
    RecommendationContext,
    RecommendationFilter,
    RecommendationList,
)

from services.recommendation import convert
from services.recommendation.merchandising import convert as lists
from shared.db import segments
from shared.db.customers import resolve_customers
from shared.db.engine import Database
from shared.db.segments import LEARNED, RFM, Segment
from shared.errors import Conflict, InvalidArgument, NotFound
from shared.recommendation_tokens import Shopper
from tests.integration.recommendation import shop as small_shop
from tests.integration.recommendation.conftest import Shop

RunAgent = Callable[[Database], AbstractContextManager[Shop]]


class Merchandiser:
    """Changes placements and rules of a shop and asks for lists as a platform does."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop

    def place(self, name: str, **fields: Any) -> None:
        self.shop.agent.placements.create(PlacementMessage(placement_id=name, **fields))
        self.shop.caught_up()

    def rule(self, name: str, **fields: Any) -> None:
        self.shop.agent.rules.create(RuleMessage(rule_id=name, **fields))
        self.shop.caught_up()

    def ask(self, **fields: Any) -> RecommendationList:
        request = pb.RecommendRequest(**{"customer_id": "c-lover-1", **fields})
        agent = self.shop.agent
        answer = agent.recommend(convert.to_query(request, agent.merchandising))
        return convert.to_response(answer, Shopper(request.customer_id, request.visitor_id), agent.tokens).list

    def ask_all(self, *requests: PlacementRequest, **fields: Any) -> list[list[str]]:
        request = pb.BatchRecommendRequest(customer_id="c-lover-1", requests=requests, **fields)
        agent = self.shop.agent
        answers = agent.recommend_all(lists.to_queries(request, agent.merchandising))
        return [ids(convert.to_response(each, Shopper("c-lover-1"), agent.tokens).list) for each in answers]

    def rank(self, *product_ids: str, **fields: Any) -> pb.RankProductsResponse:
        request = pb.RankProductsRequest(**{"customer_id": "c-lover-1", "product_ids": product_ids, **fields})
        asked = lists.to_rank_query(request)
        shopper = Shopper(request.customer_id, request.visitor_id)
        return lists.to_rank_response(self.shop.agent.rank(asked), asked.limit, shopper, self.shop.agent.tokens)


def ids(answer: RecommendationList) -> list[str]:
    return [each.product_id for each in answer.recommendations]


@pytest.fixture
def merchandiser(coffee_shop: Shop) -> Merchandiser:
    return Merchandiser(coffee_shop)


def test_without_merchandising_a_built_in_placement_answers_as_its_page(merchandiser: Merchandiser) -> None:
    plain, named = merchandiser.ask(), merchandiser.ask(placement_id="home")
    assert ids(plain) == ids(named)
    assert (plain.placement_id, plain.strategy, plain.arm) == ("home", named.strategy, "")
    cart = merchandiser.ask(placement_id="cart")
    assert cart.strategy == "complementary"


def test_a_placement_says_page_count_filter_and_strategy(merchandiser: Merchandiser) -> None:
    merchandiser.place("tea_corner", count=3, filter='category = "Tea"', strategy="popular")
    answer = merchandiser.ask(placement_id="tea_corner")
    assert len(ids(answer)) == 3
    assert {name[0] for name in ids(answer)} == {"t"}
    assert (answer.strategy, answer.placement_id) == ("popular", "tea_corner")
    assert len(ids(merchandiser.ask(placement_id="tea_corner", limit=2))) == 2
    narrow = RecommendationFilter(expression='product_id IN ("t1", "c1")')
    assert ids(merchandiser.ask(placement_id="tea_corner", filter=narrow)) == ["t1"], "both filters hold"


def test_a_request_may_override_strategy_and_boosts(merchandiser: Merchandiser, coffee_shop: Shop) -> None:
    merchandiser.place("cheap", strategy="popular", diversity=0.0, boosts=PlacementBoosts(price=-1))
    merchandiser.place("plain", strategy="popular", diversity=0.0)
    plain = ids(merchandiser.ask(placement_id="plain"))
    products = [small_shop.product(name, price=100 + 10 * place) for place, name in enumerate(plain)]
    small_shop.add_products(coffee_shop.database, products)
    coffee_shop.caught_up()
    cheap, dear = (ids(merchandiser.ask(placement_id="plain", boosts=PlacementBoosts(price=sign))) for sign in (-1, 1))
    assert plain == ids(merchandiser.ask(placement_id="cheap", boosts=PlacementBoosts())), "none in place of its own"
    assert cheap == ids(merchandiser.ask(placement_id="cheap")) != dear
    new = merchandiser.ask(placement_id="plain", strategy="new_arrivals")
    assert (new.strategy, new.placement_id) == ("new_arrivals", "plain")
    home = merchandiser.ask()
    assert merchandiser.ask(placement_id="plain", strategy="default").strategy == home.strategy
    assert ids(merchandiser.ask(strategy="popular", diversity=0.0)) == plain, "of a built-in placement too"


def test_lists_of_a_page_override_each_for_itself(merchandiser: Merchandiser) -> None:
    merchandiser.place("one", allow_repeats=True, diversity=0.0)
    asked = [
        PlacementRequest(placement_id="one", limit=3, strategy="popular"),
        PlacementRequest(placement_id="one", limit=3, strategy="popular", boosts=PlacementBoosts(novelty=1)),
        PlacementRequest(placement_id="one", limit=5, diversity=0.9),
        PlacementRequest(placement_id="one", limit=5),
    ]
    alone = [
        merchandiser.ask(placement_id="one", limit=3, strategy="popular"),
        merchandiser.ask(placement_id="one", limit=3, strategy="popular", boosts=PlacementBoosts(novelty=1)),
        merchandiser.ask(placement_id="one", limit=5, diversity=0.9),
        merchandiser.ask(placement_id="one", limit=5),
    ]
    assert merchandiser.ask_all(*asked) == [ids(each) for each in alone]
    assert ids(alone[2]) != ids(alone[3]), "the diversity makes a difference"


@pytest.mark.parametrize(
    ("fields", "field", "reason"),
    [
        ({"strategy": "magic"}, "strategy", ErrorReason.FIELD_UNKNOWN_VALUE),
        ({"placement_id": "buy_again", "strategy": "popular"}, "strategy", ErrorReason.FIELD_CONFLICT),
        ({"boosts": PlacementBoosts(margin=1.5)}, "boosts.margin", ErrorReason.FIELD_OUT_OF_RANGE),
        ({"boosts": PlacementBoosts(price=float("nan"))}, "boosts.price", ErrorReason.FIELD_OUT_OF_RANGE),
    ],
)
def test_a_bad_override_is_refused_by_its_field(
    merchandiser: Merchandiser, fields: dict[str, Any], field: str, reason: int
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        merchandiser.ask(**fields)
    assert (caught.value.violations[0].field, caught.value.reason) == (field, reason)
    with pytest.raises(InvalidArgument) as caught:
        merchandiser.ask_all(PlacementRequest(), PlacementRequest(**fields))
    assert (caught.value.violations[0].field, caught.value.reason) == (f"requests[1].{field}", reason)


def test_a_request_that_does_not_fit_its_placement_is_refused(merchandiser: Merchandiser) -> None:
    merchandiser.place("product_side", page_type=PageType.PAGE_TYPE_PRODUCT)
    with pytest.raises(InvalidArgument, match="PRODUCT, the page of placement product_side"):
        merchandiser.ask(placement_id="product_side", context=RecommendationContext(page_type=PageType.PAGE_TYPE_CART))
    with pytest.raises(InvalidArgument) as caught:
        merchandiser.ask(placement_id="product_side")
    assert caught.value.violations[0].field == "context.product_id"
    with pytest.raises(NotFound, match="no placement 'nowhere'"):
        merchandiser.ask(placement_id="nowhere")
    with pytest.raises(InvalidArgument, match="at position 8"):
        merchandiser.ask(filter=RecommendationFilter(expression="price >"))


def test_a_filter_holds_before_retrieval_so_that_the_list_is_full(merchandiser: Merchandiser) -> None:
    rare = RecommendationFilter(expression='product_id IN ("t6", "t7", "a5")')
    assert sorted(ids(merchandiser.ask(filter=rare))) == ["a5", "t6", "t7"]


def test_pins_excludes_boosts_and_limits_hold_and_are_named(merchandiser: Merchandiser) -> None:
    before = ids(merchandiser.ask())
    last = before[-1]
    merchandiser.rule("pin", pin=PinAction(product_id=last, position=2))
    merchandiser.rule("out", exclude=ExcludeAction(), filter=f'product_id = "{before[0]}"')
    answer = merchandiser.ask()
    assert ids(answer)[1] == last
    assert before[0] not in ids(answer)
    assert [list(each.applied_rules) for each in answer.recommendations[:2]] == [[], ["pin"]]
    merchandiser.rule("few", limit=LimitAction(group=LimitGroup.LIMIT_GROUP_CATEGORY, most=2))
    limited = merchandiser.ask()
    counts = [[name[0] for name in ids(limited)].count(letter) for letter in "cta"]
    assert max(counts) <= 2
    assert ids(limited)[1] == last


def test_a_boost_brings_products_up_and_scores_stay_scores(merchandiser: Merchandiser) -> None:
    before = ids(merchandiser.ask(limit=20))
    wanted = before[6]
    merchandiser.rule("up", boost=BoostAction(factor=10), filter=f'product_id = "{wanted}"')
    answer = merchandiser.ask(limit=20)
    assert ids(answer).index(wanted) < 6
    lifted = answer.recommendations[ids(answer).index(wanted)]
    assert list(lifted.applied_rules) == ["up"]
    assert all(0 <= each.score <= 1 for each in answer.recommendations)
    assert sum(part.contribution for part in lifted.contributions) == pytest.approx(lifted.score, abs=1e-5)


def test_a_rule_holds_only_where_its_condition_does(merchandiser: Merchandiser) -> None:
    merchandiser.place("other", count=5)
    first = ids(merchandiser.ask())[0]
    condition = RuleCondition(placement_ids=["other"])
    merchandiser.rule("out", exclude=ExcludeAction(), filter=f'product_id = "{first}"', condition=condition)
    assert first in ids(merchandiser.ask())
    assert first not in ids(merchandiser.ask(placement_id="other"))


def test_boosts_of_a_placement_need_what_they_look_at(merchandiser: Merchandiser, coffee_shop: Shop) -> None:
    merchandiser.place("margin", boosts=PlacementBoosts(margin=1), strategy="popular", diversity=0.0)
    merchandiser.place("plain", strategy="popular", diversity=0.0)
    assert ids(merchandiser.ask(placement_id="margin")) == ids(merchandiser.ask(placement_id="plain"))
    order = ids(merchandiser.ask(placement_id="plain"))
    best = order[3]
    products = [small_shop.product(name, price=100, cost=0 if name == best else 90) for name in order]
    small_shop.add_products(coffee_shop.database, products)
    coffee_shop.caught_up()
    assert ids(merchandiser.ask(placement_id="plain")) == order
    assert ids(merchandiser.ask(placement_id="margin")).index(best) < 3


def test_pages_of_a_list_show_nothing_twice_even_when_the_shop_changes(merchandiser: Merchandiser) -> None:
    whole = ids(merchandiser.ask(limit=20))
    seen, token = [], ""
    for number in range(4):
        answer = merchandiser.ask(limit=5, page_token=token)
        seen += ids(answer)
        token = answer.next_page_token
        if number == 0:
            merchandiser.rule("up", boost=BoostAction(factor=10), filter='category = "Tea"')
        if not token:
            break
    assert len(set(seen)) == len(seen)
    assert set(seen) == set(whole)
    with pytest.raises(InvalidArgument, match="another shopper"):
        merchandiser.ask(customer_id="t-lover-1", page_token=merchandiser.ask(limit=5).next_page_token)


def test_the_lists_of_one_page_show_nothing_twice_unless_they_may(merchandiser: Merchandiser) -> None:
    merchandiser.place("again", count=3, allow_repeats=True)
    first, second, again = merchandiser.ask_all(
        PlacementRequest(placement_id="home", limit=3),
        PlacementRequest(limit=3),
        PlacementRequest(placement_id="again"),
    )
    assert len({*first, *second}) == 6
    assert again == first
    with pytest.raises(InvalidArgument) as caught:
        merchandiser.ask_all(PlacementRequest(), PlacementRequest(page_token="x"))  # noqa: S106 - it is none
    assert caught.value.violations[0].field == "requests[1].page_token"
    with pytest.raises(NotFound) as missing:
        merchandiser.ask_all(PlacementRequest(), PlacementRequest(placement_id="nowhere"))
    assert missing.value.violations[0].field == "requests[1].placement_id"


def test_a_given_list_comes_back_to_a_stranger_and_is_ordered_for_who_is_known(merchandiser: Merchandiser) -> None:
    given = ["t0", "c0", "zz", "t1", "c1", "t2", "c2", "t3", "c3"]
    stranger = merchandiser.rank(*given, customer_id="", visitor_id="cookie")
    assert [each.product_id for each in stranger.products] == given
    assert (stranger.strategy, list(stranger.unknown_product_ids)) == ("given_order", ["zz"])
    known = merchandiser.rank(*given)
    order = [each.product_id for each in known.products]
    assert sorted(order) == sorted(given)
    assert order[2] == "zz", "an unknown product keeps its place"
    assert _mean_place(order, "c") < _mean_place(given, "c")
    assert [each.given_position for each in known.products] == [given.index(name) + 1 for name in order]
    assert [bool(each.recommendation_id) for each in known.products] == [name != "zz" for name in order]
    assert len(merchandiser.rank(*given, limit=4).products) == 4


def test_who_is_known_finds_what_they_buy_next_earlier_than_in_the_given_order(merchandiser: Merchandiser) -> None:
    given = [f"{letter}{number}" for number in range(8) for letter in "ct"]
    places, before = [], []
    for taste in "ct":
        for number in range(6):
            order = merchandiser.rank(*given, customer_id=f"{taste}-lover-{number}").products
            found = {each.product_id: each.position for each in order}
            held_out = small_shop.next_bought(number, taste)
            places += [found[name] for name in held_out]
            before += [given.index(name) + 1 for name in held_out]
    assert sum(places) < 0.9 * sum(before)


def test_an_answer_names_the_segment_and_rules_look_at_it(trained: Database, run_agent: RunAgent) -> None:
    with trained.write() as connection:
        keys = segments.replace_segments(connection, [Segment("champions", RFM, {}), Segment("night", LEARNED, {})])
        [customer] = resolve_customers(connection, ["c-lover-1"]).values()
        segments.replace_memberships(connection, {customer: [(keys["champions"], 0.5), (keys["night"], 0.9)]})
    with run_agent(trained) as opened:
        merchandiser = Merchandiser(opened)
        first = ids(merchandiser.ask())[0]
        condition = RuleCondition(segments=["night"])
        merchandiser.rule("out", exclude=ExcludeAction(), filter=f'product_id = "{first}"', condition=condition)
        answer = merchandiser.ask()
        assert answer.segment == "champions"
        assert first not in ids(answer)
        assert merchandiser.ask(customer_id="c-lover-2").segment == ""


def _mean_place(order: list[str], letter: str) -> float:
    places = [place for place, name in enumerate(order) if name.startswith(letter)]
    return sum(places) / len(places)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"product_ids": []}, "product_ids"),
        ({"product_ids": ["a"] * 2}, "product_ids[1]"),
        ({"product_ids": [""]}, "product_ids[0]"),
        ({"product_ids": [str(n) for n in range(1001)]}, "product_ids"),
        ({"product_ids": ["a"], "limit": -1}, "limit"),
        ({"product_ids": ["a"], "customer_id": ""}, "customer_id"),
    ],
)
def test_a_bad_list_is_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        lists.to_rank_query(pb.RankProductsRequest(**{"customer_id": "ann", **fields}))
    assert caught.value.violations[0].field == field


def test_a_preview_says_what_rules_would_have_changed(merchandiser: Merchandiser, coffee_shop: Shop) -> None:
    merchandiser.place("other", count=4)
    shown, other = ids(merchandiser.ask(limit=5)), ids(merchandiser.ask(placement_id="other"))
    merchandiser.rank("c0", "c1")
    assert coffee_shop.agent._recommendation_log.wait_until_written(10)
    rules = [
        RuleMessage(rule_id="out", exclude=ExcludeAction(), filter=f'product_id = "{shown[0]}"',
                    condition=RuleCondition(placement_ids=["home"])),
        RuleMessage(rule_id="pin", pin=PinAction(product_id=shown[3], position=1),
                    condition=RuleCondition(placement_ids=["home"])),
    ]  # fmt: skip
    preview = _previewed(coffee_shop, rules)
    assert (preview.lists, preview.changed, preview.incomplete) == (2, 1, False)
    by_placement = {each.placement_id: each for each in preview.placements}
    assert by_placement["other"].changed == 0
    assert by_placement["other"].lists == 1
    home = by_placement["home"]
    assert (home.removed, home.added) == (1, 0)
    example = preview.examples[0]
    assert list(example.before) == shown
    assert [each.product_id for each in example.after] == [shown[3], shown[1], shown[2], shown[4]]
    assert list(example.after[0].applied_rules) == ["pin"]
    assert len(other) == 4
    assert ids(merchandiser.ask(limit=5)) == shown, "a preview changes nothing"


def _previewed(shop: Shop, rules: list[RuleMessage]) -> Any:
    wanted = lists.to_preview_request(pb.PreviewRulesRequest(rules=rules))
    return lists.to_preview(*shop.agent.preview(wanted)).preview


def test_one_preview_is_made_at_a_time(coffee_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = lists.to_preview_request(
        pb.PreviewRulesRequest(rules=[RuleMessage(rule_id="up", boost=BoostAction(factor=2))])
    )
    monkeypatch.setattr(
        "services.recommendation.merchandising.preview.recommended_lists.latest",
        _inside(lambda: coffee_shop.agent.preview(wanted)),
    )
    with pytest.raises(Conflict, match="another preview"):
        coffee_shop.agent.preview(wanted)


def _inside(call: Callable[[], object]) -> Callable[..., list[Any]]:
    """Return a stand-in for a read during which something is called."""

    def read(*_: Any) -> list[Any]:
        call()
        return []

    return read
