"""Training data and the shopper's reads: everything there is, by key."""

from datetime import UTC, datetime, timedelta

import numpy as np

from services.coordinator.event_validation import submit_event
from services.coordinator.event_writer import EventWriter
from shared.db import request_reads
from shared.db.customers import resolve_customers
from shared.db.engine import Database
from shared.db.interactions import Kind
from shared.db.products import product_keys
from shared.db.training_data import read_training_data
from tests.integration.recommendation import shop
from tests.support.tokens import KEYS


def test_an_empty_database_gives_empty_arrays(database: Database) -> None:
    data = read_training_data(database)
    assert len(data.interactions) == len(data.product_keys) == len(data.embeddings) == 0
    assert data.groups == {}
    assert data.categories == []


def test_everything_is_there_by_key(database: Database) -> None:
    shop.open_shop(database)
    shop.add_customer(database, "idle", "North")
    shop.act(database, shop.viewed("c-lover-1", "t1"), shop.put_in_cart("c-lover-1", "t2"))
    data = read_training_data(database)
    with database.read() as connection:
        keys = product_keys(connection, ["c0", "t1", "t2", "a0"])
        customer = resolve_customers(connection, ["c-lover-1"])["c-lover-1"]
        idle = resolve_customers(connection, ["idle"])["idle"]
    mine = data.interactions.customers == customer
    found = dict(zip(data.interactions.products[mine].tolist(), data.interactions.kinds[mine].tolist(), strict=True))
    assert found[keys["t1"]] == Kind.VIEW
    assert found[keys["t2"]] == Kind.CART
    assert list(found.values()).count(Kind.PURCHASE) == 7
    assert (np.diff(data.product_keys) > 0).all()
    assert data.categories[int(np.searchsorted(data.product_keys, keys["a0"]))] == "Accessories"
    assert data.added[0] == int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
    assert data.embeddings.vectors.shape == (22, 8)
    assert data.groups[customer].region == "North"
    assert idle not in data.groups
    related = data.complementary.of(keys["c0"])
    assert related is not None
    assert keys["a0"] in related.keys.tolist()


def test_bought_products_are_complete_and_the_customers_own(database: Database) -> None:
    shop.add_products(database, [shop.product(name) for name in ("c0", "c1", "c2")])
    for name in ("ann", "bob"):
        shop.add_customer(database, name)
    shop.act(database, shop.bought("ann", "c0", "c1"), shop.bought("ann", "c0", ago=timedelta(days=900)))
    with database.read() as connection:
        keys = product_keys(connection, ["c0", "c1", "c2"])
        customers = resolve_customers(connection, ["ann", "bob"])
        assert sorted(request_reads.bought_products(connection, customers["ann"])) == [keys["c0"], keys["c1"]]
        assert len(request_reads.bought_products(connection, customers["bob"])) == 0


def test_the_latest_search_is_that_of_the_session(database: Database) -> None:
    shop.add_products(database, [shop.product("c0")])
    shop.add_customer(database, "ann")
    shop.act(database, shop.searched("ann", "coffee"), shop.searched("ann", "tea"))
    with database.read() as connection:
        key = resolve_customers(connection, ["ann"])["ann"]
    with database.cursor() as cursor:
        assert request_reads.latest_search(cursor, key, 1) == "tea"
        assert request_reads.latest_search(cursor, key, 2) == ""


def test_the_rules_of_a_page_read_cart_purchases_dismissals_and_what_waits_in_the_log(database: Database) -> None:
    shop.open_shop(database)
    shop.act(database, shop.put_in_cart("c-lover-1", "t2"))
    [recorded] = EventWriter(database, KEYS).commit([submit_event(shop.put_in_cart("c-lover-1", "t3"))])
    assert recorded.error is None
    with database.read() as connection:
        keys = product_keys(connection, ["t2"])
        customer = resolve_customers(connection, ["c-lover-1"])["c-lover-1"]
        everything = sorted(request_reads.bought_products(connection, customer).tolist())
    with database.cursor() as cursor:
        version = request_reads.find_shopper(cursor, "c-lover-1", "")
        assert version is not None
        found = request_reads.read_shopper_products(cursor, version)
    assert (found.key, found.cart.tolist()) == (customer, [keys["t2"]])
    assert sorted(found.bought.tolist()) == everything != []
    assert found.dismissed.tolist() == []
    assert [each.event.add_to_cart.items[0].product_id for each in found.pending] == ["t3"]
