"""What is known of a shopper: from memory while nothing happens, from the log before it is projected."""

from collections.abc import Sequence

import numpy as np
import pytest
from quintet.type.v1.event_pb2 import Event

from services.recommendation.algorithms.interactions import Kind
from services.recommendation.serving.catalogue import Catalogue
from services.recommendation.serving.user_history import Person, UserHistories, UserHistory
from shared.db import customer_updates, customers, erasure, products, request_reads
from shared.db.customer_updates import NewCustomer
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


def partition(numbers: np.ndarray) -> list[int]:
    """Return for each entry the place at which its number occurs first."""
    return np.unique(numbers, return_index=True)[1][np.unique(numbers, return_inverse=True)[1]].tolist()


def same(kept: UserHistory, fresh: UserHistory) -> None:
    for name in ("products", "kinds", "quantities", "times", "sessions", "cart", "last_order", "bought", "dismissed"):
        assert getattr(kept, name).tolist() == getattr(fresh, name).tolist(), name
    assert partition(kept.baskets) == partition(fresh.baskets)
    for name in ("latest_session", "session_names", "searches", "complete"):
        assert getattr(kept, name) == getattr(fresh, name), name


def some_event(rng: np.random.Generator, number: int, minute: int) -> Event:
    """Return an event of anna at about this minute: one in five comes late."""
    product, at = f"p{rng.integers(5)}", minute - int(rng.integers(120)) * (rng.random() < 0.2)
    visitor, session = str(rng.choice(["", "v-1", "v-2"])), str(rng.choice(["", "", "s-1", "s-2"]))
    match int(rng.integers(5)):
        case 0 | 1:
            return view("anna", product, at, visitor=visitor, session=session)
        case 2:
            return add("anna", {product: 2}, at)
        case 3:
            return remove("anna", {product: 1}, at)
        case _:
            return purchase("anna", f"o-{number}", [(product, 1, 100), ("p0", 1, 100)], at)


@pytest.mark.parametrize("seed", range(12))
def test_what_is_read_of_the_changes_is_what_all_of_it_would_be(
    database: Database, catalogue: Catalogue, histories: UserHistories, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    with database.write() as connection:
        customers.resolve_visitors(connection, ["v-2"])
    happened(database, view("", "p4", visitor="v-2"), *EVENTS)
    orders = ["o-1"]
    for step in range(25):
        events = [some_event(rng, 10 * step + n, 20 * step + n) for n in range(int(rng.integers(1, 4)))]
        orders += [event.purchase.purchase_id for event in events if event.HasField("purchase")]
        if rng.random() < 0.1:
            events.append(refund("", str(rng.choice(orders))))
        append(database, events)
        if rng.random() < 0.5:
            apply_all(database)
        same(read(histories, catalogue), read(UserHistories(database), catalogue))


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
        customer_updates.upsert(connection, [NewCustomer("anna", demographics={"region": "North"})])
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
        queries = (request_reads._CUSTOMER, request_reads._VISITOR, request_reads._PENDING, request_reads._EARLIEST)
        for query in queries:
            sql, places, _ = query.compiled(connection.dialect)
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (1,) * len(places or ()))
            assert not [row[-1] for row in plan if row[-1].startswith("SCAN") and "CONSTANT" not in row[-1]]
