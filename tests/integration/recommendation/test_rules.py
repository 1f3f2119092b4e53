"""Rules are never violated, whatever is asked, and hold soon after the catalogue changes."""

import time
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.recommendation.request import Filters, Page, PageContext, Price, Query
from shared.db.engine import Database
from shared.db.products import get_products
from tests.integration.recommendation import shop
from tests.integration.recommendation.conftest import Shop

EVERYTHING = [*shop.COFFEE, *shop.TEA, *shop.ACCESSORIES]
STATUSES = ["IN_STOCK", "OUT_OF_STOCK", "PREORDER", "BACKORDER", "DISCONTINUED"]

prices = st.none() | st.builds(Price, st.integers(0, 3000), st.sampled_from(["EUR", "USD"]))
filters = st.builds(
    Filters,
    categories=st.frozensets(st.sampled_from(["Coffee", "Tea", "Accessories", "Nothing"]), max_size=3),
    min_price=prices,
    max_price=prices,
    exclude_product_ids=st.frozensets(st.sampled_from([*EVERYTHING, "unknown"]), max_size=8),
    in_stock_only=st.booleans(),
)
contexts = st.sampled_from(
    [
        PageContext(Page.HOME),
        PageContext(Page.PRODUCT, product_id="t3"),
        PageContext(Page.CATEGORY, category="Tea"),
        PageContext(Page.CART, cart_product_ids=("c6", "a0")),
        PageContext(Page.SEARCH, search_query="number 3"),
        PageContext(Page.POST_PURCHASE),
        PageContext(Page.BUY_AGAIN),
    ]
)


def mixed_stock(database: Database) -> None:
    """Give the products statuses in turn, one another currency, one no price."""
    changed = [
        shop.product(name, price=100 * place, inventory_status=STATUSES[place % 5] if place % 3 else "IN_STOCK")
        for place, name in enumerate(EVERYTHING)
    ]
    changed += [shop.product("t1", price=700, currency="USD"), shop.product("t2", price=None, currency=None)]
    last = {each.external_id: each for each in changed}
    shop.add_products(database, list(last.values()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=filters, context=contexts, limit=st.integers(1, 30), customer=st.integers(0, 3))
def test_no_rule_is_ever_violated(
    coffee_shop: Shop, asked: Filters, context: PageContext, limit: int, customer: int
) -> None:
    mixed_stock(coffee_shop.database)
    coffee_shop.caught_up()
    query = Query(f"c-lover-{customer}", context=context, limit=limit, filters=asked)
    picks = coffee_shop.recommend(query).picks
    with coffee_shop.database.read() as connection:
        now = get_products(connection, [pick.product_id for pick in picks])
    assert len(picks) == len({pick.product_id for pick in picks}) <= limit
    for product in now.values():
        assert product.inventory_status in ("IN_STOCK", "PREORDER", "BACKORDER")
        assert product.inventory_status == "IN_STOCK" or not asked.in_stock_only
        assert not asked.categories or product.category in asked.categories
        assert context.page is not Page.CATEGORY or product.category == "Tea"
        assert product.external_id not in asked.exclude_product_ids
        assert product.external_id not in (context.product_id, *context.cart_product_ids)
        for bound, low in ((asked.min_price, True), (asked.max_price, False)):
            if bound is not None:
                assert product.currency == bound.currency
                assert product.price is not None
                assert product.price >= bound.amount if low else product.price <= bound.amount


def test_out_of_stock_holds_as_soon_as_it_is_followed_and_ends_with_it(coffee_shop: Shop) -> None:
    first = coffee_shop.ids("c-lover-1")[0]
    shop.add_products(coffee_shop.database, [shop.product(first, inventory_status="OUT_OF_STOCK")])
    coffee_shop.caught_up()
    gone = coffee_shop.ids("c-lover-1")
    assert first not in gone
    assert len(gone) == 10
    shop.add_products(coffee_shop.database, [shop.product(first, inventory_status="IN_STOCK")])
    coffee_shop.caught_up()
    assert first in coffee_shop.ids("c-lover-1")


def test_a_change_by_another_process_counts_within_a_tenth_of_a_second(coffee_shop: Shop) -> None:
    elsewhere = Database(coffee_shop.database.url)
    waited = []
    for round_number in range(9):
        status = STATUSES[round_number % 2]
        shop.add_products(elsewhere, [shop.product("c0", inventory_status=status)])
        changed_at = time.monotonic()
        coffee_shop.caught_up()
        waited.append(time.monotonic() - changed_at)
        assert ("c0" in coffee_shop.ids("c-lover-1", limit=50)) == (status == "IN_STOCK")
    elsewhere.close()
    assert sorted(waited)[len(waited) // 2] < 0.1


def test_what_was_bought_long_ago_stays_excluded(coffee_shop: Shop) -> None:
    shop.act(coffee_shop.database, shop.bought("t-lover-1", "c0", ago=timedelta(days=400)))
    views = [shop.viewed("t-lover-1", "c1", ago=timedelta(hours=hours)) for hours in range(600)]
    shop.act(coffee_shop.database, *views)
    assert "c0" not in coffee_shop.ids("t-lover-1", limit=100)
