"""What is known of a shopper: from memory while nothing happens, from the log before it is projected."""

from collections.abc import Sequence

import numpy as np
import pytest
from quintet.type.v1.event_pb2 import Event

from services.recommendation.algorithms.interactions import Kind
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.user_history import Person, UserHistories, UserHistory
from shared.db import customers, erasure, products, request_reads
from shared.db.customers import NewCustomer
from shared.db.engine import Database
from tests.support.events import (
    add,
    add_customers,
    add_products,
    append,
    happened,
    purchase,
    refund,
    remove,
    view,
)
from tests.support.projecting import apply_all


@pytest.fixture
def catalogue(database: Database) -> Catalogue:
    add_customers(database, "anna", "ben")
    add_products(database, {f"p{number}": (100, "USD") for number in range(5)})
    with database.read() as connection:
        return Catalogue.of_keys(np.empty(0, np.int64)).updated(list(products.catalogue_since(connection, 0)))


@pytest.fixture
def histories(database: Database) -> UserHistories:
    return UserHistories(database)


def read(histories: UserHistories, catalogue: Catalogue, who: str = "anna", visitor: str = "") -> UserHistory:
    found = histories.read(who, visitor, catalogue, "model")
    assert found is not None
    return found[1]


EVENTS: Sequence[Event] = (
    view("anna", "p0"),
    add("anna", {"p1": 2, "p2": 1}, 1),
    remove("anna", {"p2": 1}, 2),
    purchase("anna", "o-1", [("p1", 1, 100), ("p3", 1, 100)], 3),
    view("anna", "p4", 4, session="s-1"),
)


@pytest.mark.parametrize("projected", range(len(EVENTS) + 1))
def test_events_count_alike_before_and_after_their_projection(
    database: Database, catalogue: Catalogue, histories: UserHistories, projected: int
) -> None:
    if projected:
        happened(database, *EVENTS[:projected])
    read(histories, catalogue)
    append(database, EVENTS[projected:])
    for _ in range(2):  # before the rest is projected, and after
        found = read(histories, catalogue)
        assert found.products.tolist() == [0, 1, 2, 1, 3, 4]
        assert found.kinds.tolist() == [Kind.VIEW, Kind.CART, Kind.CART, Kind.PURCHASE, Kind.PURCHASE, Kind.VIEW]
        assert found.quantities.tolist() == [1, 2, 1, 1, 1, 1]
        assert len(set(found.baskets.tolist())) == 3
        assert (found.cart.tolist(), found.last_order.tolist(), found.bought.tolist()) == ([1], [1, 3], [1, 3])
        assert found.in_session(found.session_names["s-1"]).tolist() == [4]
        assert found.in_session(found.latest_session).tolist() == [4]
        apply_all(database)


def test_nothing_is_read_again_while_nothing_happens(
    database: Database, catalogue: Catalogue, histories: UserHistories
) -> None:
    happened(database, *EVENTS)
    first = read(histories, catalogue)
    append(database, [view("ben", "p0")])
    assert read(histories, catalogue) is first
    append(database, [view("anna", "p0", 9)])
    assert read(histories, catalogue) is not first


def test_another_model_has_other_rows(database: Database, catalogue: Catalogue, histories: UserHistories) -> None:
    happened(database, view("anna", "p0"))
    assert read(histories, catalogue).products.tolist() == [0]
    with database.read() as connection:
        entries = list(products.catalogue_since(connection, 0))
    other = Catalogue.of_keys(catalogue.keys[::-1].copy()).updated(entries)
    found = histories.read("anna", "", other, "another model")
    assert found is not None
    assert found[1].products.tolist() == [4]


def test_who_was_erased_is_unknown_at_once(database: Database, catalogue: Catalogue, histories: UserHistories) -> None:
    happened(database, view("anna", "p0"))
    read(histories, catalogue)
    with database.write() as connection:
        erasure.erase(connection, customers.read(connection, "anna").key)
    assert histories.read("anna", "", catalogue, "model") is None
    assert histories.read("", "nobody", catalogue, "model") is None
    add_customers(database, "anna")
    assert len(read(histories, catalogue).products) == 0


def test_a_visitor_who_logs_in_is_the_customer(
    database: Database, catalogue: Catalogue, histories: UserHistories
) -> None:
    with database.write() as connection:
        customers.resolve_visitors(connection, ["v-1"])
    happened(database, view("", "p0", visitor="v-1"))
    assert read(histories, catalogue, "", "v-1").products.tolist() == [0]
    assert len(read(histories, catalogue).products) == 0
    happened(database, view("anna", "p1", 1, visitor="v-1"))
    for who, visitor in (("anna", ""), ("", "v-1")):
        assert read(histories, catalogue, who, visitor).products.tolist() == [0, 1]


def test_demographics_count_at_once(database: Database, catalogue: Catalogue, histories: UserHistories) -> None:
    def person() -> Person:
        found = histories.read("anna", "", catalogue, "model")
        assert found is not None
        return found[0]

    before = person().labels
    with database.write() as connection:
        customers.upsert(connection, [NewCustomer("anna", demographics={"region": "North"})])
    assert person().labels != before


def test_a_refund_counts_at_once(database: Database, catalogue: Catalogue, histories: UserHistories) -> None:
    happened(database, *EVENTS)
    assert Kind.PURCHASE in read(histories, catalogue).kinds
    happened(database, refund("", "o-1"))
    assert Kind.PURCHASE not in read(histories, catalogue).kinds


def test_the_longest_unasked_are_forgotten(database: Database, catalogue: Catalogue) -> None:
    histories = UserHistories(database, most=1)
    first = read(histories, catalogue)
    assert read(histories, catalogue) is first
    read(histories, catalogue, "ben")
    assert read(histories, catalogue) is not first


def test_memory_is_bounded_by_the_number_of_events(database: Database, catalogue: Catalogue) -> None:
    append(database, [view("anna", "p0"), view("anna", "p1", 1), view("ben", "p0"), view("ben", "p1", 1)])
    apply_all(database)
    histories = UserHistories(database, most_events=3)
    first = read(histories, catalogue)
    assert read(histories, catalogue) is first
    read(histories, catalogue, "ben")
    assert read(histories, catalogue) is not first


def test_looking_whether_something_happened_reads_by_index_alone(sqlite_database: Database) -> None:
    with sqlite_database.read() as connection:
        for query in (request_reads._CUSTOMER, request_reads._VISITOR, request_reads._PENDING):
            sql, places, _ = query.compiled(connection.dialect)
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (1,) * len(places or ()))
            assert not [row[-1] for row in plan if row[-1].startswith("SCAN") and "CONSTANT" not in row[-1]]
