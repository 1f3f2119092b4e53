"""Prices, stock, places, groups and deletions count in answers soon after the database has them."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from services.recommendation.request import Filters, Page, PageContext, Price, Query
from shared.db import product_deletion, product_offers, products
from shared.db.product_offers import InventoryChange, PriceChange
from shared.db.product_patch import ProductPatch
from tests.integration.recommendation import shop
from tests.integration.recommendation.conftest import Asked, Shop

STRANGER = "c-lover-1"


def apply(opened: Shop, *changes: PriceChange | InventoryChange) -> None:
    with opened.database.write() as connection:
        product_offers.apply_changes(connection, changes)
    opened.caught_up()


def patch(opened: Shop, name: str, **values: Any) -> None:
    with opened.database.write() as connection:
        products.patch_products(connection, [ProductPatch(external_id=name, values=values)])
    opened.caught_up()


def at(opened: Shop, place: str, limit: int = 30, **filters: Any) -> Asked:
    context = PageContext(Page.HOME, place_id=place)
    return opened.recommend(Query(STRANGER, context=context, limit=limit, filters=Filters(**filters)))


def ids(asked: Asked) -> list[str]:
    return [pick.product_id for pick in asked.picks]


def test_prices_and_stock_are_followed_and_nothing_is_derived_anew(coffee_shop: Shop) -> None:
    first, second = coffee_shop.ids(STRANGER)[:2]
    manager = coffee_shop.agent._model_manager
    before = manager.serving.catalogue
    now = datetime.now(UTC)
    apply(coffee_shop, PriceChange(first, "", 4_242, "EUR", now))
    apply(coffee_shop, InventoryChange(second, "", "OUT_OF_STOCK", now))
    assert coffee_shop.ask(STRANGER).picks[0].price == Price(4_242, "EUR")
    assert second not in coffee_shop.ids(STRANGER)
    assert manager.serving.catalogue is not before
    assert manager.serving.catalogue.embeddings is before.embeddings, "no vector is read as changed"
    assert manager.serving.catalogue.index._changed == before.index._changed


def test_a_place_shows_what_can_be_bought_there_at_its_price(coffee_shop: Shop) -> None:
    first, second, third = coffee_shop.ids(STRANGER)[:3]
    now = datetime.now(UTC)
    apply(coffee_shop, PriceChange(first, "berlin", 77, "EUR", now), PriceChange(second, "paris", 5, "GBP", now))
    apply(coffee_shop, InventoryChange(third, "berlin", "OUT_OF_STOCK", now))
    berlin = {pick.product_id: pick.price for pick in at(coffee_shop, "berlin").picks}
    assert berlin[first] == Price(77, "EUR")
    assert third not in berlin
    assert third in ids(at(coffee_shop, "")), "elsewhere it can be bought"
    cheap = Price(80, "EUR")
    assert ids(at(coffee_shop, "berlin", max_price=cheap)) == [first]
    assert ids(at(coffee_shop, "", max_price=cheap)) == []
    apply(coffee_shop, InventoryChange(third, "berlin", None, now + timedelta(seconds=1)))
    assert third in ids(at(coffee_shop, "berlin")), "the place says nothing any more"


def test_an_agent_that_starts_knows_what_places_offer(coffee_shop: Shop) -> None:
    first = coffee_shop.ids(STRANGER)[0]
    apply(coffee_shop, InventoryChange(first, "berlin", "OUT_OF_STOCK", datetime.now(UTC)))
    catalogue = coffee_shop.agent._model_manager._catalogue_of(
        coffee_shop.agent._model_manager.serving.version,
        coffee_shop.agent._model_manager.serving.bundle,  # type: ignore[arg-type]
    )
    assert catalogue.places is not None
    assert list(catalogue.places) == ["berlin"]


def test_a_deleted_product_is_in_no_answer_and_comes_back(coffee_shop: Shop) -> None:
    first = coffee_shop.ids(STRANGER)[0]
    with coffee_shop.database.write() as connection:
        keys = products.product_keys(connection, [first])
        product_deletion.delete_products(connection, list(keys.values()))
    coffee_shop.caught_up()
    for page in (Page.HOME, Page.BUY_AGAIN):
        assert first not in coffee_shop.ids(STRANGER, page, limit=30)
    shop.add_products(coffee_shop.database, [shop.product(first)])
    coffee_shop.caught_up()
    assert first in coffee_shop.ids(STRANGER, limit=30)


def test_a_list_has_one_variant_of_a_group_and_a_product_page_none_of_its_own(coffee_shop: Shop) -> None:
    for name in shop.COFFEE:
        patch(coffee_shop, name, group_id="coffee")
    for name in shop.TEA[:4]:
        patch(coffee_shop, name, group_id="tea")
    for limit in (3, 30):
        shown = coffee_shop.ids("t-lover-2", limit=limit)
        assert sum(name in shop.COFFEE for name in shown) <= 1
        assert sum(name in shop.TEA[:4] for name in shown) <= 1
    view = coffee_shop.ids("t-lover-2", Page.PRODUCT, limit=30, product_id=shop.COFFEE[3])
    assert not set(view) & set(shop.COFFEE)
    groups = {pick.product_id: pick.group_id for pick in coffee_shop.ask("t-lover-2", limit=30).picks}
    assert set(groups.values()) <= {"", "coffee", "tea"}
    again = coffee_shop.ids(STRANGER, Page.BUY_AGAIN, limit=30)
    assert len(set(again) & set(shop.COFFEE)) > 1, "each variant that was bought stands for itself"


def test_who_bought_a_variant_is_shown_no_other(coffee_shop: Shop) -> None:
    bought = coffee_shop.ids(STRANGER, Page.BUY_AGAIN, limit=30)
    other = next(name for name in coffee_shop.ids(STRANGER, limit=30) if name not in bought)
    for name in (bought[0], other):
        patch(coffee_shop, name, group_id="variants")
    assert other not in coffee_shop.ids(STRANGER, limit=30)


def test_what_ends_or_begins_does_so_by_the_clock(coffee_shop: Shop) -> None:
    ending, beginning = coffee_shop.ids(STRANGER)[:2]
    now = datetime.now(UTC)
    patch(coffee_shop, ending, expire_at=now + timedelta(seconds=2))
    patch(coffee_shop, beginning, available_at=now + timedelta(seconds=2))
    shown = coffee_shop.ids(STRANGER, limit=30)
    assert (ending in shown, beginning in shown) == (True, False)
    change = coffee_shop.agent._model_manager.serving.catalogue.change
    deadline = time.monotonic() + 5
    while ending in (shown := coffee_shop.ids(STRANGER, limit=30)) or beginning not in shown:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert coffee_shop.agent._model_manager.serving.catalogue.change == change, "no change was needed"
