"""The history of one customer and of everybody, as arrays."""

from datetime import timedelta
from typing import Any

import pytest

from shared.db import interactions
from shared.db.driver import PreparedQuery
from shared.db.engine import Connection, Database
from shared.db.interactions import History, Kind, recent_history
from shared.db.request_reads import find_session
from tests.support.events import (
    NOON,
    add,
    add_customers,
    add_products,
    event,
    happened,
    purchase,
    refund,
    remove,
    view,
)


@pytest.fixture
def keys(database: Database) -> dict[str, int]:
    return add_customers(database, "anna", "ben") | add_products(database, {"p1": (100, "USD"), "p2": None, "p3": None})


def history(database: Database, key: int, limit: int = 500) -> History:
    with database.read() as connection:
        return recent_history(connection, key, limit)


def test_a_history_is_oldest_first_with_all_three_kinds(database: Database, keys: dict[str, int]) -> None:
    happened(
        database,
        purchase("anna", "o-1", [("p1", 2, 300), ("p2", 1, 50)], 100),
        event("anna", product_view={"product_id": "p3", "duration_seconds": 9}),
        add("anna", {"p1": 2}, 50),
        view("ben", "p1", 200),
    )
    found = history(database, keys["anna"]).interactions
    assert found.products.tolist() == [keys["p3"], keys["p1"], keys["p1"], keys["p2"]]
    assert found.kinds.tolist() == [Kind.VIEW, Kind.CART, Kind.PURCHASE, Kind.PURCHASE]
    assert found.quantities.tolist() == [1.0, 2.0, 2.0, 1.0]
    assert found.amounts.tolist() == [0, 0, 300, 50]
    assert found.durations.tolist() == [9.0, 0.0, 0.0, 0.0]
    noon = int(NOON.timestamp())
    assert found.times.tolist() == [noon, noon + 3_000, noon + 6_000, noon + 6_000]
    assert len(set(found.sessions.tolist())) == 3
    assert len(set(found.baskets.tolist())) == 3
    assert found.baskets[2] == found.baskets[3] == found.purchases[3] > 0


def test_where_a_customer_is_now(database: Database, keys: dict[str, int]) -> None:
    happened(
        database,
        purchase("anna", "o-1", [("p1", 1, 100), ("p3", 1, 100)]),
        purchase("anna", "o-2", [("p2", 1, 100)], 10),
        add("anna", {"p1": 2, "p2": 1}, 100),
        add("anna", {"p1": 1}, 101),
        remove("anna", {"p2": 1}, 102),
        view("anna", "p3", 103),
    )
    found = history(database, keys["anna"])
    assert found.cart.tolist() == [keys["p1"]]
    assert found.last_purchase.tolist() == [keys["p2"]]
    assert found.session.tolist() == [keys["p1"], keys["p2"], keys["p1"], keys["p3"]]
    happened(database, event("anna", 300, home_view={}))
    assert history(database, keys["anna"]).session.tolist() == []


def test_only_the_latest_are_read(database: Database, keys: dict[str, int]) -> None:
    happened(database, *(view("anna", "p1", minute) for minute in range(20)), add("anna", {"p2": 1}, 9.5))
    found = history(database, keys["anna"], limit=12).interactions
    assert len(found) == 12
    assert found.times[0] == int((NOON + timedelta(minutes=9)).timestamp())
    assert found.products.tolist().count(keys["p2"]) == 1


def test_nothing_is_known_of_a_stranger(database: Database, keys: dict[str, int]) -> None:
    found = history(database, 9_999)
    assert len(found.interactions) == len(found.cart) == len(found.session) == len(found.last_purchase) == 0
    assert found.latest_session == 0


def test_what_was_given_back_in_full_is_no_interaction(database: Database, keys: dict[str, int]) -> None:
    happened(database, purchase("anna", "o-1", [("p1", 2, 200), ("p2", 3, 300)]))
    happened(database, refund("anna", "o-1", {"p1": 2, "p2": 1}))
    found = history(database, keys["anna"]).interactions
    assert (found.products.tolist(), found.quantities.tolist(), found.amounts.tolist()) == ([keys["p2"]], [2.0], [200])


def test_everybody_by_customer_and_time(database: Database, keys: dict[str, int]) -> None:
    happened(database, view("ben", "p1", 5), view("anna", "p2", 9), add("ben", {"p3": 1}, 1), view("anna", "p1", 2))
    with database.read() as connection:
        everybody = interactions.all_interactions(connection)
        bens = interactions.interactions_of(connection, [keys["ben"], 9_999])
        nobodys = interactions.interactions_of(connection, [])
    anna, ben = keys["anna"], keys["ben"]
    assert everybody.customers.tolist() == [anna, anna, ben, ben]
    assert everybody.products.tolist() == [keys["p1"], keys["p2"], keys["p3"], keys["p1"]]
    assert bens.products.tolist() == [keys["p3"], keys["p1"]]
    assert len(nobodys) == 0


def test_a_session_is_found_by_the_platforms_id(database: Database, keys: dict[str, int]) -> None:
    happened(database, view("anna", "p1", session="s-1"), view("anna", "p2", 1))
    with database.cursor() as cursor:
        session = find_session(cursor, keys["anna"], "s-1")
        assert find_session(cursor, keys["ben"], "s-1") == 0
    assert history(database, keys["anna"]).met_in(session).tolist() == [keys["p1"]]


def test_the_hot_path_reads_by_index_alone(sqlite_database: Database) -> None:
    with sqlite_database.read() as connection:
        plan, cart = (_plan(connection, query) for query in (interactions._LATEST, interactions._CART))
    scans = [row[-1] for row in plan if row[-1].startswith("SCAN") and "SUBQUERY" not in row[-1].upper()]
    assert [scan for scan in scans if not scan.startswith(("SCAN anon", "SCAN (subquery"))] == []
    assert "ix_cart_open" in cart[0][-1]


def _plan(connection: Connection, query: PreparedQuery) -> list[Any]:
    sql, places, _ = query.compiled(connection.dialect)
    return list(connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (1,) * len(places or ())))
