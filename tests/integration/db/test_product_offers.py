"""Prices and stock by themselves: the latest moment holds in whatever order they come, at places and everywhere."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from shared.db import product_deletion, product_offers, products, request_reads
from shared.db.engine import Database
from shared.db.product_offers import Applied, InventoryChange, Offer, PriceChange
from shared.db.product_patch import ProductPatch
from shared.db.products import NewProduct, Product
from shared.inventory import BACKORDER, IN_STOCK, OUT_OF_STOCK

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def price(amount: int | None, minutes: int, product: str = "a", place: str = "") -> PriceChange:
    return PriceChange(product, place, amount, None if amount is None else "EUR", at(minutes))


def status(value: str | None, minutes: int, product: str = "a", place: str = "") -> InventoryChange:
    return InventoryChange(product, place, value, at(minutes))


def add(database: Database, *ids: str, **facts: Any) -> dict[str, int]:
    with database.write() as connection:
        new = [NewProduct(external_id=each, name=each, **facts) for each in ids]
        return dict(products.upsert_products(connection, new).keys)


def apply(database: Database, *changes: PriceChange | InventoryChange) -> Applied:
    with database.write() as connection:
        return product_offers.apply_changes(connection, changes)


def stored(database: Database, name: str = "a") -> Product:
    with database.read() as connection:
        return products.get_products(connection, [name])[name]


def offers(database: Database, since: int = 0) -> list[Offer]:
    with database.read() as connection:
        return list(product_offers.offers_since(connection, since))


def fresh(database: Database) -> None:
    """Add product `a`, whose price and status were never said."""
    with database.write() as connection:
        products.patch_products(connection, [ProductPatch(external_id="a", values={"name": "a"})])


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_the_latest_price_holds_in_whatever_order_they_come(database: Database, order: Sequence[int]) -> None:
    fresh(database)
    counts = [apply(database, price(100 + number, number)) for number in order]
    assert (stored(database).price, stored(database).currency) == (102, "EUR")
    applied = sum(number == max(order[: place + 1]) for place, number in enumerate(order))
    assert (sum(each.applied for each in counts), sum(each.stale for each in counts)) == (applied, 3 - applied)


def test_of_one_call_the_latest_of_a_product_holds_and_the_rest_is_stale(database: Database) -> None:
    fresh(database)
    assert apply(database, price(3, 3), price(1, 1), price(2, 2)) == Applied(1, 2, ())
    assert stored(database).price == 3


def test_of_two_with_one_moment_the_last_one_holds_and_a_repeat_changes_nothing(database: Database) -> None:
    fresh(database)
    apply(database, price(1, 1))
    assert apply(database, price(2, 1)) == Applied(1, 0, ())
    before = stored(database)
    assert apply(database, price(2, 1)) == Applied(1, 0, ())
    assert stored(database) == before, "nobody who follows the changes has to look"


def test_price_and_status_have_moments_of_their_own(database: Database) -> None:
    fresh(database)
    apply(database, price(5, 10))
    assert apply(database, status(OUT_OF_STOCK, 5)).applied == 1
    assert (stored(database).price, stored(database).inventory_status) == (5, OUT_OF_STOCK)
    assert apply(database, status(IN_STOCK, 4)).stale == 1
    assert stored(database).inventory_status == OUT_OF_STOCK


def test_unknown_and_deleted_products_are_named_and_the_rest_is_applied(database: Database) -> None:
    keys = add(database, "a", "gone")
    with database.write() as connection:
        product_deletion.delete_products(connection, [keys["gone"]])
    later = [PriceChange(name, "", 7, "EUR", datetime.now(UTC)) for name in ("nobody", "a", "gone")]
    assert apply(database, *later) == Applied(1, 0, (0, 2))
    assert stored(database).price == 7


def test_a_price_may_be_taken_back(database: Database) -> None:
    fresh(database)
    apply(database, price(5, 1))
    apply(database, price(None, 2))
    assert (stored(database).price, stored(database).currency) == (None, None)


def test_an_upsert_says_price_and_status_as_of_its_own_moment(database: Database) -> None:
    fresh(database)
    apply(database, price(5, 10), price(6, 10, place="berlin"))

    def upsert(amount: int, minutes: int | None) -> int:
        moment = None if minutes is None else at(minutes)
        values = {"price": amount, "currency": "EUR", "brand": f"brand {amount}"}
        with database.write() as connection:
            patch = ProductPatch(external_id="a", values=values, effective_at=moment)
            return products.patch_products(connection, [patch]).stale

    assert upsert(1, 9) == 1
    assert (stored(database).price, stored(database).brand) == (5, "brand 1"), "only the price is older"
    assert upsert(2, 11) == 0
    assert stored(database).price == 2
    assert apply(database, price(3, 10)).stale == 1, "the upsert's moment counts"
    assert upsert(4, None) == 0, "without a moment it is as of now"
    assert apply(database, price(5, 60)).stale == 1
    assert stored(database).price == 4


def test_an_upsert_of_the_same_price_moves_its_moment(database: Database) -> None:
    fresh(database)
    for minutes in (1, 20):
        with database.write() as connection:
            values = {"price": 5, "currency": "EUR"}
            products.patch_products(
                connection, [ProductPatch(external_id="a", values=values, effective_at=at(minutes))]
            )
    assert apply(database, price(6, 10)).stale == 1


def test_followers_see_what_changed_and_nothing_else(database: Database) -> None:
    keys = add(database, "a", "b", price=1, currency="EUR")
    with database.read() as connection:
        seen = products.newest_change(connection)
    now = datetime.now(UTC)
    apply(database, PriceChange("a", "", 1, "EUR", now), PriceChange("b", "", 2, "EUR", now))
    with database.read() as connection:
        assert [entry.external_id for entry in products.catalogue_since(connection, seen)] == ["b"]
        seen = products.newest_change(connection)
    apply(database, price(9, 1, place="berlin"))
    with database.read() as connection:
        assert list(products.catalogue_since(connection, seen)) == []
        assert product_offers.newest_offer_change(connection) > seen
    with database.cursor() as cursor:
        assert request_reads.latest_changes(cursor)[0] > seen
    assert [(each.place_id, each.product_key, each.price) for each in offers(database, seen)] == [
        ("berlin", keys["a"], 9)
    ]


def test_places_have_prices_and_stock_of_their_own(database: Database) -> None:
    keys = add(database, "a", "b", price=1, currency="EUR")
    apply(database, price(5, 2, place="berlin"), price(6, 2, place="paris"), price(7, 2, "b", place="berlin"))
    apply(database, status(BACKORDER, 1, place="berlin"))
    assert apply(database, price(4, 1, place="berlin")).stale == 1
    assert stored(database).price == 1
    with database.read() as connection:
        berlin = product_offers.offers_at(connection, "berlin", keys.values())
        places = product_offers.offers_of(connection, keys["a"])
        assert [each.place_id for each in product_offers.offers_of(connection, keys["a"], "berlin")] == ["paris"]
    assert sorted((each.product_key, each.price, each.inventory_status) for each in berlin) == [
        (keys["a"], 5, BACKORDER),
        (keys["b"], 7, None),
    ]
    assert [each.place_id for each in places] == ["berlin", "paris"]


def test_an_offer_that_is_taken_back_is_no_offer_and_followers_hear_of_it(database: Database) -> None:
    keys = add(database, "a")
    apply(database, price(5, 1, place="berlin"))
    seen = offers(database)[-1].change_sequence
    apply(database, price(None, 2, place="berlin"))
    assert [each.price for each in offers(database, seen)] == [None]
    with database.read() as connection:
        assert product_offers.offers_of(connection, keys["a"]) == []


def test_a_thousand_changes_are_applied_at_once(database: Database) -> None:
    add(database, *(str(number) for number in range(1_000)))
    now = datetime.now(UTC)
    changes = [PriceChange(str(number), "", number, "EUR", now) for number in range(1_000)]
    assert apply(database, *changes) == Applied(1_000, 0, ())
    assert stored(database, "999").price == 999
