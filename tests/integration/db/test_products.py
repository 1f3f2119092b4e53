"""The catalogue keeps what the platform said, counts its changes, and is found by id, key, page and change."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.db import products
from shared.db.engine import Database
from shared.db.products import NewProduct, ProductFilter, Upserted
from shared.inventory import DISCONTINUED, IN_STOCK, OUT_OF_STOCK

SPRING = datetime(2026, 3, 1, tzinfo=UTC)
FULL = NewProduct(
    external_id="85123A",
    name="Ground coffee",
    description="Dark roast.",
    category="Coffee",
    subcategory="Ground",
    brand="Bean & Co",
    price=899,
    currency="EUR",
    attributes={"origin": "Peru", "ä": "ö", "grams": 500.0, "organic": True, "colours": ["red", "blue"]},
    tags=("fair", "dark"),
    image_urls=("https://shop.example/1.jpg", "https://shop.example/2.jpg"),
    average_rating=4.5,
    inventory_status=OUT_OF_STOCK,
    recommendable=False,
    available_at=SPRING,
)


def plain(external_id: str, **facts: object) -> NewProduct:
    return NewProduct(external_id=external_id, name=f"Product {external_id}", **facts)  # type: ignore[arg-type]


def upsert(database: Database, *new: NewProduct) -> Upserted:
    with database.write() as connection:
        return products.upsert_products(connection, new)


def names(found: list[products.Product]) -> list[str]:
    return [product.external_id for product in found]


def test_a_product_is_read_back_as_it_was_given(database: Database) -> None:
    before = datetime.now(UTC)
    upserted = upsert(database, FULL)
    with database.read() as connection:
        product = products.get_product(connection, "85123A")
    assert product is not None
    assert {name: getattr(product, name) for name in vars(FULL)} == vars(FULL)
    assert product.key == upserted.keys["85123A"]
    assert before <= product.updated_at <= datetime.now(UTC)
    assert not product.on_sale(datetime.now(UTC))


def test_a_new_product_is_in_stock_and_available_from_now_on(database: Database) -> None:
    before = datetime.now(UTC)
    upsert(database, plain("a"))
    with database.read() as connection:
        product = products.get_products(connection, ["a"])["a"]
    assert product.inventory_status == IN_STOCK
    assert product.on_sale(datetime.now(UTC))
    assert before <= product.available_at <= datetime.now(UTC)
    assert (product.price, product.currency, product.attributes, product.tags) == (None, None, {}, ())


def test_an_update_replaces_all_but_status_and_availability_that_are_not_given(database: Database) -> None:
    upsert(database, FULL)
    assert upsert(database, plain("85123A")).updated == 1
    with database.read() as connection:
        product = products.get_products(connection, ["85123A"])["85123A"]
    assert (product.name, product.description, product.price, product.tags) == ("Product 85123A", "", None, ())
    assert (product.inventory_status, product.available_at) == (OUT_OF_STOCK, SPRING)


def test_an_update_may_set_status_and_availability(database: Database) -> None:
    upsert(database, plain("a"))
    upsert(database, plain("a", inventory_status=DISCONTINUED, available_at=SPRING))
    with database.read() as connection:
        product = products.get_products(connection, ["a"])["a"]
    assert (product.inventory_status, product.available_at) == (DISCONTINUED, SPRING)


def test_a_product_stays_not_recommendable_until_an_update_says_otherwise(database: Database) -> None:
    def known() -> tuple[bool, bool]:
        with database.read() as connection:
            [entry] = products.catalogue_since(connection, 0)
            return products.get_products(connection, ["a"])["a"].recommendable, entry.recommendable

    upsert(database, plain("a"))
    assert known() == (True, True)
    for given, expected in ((False, False), (None, False), (True, True)):
        upsert(database, plain("a", recommendable=given))
        assert known() == (expected, expected)


def test_upsert_counts_new_and_known_products_and_says_which_changed(database: Database) -> None:
    first = upsert(database, plain("a"), plain("b"))
    assert (first.created, first.updated, set(first.changed)) == (2, 0, set(first.keys.values()))
    second = upsert(database, plain("a"), plain("b", brand="New"), plain("c"))
    assert (second.created, second.updated) == (1, 2)
    assert set(second.changed) == {second.keys["b"], second.keys["c"]}


def test_a_product_given_again_unchanged_keeps_its_change_and_time(database: Database) -> None:
    upsert(database, FULL)
    with database.read() as connection:
        before = products.get_product(connection, "85123A")
    assert upsert(database, FULL).changed == ()
    with database.read() as connection:
        after = products.get_product(connection, "85123A")
    assert before is not None
    assert after is not None
    moments = {"price_updated_at": before.price_updated_at, "inventory_updated_at": before.inventory_updated_at}
    assert replace(after, **moments) == before
    assert after.price_updated_at > before.price_updated_at, "what is said again is true since then"  # type: ignore[operator]


def test_more_products_than_one_statement_takes_are_stored_and_found(database: Database) -> None:
    upserted = upsert(database, *(plain(str(number)) for number in range(1200)))
    assert upserted.created == len(upserted.keys) == 1200
    with database.read() as connection:
        assert products.count_products(connection) == 1200
        assert len(products.get_products(connection, upserted.keys)) == 1200
        assert len(products.get_products_by_key(connection, upserted.keys.values())) == 1200
        assert products.product_keys(connection, [*upserted.keys, "unknown"]) == upserted.keys
        assert products.product_ids(connection, [*upserted.keys.values(), 10**9]) == {
            key: name for name, key in upserted.keys.items()
        }


def test_a_failed_transaction_stores_none(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.write() as connection:
        _ = products.upsert_products(connection, [plain("a")]).updated / 0
    with database.read() as connection:
        assert products.count_products(connection) == products.newest_change(connection) == 0
        assert products.get_product(connection, "a") is None
        assert products.last_update(connection) is None


def test_pages_follow_the_keys_without_gap_or_repeat(database: Database) -> None:
    upsert(database, *(plain(name) for name in "edcba"))
    with database.read() as connection:
        first = products.list_products(connection, limit=2)
        rest = products.list_products(connection, after_key=first[-1].key, limit=10)
        assert products.list_products(connection, after_key=rest[-1].key) == []
        assert names(first + rest) == list("edcba") == names(products.all_products(connection))


def test_the_list_is_filtered_by_category_and_part_of_the_name(database: Database) -> None:
    upsert(
        database,
        NewProduct(external_id="1", name="100% Arabica", category="Coffee"),
        NewProduct(external_id="2", name="Green tea", category="Tea"),
        NewProduct(external_id="3", name="1000 teas", category="Books"),
    )

    def listed(**only: str) -> list[str]:
        with database.read() as connection:
            return names(products.list_products(connection, only=ProductFilter(**only)))  # type: ignore[arg-type]

    assert listed(category="Tea") == ["2"]
    assert listed(name_contains="TEA") == ["2", "3"]
    assert listed(name_contains="100%") == ["1"]
    assert listed(name_contains="_") == []
    assert listed(category="Tea", name_contains="arabica") == []


def test_the_list_is_filtered_by_group_brand_status_and_time_of_the_update(database: Database) -> None:
    upsert(database, plain("a", brand="A", group_id="g"), plain("b", group_id="g", inventory_status=OUT_OF_STOCK))
    between = datetime.now(UTC)
    upsert(database, plain("c", brand="A"))

    def listed(**only: Any) -> list[str]:
        with database.read() as connection:
            return names(products.list_products(connection, only=ProductFilter(**only)))

    assert listed(group_id="g") == ["a", "b"]
    assert listed(brand="A") == ["a", "c"]
    assert listed(inventory_status=OUT_OF_STOCK) == ["b"]
    assert listed(updated_since=between) == ["c"]
    assert listed(group_id="g", brand="A") == ["a"]


def test_letter_case_is_ignored_beyond_ascii_on_sqlite(sqlite_database: Database) -> None:
    upsert(sqlite_database, NewProduct(external_id="1", name="ÄPFEL"))
    with sqlite_database.read() as connection:
        assert names(products.list_products(connection, only=ProductFilter(name_contains="äpf"))) == ["1"]


def test_the_catalogue_since_a_change_holds_what_changed_later(database: Database) -> None:
    upsert(database, FULL, plain("a"))
    with database.read() as connection:
        seen = products.newest_change(connection)
        everything = list(products.catalogue_since(connection, 0))
        assert list(products.catalogue_since(connection, seen)) == []
    upsert(database, plain("b"), plain("a", price=5, currency="USD"))
    with database.read() as connection:
        changed = list(products.catalogue_since(connection, seen))
        assert products.newest_change(connection) == changed[-1].change_sequence > seen
    assert [entry.external_id for entry in everything] == ["85123A", "a"]
    assert [(entry.external_id, entry.price, entry.currency) for entry in changed] == [
        ("a", 5, "USD"),
        ("b", None, None),
    ]


def test_a_catalogue_entry_has_what_serving_needs(database: Database) -> None:
    key = upsert(database, FULL).keys["85123A"]
    with database.read() as connection:
        [entry] = products.catalogue_since(connection, 0)
    assert entry == products.CatalogueEntry(
        key,
        "85123A",
        "Ground coffee",
        "Coffee",
        "Ground",
        "Bean & Co",
        899,
        "EUR",
        "https://shop.example/1.jpg",
        OUT_OF_STOCK,
        False,
        SPRING,
        1,
        average_rating=4.5,
        attributes=entry.attributes,
        tags=entry.tags,
    )
    assert (json.loads(entry.attributes), json.loads(entry.tags)) == (FULL.attributes, ["fair", "dark"])


def test_a_product_without_picture_has_none_in_the_catalogue(database: Database) -> None:
    upsert(database, plain("a"))
    with database.read() as connection:
        [entry] = products.catalogue_since(connection, 0)
    assert entry.image_url is None


def test_a_touched_product_counts_as_changed_but_stays_as_it_is(database: Database) -> None:
    keys = upsert(database, plain("a"), plain("b")).keys
    with database.read() as connection:
        seen = products.newest_change(connection)
        updated = products.last_update(connection)
    with database.write() as connection:
        products.touch_products(connection, [keys["a"]])
    with database.read() as connection:
        assert [entry.external_id for entry in products.catalogue_since(connection, seen)] == ["a"]
        assert products.last_update(connection) == updated
        assert updated is not None
        assert datetime.now(UTC) - updated < timedelta(minutes=1)


def test_the_change_of_each_product_is_told(database: Database) -> None:
    first, second = upsert(database, plain("a")), upsert(database, plain("b"))
    a, b = first.keys["a"], second.keys["b"]
    with database.write() as connection:
        changes = products.lock_changes(connection, [a, b, 10**9])
        assert changes.keys() == {a, b}
        assert changes[a] < changes[b] == products.newest_change(connection)


def test_entries_are_read_by_key_or_only_where_they_changed(database: Database) -> None:
    keys = upsert(database, plain("a"), plain("b"), plain("c")).keys
    with database.read() as connection:
        before = products.newest_change(connection)
        found = products.catalogue_entries(connection, [keys["a"], keys["b"], 10**9])
        assert sorted(each.external_id for each in found) == ["a", "b"]
        whole = {each.key: each for each in products.catalogue_since(connection, 0)}
        assert all(each == whole[each.key] for each in found)
    upsert(database, plain("b", price=7, currency="EUR"), plain("c", price=8, currency="EUR"))
    with database.read() as connection:
        [changed] = products.catalogue_entries(connection, [keys["a"], keys["b"]], before)
    assert (changed.external_id, changed.price, changed.change_sequence > before) == ("b", 7, True)
