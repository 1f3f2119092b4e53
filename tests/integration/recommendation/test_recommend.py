"""What shoppers get, over a real database: by page, for strangers and regulars, at once after what they do."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from quintet.type.v1.event_pb2 import Event, ProductView

from services.recommendation.request import Page, PageContext, Query
from shared.db.customers import resolve_customers
from shared.db.recommendations import mark_dismissed, recommendations_of
from shared.db.weights import set_weights
from shared.errors import NotFound
from shared.telemetry import PAGES
from tests.integration.recommendation import shop
from tests.integration.recommendation.conftest import Shop


def kinds(ids: list[str]) -> str:
    """Return the first letters: `c` coffee, `t` tea, `a` accessories."""
    return "".join(name[0] for name in ids)


def test_a_stranger_gets_the_favourites_of_their_group(coffee_shop: Shop) -> None:
    shop.add_customer(coffee_shop.database, "northerner", "North", "25-34")
    shop.add_customer(coffee_shop.database, "southerner", "South", "55-64")
    north = coffee_shop.ask("northerner")
    south = coffee_shop.ids("southerner")
    assert north.strategy == "cold_start"
    assert kinds([pick.product_id for pick in north.picks]).count("c") > kinds(south).count("c")
    assert north.picks[0].product_id[0] == "c"
    assert south[0][0] == "t"
    assert north.picks[0].explanation.kind == "popular_in_group"
    assert north.picks[0].explanation.group in ("age_group=25-34", "region=North")
    assert "25-34" in north.picks[0].explanation.text or "North" in north.picks[0].explanation.text


def test_somebody_of_no_group_gets_a_full_list_too(coffee_shop: Shop) -> None:
    shop.add_customer(coffee_shop.database, "stranger")
    assert len(coffee_shop.ids("stranger")) == 10


def test_a_visitor_nobody_knows_is_somebody_new(coffee_shop: Shop) -> None:
    answer = coffee_shop.recommend(Query(visitor_id="cookie"))
    assert answer.strategy == "cold_start"
    assert len(answer.picks) == 10


def test_a_known_visitor_is_answered_by_what_they_did(coffee_shop: Shop) -> None:
    for name in ("t1", "t2", "t3"):
        event = Event(event_id=name, visitor_id="cookie", product_view=ProductView(product_id=name))
        event.event_time.FromDatetime(datetime.now(UTC))
        shop.act_as_visitor(coffee_shop.database, event)
    answer = coffee_shop.recommend(Query(visitor_id="cookie", limit=4))
    assert kinds([pick.product_id for pick in answer.picks]).count("t") >= 2
    assert answer.picks[0].algorithm not in ("popular", "popular_in_group")


def test_a_view_changes_the_next_answer(coffee_shop: Shop) -> None:
    shop.add_customer(coffee_shop.database, "northerner", "North", "25-34")
    before = coffee_shop.ids("northerner", limit=5)
    shop.act(coffee_shop.database, *[shop.viewed("northerner", name) for name in ("t1", "t2", "t1")])
    after = coffee_shop.ids("northerner", limit=5)
    assert after != before
    assert kinds(after).count("t") > kinds(before).count("t")


def test_weight_moves_from_the_group_to_the_person(coffee_shop: Shop) -> None:
    shop.add_customer(coffee_shop.database, "northerner", "North", "25-34")
    strategies = [coffee_shop.ask("northerner").strategy]
    for name in ("t1", "t2", "t3", "t4"):
        shop.act(coffee_shop.database, shop.viewed("northerner", name))
        strategies.append(coffee_shop.ask("northerner").strategy)
    assert strategies[0] == "cold_start"
    assert strategies[-1] == "hybrid"


@pytest.mark.parametrize(
    ("page", "context", "strategy", "expected"),
    [
        (Page.HOME, {}, "hybrid", "c"),
        (Page.PRODUCT, {"product_id": "t1"}, "related", "ta"),
        (Page.CATEGORY, {"category": "Tea"}, "category", "t"),
        (Page.CART, {"cart_product_ids": ("c7",)}, "complementary", "a"),
        (Page.SEARCH, {"search_query": "teas"}, "search", "t"),
        (Page.POST_PURCHASE, {"purchased_product_ids": ("t1",)}, "post_purchase", "a"),
        (Page.BUY_AGAIN, {}, "buy_again", "ca"),
    ],
)
def test_each_page_has_its_purpose(
    coffee_shop: Shop, page: Page, context: dict[str, object], strategy: str, expected: str
) -> None:
    answer = coffee_shop.ask("c-lover-1", page, 3, **context)
    assert answer.strategy == strategy
    assert answer.fallbacks == ()
    assert answer.picks
    assert answer.picks[0].product_id[0] in expected


def test_what_was_bought_is_shown_on_the_buy_again_page_only(coffee_shop: Shop) -> None:
    shop.act(coffee_shop.database, shop.bought("c-lover-1", "t0", ago=timedelta(days=3)))
    bought = {"c1", "c2", "c3", "c4", "c5", "c6", "a2", "t0"}
    contexts: dict[Page, dict[str, object]] = {
        Page.PRODUCT: {"product_id": "c1"},
        Page.SEARCH: {"search_query": "tea"},
    }
    for page in set(Page) - {Page.BUY_AGAIN}:
        shown = set(coffee_shop.ids("c-lover-1", page, 100, **contexts.get(page, {})))
        assert shown
        assert not shown & bought, page
    assert set(coffee_shop.ids("c-lover-1", Page.BUY_AGAIN, 100)) == bought


def test_the_product_in_view_and_the_cart_are_not_recommended(coffee_shop: Shop) -> None:
    shop.act(coffee_shop.database, shop.put_in_cart("t-lover-1", "c1", "a0"))
    shown = coffee_shop.ids("t-lover-1", Page.PRODUCT, 100, product_id="c0")
    assert shown
    assert not {"c0", "c1", "a0"} & set(shown)


def test_the_cart_and_the_order_default_to_what_events_left(coffee_shop: Shop) -> None:
    shop.add_customer(coffee_shop.database, "buyer")
    shop.act(coffee_shop.database, shop.put_in_cart("buyer", "t1"))
    assert coffee_shop.ask("buyer", Page.CART).picks[0].explanation.product_ids == ("t1",)
    shop.act(coffee_shop.database, shop.bought("buyer", "c2"))
    after = coffee_shop.ask("buyer", Page.POST_PURCHASE)
    assert "c2" not in [pick.product_id for pick in after.picks]
    assert after.picks[0].explanation.kind == "bought_together"
    assert after.picks[0].explanation.product_ids == ("c2",)


def test_the_search_defaults_to_the_last_of_the_session(coffee_shop: Shop) -> None:
    shop.act(coffee_shop.database, shop.searched("c-lover-2", "coffee"), shop.searched("c-lover-2", "tea"))
    first = coffee_shop.ask("c-lover-2", Page.SEARCH).picks[0]
    assert first.product_id[0] == "t"
    assert first.explanation.text == "Matches “tea”"


def test_a_session_named_by_the_caller_counts_in_place_of_the_latest(coffee_shop: Shop) -> None:
    shop.add_customer(coffee_shop.database, "browser")
    shop.act(coffee_shop.database, shop.viewed("browser", "c1", "one"), shop.viewed("browser", "t1", "two"))
    one = coffee_shop.ids("browser", limit=6, session_id="one")
    two = coffee_shop.ids("browser", limit=6, session_id="two")
    assert kinds(one).count("c") > kinds(two).count("c")
    assert coffee_shop.ids("browser", limit=6) == two


def test_a_product_added_now_is_recommended_now(coffee_shop: Shop) -> None:
    shop.add_products(coffee_shop.database, [shop.product("c99", available_at=datetime.now(UTC))])
    coffee_shop.caught_up()
    shown = coffee_shop.ids("c-lover-1", Page.PRODUCT, 10, product_id="c7")
    assert "c99" in shown
    assert coffee_shop.ids("c-lover-1", Page.SEARCH, 1, search_query="99") == ["c99"]
    assert "c99" in coffee_shop.ids("c-lover-1", limit=20)


def test_price_and_name_are_those_of_now(coffee_shop: Shop) -> None:
    shop.add_products(coffee_shop.database, [shop.product("c0", name="Coffee renamed", price=1, category="Tea")])
    coffee_shop.caught_up()
    picks = {pick.product_id: pick for pick in coffee_shop.ask("c-lover-1", limit=50).picks}
    assert picks["c0"].product_name == "Coffee renamed"
    assert picks["c0"].category == "Tea"
    assert picks["c0"].price is not None
    assert picks["c0"].price.amount == 1
    assert picks["c0"].image_url == "https://shop.example/c0.jpg"


def test_a_dismissed_product_never_comes_back(coffee_shop: Shop) -> None:
    answer = coffee_shop.ask("c-lover-1")
    first = answer.picks[0]
    coffee_shop.agent.stop()  # writes the log
    with coffee_shop.database.write() as connection:
        mark_dismissed(connection, answer.numbers[:1])
    for page in (Page.HOME, Page.CATEGORY, Page.POST_PURCHASE):
        assert first.product_id not in coffee_shop.ids("c-lover-1", page, 100)
    assert first.product_id in coffee_shop.ids("c-lover-2", limit=100) or first.product_id in "c0c7a0"


def test_new_weights_are_in_force_with_the_next_answer(coffee_shop: Shop) -> None:
    def first_algorithms() -> set[str]:
        return {pick.algorithm for pick in coffee_shop.ask("c-lover-1", limit=2).picks}

    for name in ("content", "ease", "popular_in_group"):
        with coffee_shop.database.write() as connection:
            set_weights(connection, {name: 1.0}, "a test", datetime.now(UTC))
        coffee_shop.caught_up()
        assert name in first_algorithms()


def test_every_recommendation_is_logged_as_it_was_answered(coffee_shop: Shop) -> None:
    answer = coffee_shop.ask("c-lover-1", Page.PRODUCT, product_id="c0")
    coffee_shop.agent.stop()  # writes the log
    with coffee_shop.database.read() as connection:
        key = resolve_customers(connection, ["c-lover-1"])["c-lover-1"]
        rows = list(recommendations_of(connection, key))
    assert [row["id"] for row in rows] == answer.numbers
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    assert {row["customer_id"] for row in rows} == {key}
    assert len({row["request_id"] for row in rows}) == 1
    for row, pick in zip(rows, answer.picks, strict=True):
        assert (row["algorithm"], row["page_type"], row["strategy"]) == (pick.algorithm, "PRODUCT", "related")
        assert row["model_version"] == answer.model_version
        assert row["reason"]["kind"] == pick.explanation.kind
        assert row["contributions"] == pytest.approx(dict(pick.contributions))
        assert sum(row["contributions"].values()) == pytest.approx(row["score"], abs=1e-5)


def test_lists_are_as_long_as_asked_while_there_is_enough(coffee_shop: Shop) -> None:
    assert len(coffee_shop.ids("c-lover-1", limit=1)) == 1
    assert len(coffee_shop.ids("c-lover-1", limit=12)) == 12
    assert len(set(coffee_shop.ids("c-lover-1", limit=100))) == 22 - 7


def test_a_list_of_the_start_page_is_not_all_of_one_kind(coffee_shop: Shop) -> None:
    shop.add_customer(coffee_shop.database, "northerner", "North", "25-34")
    counts = Counter(kinds(coffee_shop.ids("northerner", limit=8)))
    assert len(counts) > 1
    assert max(counts.values()) <= 4  # the share of a category on the page


@pytest.mark.parametrize(
    ("query", "field", "name"),
    [
        (Query("nobody"), "customer_id", "nobody"),
        (Query("c-lover-1", context=PageContext(Page.PRODUCT, product_id="x")), "context.product_id", "x"),
        (
            Query("c-lover-1", context=PageContext(Page.CART, cart_product_ids=("c1", "x"))),
            "context.cart_product_ids[1]",
            "x",
        ),
        (
            Query("c-lover-1", context=PageContext(Page.POST_PURCHASE, purchased_product_ids=("x",))),
            "context.purchased_product_ids[0]",
            "x",
        ),
    ],
)
def test_what_is_not_known_is_named(coffee_shop: Shop, query: Query, field: str, name: str) -> None:
    with pytest.raises(NotFound, match=name) as caught:
        coffee_shop.recommend(query)
    assert caught.value.violations[0].field == field


def test_who_comes_back_after_years_is_no_stranger(coffee_shop: Shop) -> None:
    shop.add_customer(coffee_shop.database, "absent")
    orders = [shop.bought("absent", name, ago=timedelta(days=3000)) for name in ("t0", "t1", "t2")]
    shop.act(coffee_shop.database, *orders)
    answer = coffee_shop.ask("absent", limit=4)
    assert answer.strategy == "hybrid"
    assert answer.picks[0].product_id[0] == "t"
    assert np.isfinite([pick.score for pick in answer.picks]).all()


def test_a_page_asked_for_again_is_kept_until_something_changes(coffee_shop: Shop) -> None:
    numbers = []

    def answered() -> str:
        """Ask for the start page and return whether it was made or kept."""
        kept = PAGES.labels("kept")._value.get()
        numbers.append(coffee_shop.ask("c-lover-1").number)
        return "kept" if PAGES.labels("kept")._value.get() > kept else "made"

    def price_changed() -> None:
        shop.add_products(coffee_shop.database, [shop.product("c1", price=1)])
        coffee_shop.caught_up()

    assert (answered(), answered()) == ("made", "kept")
    shop.act(coffee_shop.database, shop.searched("c-lover-1", "tea"), shop.viewed("c-lover-2", "t1"))
    assert answered() == "kept"
    for change in (
        lambda: shop.act(coffee_shop.database, shop.viewed("c-lover-1", "t1")),
        lambda: shop.act(coffee_shop.database, shop.put_in_cart("c-lover-1", "t1")),
        lambda: shop.act(coffee_shop.database, shop.bought("c-lover-1", "t1")),
        price_changed,
    ):
        change()
        assert (answered(), answered()) == ("made", "kept")
    assert len(set(numbers)) == len(numbers)
