"""A deleted product is gone from the catalogue, history still finds it, and an upsert brings it back."""

from datetime import UTC, datetime, timedelta

from shared.db import product_deletion, products
from shared.db.engine import Database
from shared.db.products import NewProduct
from shared.ids import digests
from shared.inventory import DISCONTINUED, IN_STOCK

SPRING = datetime(2026, 3, 1, tzinfo=UTC)


def add(database: Database, *ids: str) -> dict[str, int]:
    with database.write() as connection:
        new = [NewProduct(external_id=each, name=each, brand="B", available_at=SPRING) for each in ids]
        return dict(products.upsert_products(connection, new).keys)


def delete(database: Database, *keys: int, before: datetime | None = None) -> int:
    with database.write() as connection:
        return product_deletion.delete_products(connection, keys, before)


def test_a_deleted_product_is_gone_from_lists_and_its_key_stays(database: Database) -> None:
    keys = add(database, "a", "b")
    with database.read() as connection:
        seen = products.newest_change(connection)
    assert delete(database, keys["a"]) == 1
    assert delete(database, keys["a"]) == 0, "it is deleted once"
    with database.read() as connection:
        assert [each.external_id for each in products.list_products(connection)] == ["b"]
        assert products.product_keys(connection, ["a"]) == {"a": keys["a"]}
        product = products.get_products(connection, ["a"])["a"]
        [entry] = products.catalogue_since(connection, seen)
        assert product_deletion.count_live(connection) == 1
    assert product.deleted
    assert not product.on_sale(datetime.now(UTC))
    assert (entry.external_id, entry.recommendable, entry.inventory_status) == ("a", False, DISCONTINUED)


def test_an_upsert_brings_it_back_as_new_under_its_key(database: Database) -> None:
    keys = add(database, "a")
    delete(database, keys["a"])
    with database.write() as connection:
        upserted = products.upsert_products(connection, [NewProduct(external_id="a", name="Again")])
    assert (upserted.created, upserted.keys) == (1, keys)
    with database.read() as connection:
        product = products.get_products(connection, ["a"])["a"]
        assert product_deletion.count_live(connection) == 1
    assert (product.name, product.brand, product.inventory_status) == ("Again", "", IN_STOCK)
    assert product.available_at == SPRING, "it is no new arrival"
    assert product.on_sale(datetime.now(UTC))


def test_what_a_complete_list_does_not_name_is_found_unless_it_changed_since(database: Database) -> None:
    keys = add(database, "a", "b", "c")
    delete(database, keys["c"])
    between = datetime.now(UTC)
    late = add(database, "d")
    listed = digests(["a", "x"])
    with database.read() as connection:
        assert product_deletion.not_listed(connection, listed, between).tolist() == [keys["b"]]
        later = between + timedelta(hours=1)
        assert product_deletion.not_listed(connection, listed, later).tolist() == [keys["b"], late["d"]]
    assert delete(database, keys["b"], late["d"], before=between) == 1, "what changed since stays"
