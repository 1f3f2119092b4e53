"""Events become views, pages, carts, purchases and refunds: the right ones, once, on both databases."""

import pytest
from quintet.type.v1.event_pb2 import PageType
from quintet.type.v1.money_pb2 import Money

from shared.db import event_log, projection
from shared.db.engine import Database
from shared.db.event_log import NewEvent
from shared.db.projection import decode
from tests.support.events import (
    NOON,
    add,
    add_customers,
    add_products,
    append,
    event,
    happened,
    project_next,
    purchase,
    refund,
    remove,
    rows,
    usd,
    view,
)

PRICES = {"p1": (250, "USD"), "p2": (999, "USD"), "p11": (100, "EUR"), "p3": None}


@pytest.fixture
def products(database: Database) -> dict[str, int]:
    add_customers(database, "anna", "ben")
    return add_products(database, PRICES)


def open_cart(database: Database) -> dict[int, float]:
    left: dict[int, float] = {}
    for row in rows(database, "cart_items"):
        if row["open"]:
            units = row["quantity"] - row["removed_quantity"] - row["purchased_quantity"]
            left[row["product_id"]] = left.get(row["product_id"], 0.0) + units
    return left


def test_views_of_products_come_from_both_kinds_of_event(database: Database, products: dict[str, int]) -> None:
    detail = {"product_id": "p1", "duration_seconds": 12.5, "scrolls": 3, "clicks": 1}
    page = {"page_type": PageType.PAGE_TYPE_PRODUCT, "product_id": "p2"}
    projected = happened(database, event("anna", product_view=detail), event("anna", 1, page_view=page))
    seen = rows(database, "browsing_history")
    assert [(row["product_id"], row["duration_seconds"], row["page_actions"]) for row in seen] == [
        (products["p1"], 12.5, {"scrolls": 3, "clicks": 1}),
        (products["p2"], 0.0, {}),
    ]
    assert seen[0]["view_time"] == NOON
    assert rows(database, "page_events") == []
    assert projected.touched == {seen[0]["customer_id"]}


def test_other_pages_are_kept_with_what_they_showed(database: Database, products: dict[str, int]) -> None:
    projected = happened(
        database,
        event("anna", home_view={}, attributes={"campaign": "spring"}),
        event("anna", page_view={"page_type": PageType.PAGE_TYPE_CATEGORY, "category": "Coffee"}),
        event("anna", category_view={"category": "Tea"}),
        event("anna", search={"query": "beans", "filter": "organic", "product_ids": ["p1"]}),
        event("anna", cart_view={}),
        event("anna", custom={"name": "newsletter"}),
        event("anna", impression={"recommendation_ids": ["1"]}),
    )
    assert [(row["kind"], row["value"], row["details"]) for row in rows(database, "page_events")] == [
        ("home_view", "", {"attributes": {"campaign": "spring"}}),
        ("page_view", "category", {"category": "Coffee"}),
        ("category_view", "Tea", {}),
        ("search", "beans", {"filter": "organic", "product_ids": ["p1"]}),
        ("cart_view", "", {}),
        ("custom", "newsletter", {}),
    ]
    assert projected.touched == frozenset()


def test_a_cart_is_added_to_and_taken_from_latest_first(database: Database, products: dict[str, int]) -> None:
    happened(database, add("anna", {"p1": 2, "p2": 1}), add("anna", {"p1": 3}, 1), remove("anna", {"p1": 4}, 2))
    removed = [(row["quantity"], row["removed_quantity"], row["open"]) for row in rows(database, "cart_items")]
    assert removed == [(2.0, 1.0, True), (1.0, 0.0, True), (3.0, 3.0, False)]


def test_removing_more_than_there_is_empties_the_line(database: Database, products: dict[str, int]) -> None:
    happened(database, add("anna", {"p1": 2}))
    happened(database, remove("anna", {"p1": 5}), remove("anna", {"p2": 1}))
    assert open_cart(database) == {}


def test_a_purchase_closes_only_what_was_bought(database: Database, products: dict[str, int]) -> None:
    happened(database, add("anna", {"p1": 2, "p2": 1}), add("anna", {"p1": 2}, 1), add("ben", {"p1": 1}))
    happened(database, purchase("anna", "o-1", [("p1", 3, 700), ("p3", 1, 100)], 2))
    assert [(row["purchased_quantity"], row["purchased"], row["open"]) for row in rows(database, "cart_items")] == [
        (2.0, True, False),
        (0.0, False, True),
        (1.0, True, True),
        (0.0, False, True),
    ]


def test_carts_follow_the_log_within_one_batch(database: Database, products: dict[str, int]) -> None:
    happened(
        database,
        add("anna", {"p1": 1}),
        purchase("anna", "o-1", [("p1", 1, None)], 1),
        add("anna", {"p1": 5}, 2),
        remove("anna", {"p1": 2}, 3),
    )
    assert open_cart(database) == {products["p1"]: 3.0}


def test_a_quantity_that_is_not_said_is_one(database: Database, products: dict[str, int]) -> None:
    happened(database, event("anna", 0, add_to_cart={"items": [{"product_id": "p1"}]}))
    assert open_cart(database) == {products["p1"]: 1.0}
    happened(database, event("anna", 1, purchase={"purchase_id": "o-1", "items": [{"product_id": "p2"}]}))
    assert [row["quantity"] for row in rows(database, "purchase_items")] == [1.0]


def test_amounts_that_are_not_given_come_from_prices(database: Database, products: dict[str, int]) -> None:
    happened(
        database,
        purchase("anna", "o-1", [("p1", 2, None), ("p2", 0.5, None), ("p3", 1, None), ("p11", 1, None)]),
        purchase("anna", "o-2", [("p1", 1, 200), ("p1", 1, 225)], total=400),
        purchase("anna", "o-3", [("p3", 0, None)]),
        purchase("anna", "o-4", [("p11", 2, None)]),
    )
    lines = [(row["quantity"], row["amount"]) for row in rows(database, "purchase_items")]
    # 0.5 × 999 is 499.5, rounded half up; p3 has no price, p11 one in another currency; a quantity of 0 means 1
    assert lines[:4] == [(2.0, 500), (0.5, 500), (1.0, 0), (1.0, 0)]
    assert lines[4:] == [(1.0, 200), (1.0, 225), (1.0, 0), (2.0, 200)]
    orders = [(row["external_id"], row["total_amount"], row["currency"]) for row in rows(database, "purchases")]
    assert sorted(orders) == [("o-1", 1000, "USD"), ("o-2", 400, "USD"), ("o-3", 0, "USD"), ("o-4", 200, "EUR")]


def test_a_known_purchase_under_a_new_event_changes_nothing(database: Database, products: dict[str, int]) -> None:
    order = [("p1", 1.0, 250)]
    first = happened(database, purchase("anna", "o-1", order), purchase("anna", "o-1", order, 90))
    again = happened(database, purchase("ben", "o-1", order, 5))
    assert first.skipped == {"duplicate_purchase": 1}
    assert again.skipped == {"duplicate_purchase": 1}
    assert len(rows(database, "purchases")) == len(rows(database, "purchase_items")) == 1
    assert len(rows(database, "sessions")) == 1


def test_a_refund_of_some_units_is_worth_their_share(database: Database, products: dict[str, int]) -> None:
    happened(database, purchase("anna", "o-1", [("p1", 3, 1000), ("p2", 1, 999)]))
    happened(database, refund("anna", "o-1", {"p1": 1}))
    happened(database, refund("anna", "o-1", {"p1": 9, "p11": 1}))
    lines = [(row["refunded_quantity"], row["refunded_amount"]) for row in rows(database, "purchase_items")]
    assert lines == [(3.0, 1000), (0.0, 0)]
    assert rows(database, "purchases")[0]["refunded_amount"] == 1000


def test_a_refund_without_items_gives_everything_back_once(database: Database, products: dict[str, int]) -> None:
    happened(database, purchase("anna", "o-1", [("p1", 3, 1000)], total=1200), refund("anna", "o-1"))
    assert rows(database, "purchases")[0]["refunded_amount"] == 1200
    happened(database, refund("anna", "o-1"), refund("anna", "o-1", amount=usd(50)))
    assert rows(database, "purchases")[0]["refunded_amount"] == 1200
    assert rows(database, "purchase_items")[0]["refunded_amount"] == 1000


@pytest.mark.parametrize(("paid_back", "recorded"), [(usd(100), 100), (usd(9999), 999)])
def test_a_given_amount_counts_up_to_what_was_paid(
    database: Database, products: dict[str, int], paid_back: Money, recorded: int
) -> None:
    happened(database, purchase("anna", "o-1", [("p2", 1, 999)]), refund("anna", "o-1", {"p2": 1}, paid_back))
    assert rows(database, "purchases")[0]["refunded_amount"] == recorded
    assert rows(database, "purchase_items")[0]["refunded_amount"] == recorded


def test_what_cannot_be_applied_is_counted(database: Database, products: dict[str, int]) -> None:
    euros = Money(currency_code="EUR", amount_minor=5)
    projected = happened(
        database,
        view("anna", "unheard-of"),
        add("anna", {"unheard-of": 1}),
        purchase("anna", "o-1", [("unheard-of", 1, 5), ("p1", 1, 250)]),
        refund("anna", "o-2"),
        refund("anna", "o-1", {"p1": 1}, euros),
    )
    assert projected.skipped == {"unknown_product": 3, "unknown_purchase": 1, "refund_currency": 1}
    assert rows(database, "purchases")[0]["refunded_amount"] == 250


def test_last_active_moves_forward_only(database: Database, products: dict[str, int]) -> None:
    happened(database, view("anna", "p1", 30), view("anna", "p1", 10))
    happened(database, view("anna", "p1", 20), refund("anna", "none"))
    anna = rows(database, "customers")[0]
    assert (anna["last_active"] - NOON).total_seconds() == 30 * 60


def test_a_visitor_becomes_the_customer(database: Database, products: dict[str, int]) -> None:
    happened(
        database, view("", "p1", visitor="v"), event("", 1, visitor="v", add_to_cart={"items": [{"product_id": "p2"}]})
    )
    anna = rows(database, "customers")[0]["customer_id"]
    projected = happened(
        database,
        view("", "p3", 5, visitor="v"),
        event("anna", 6, visitor="v", home_view={}),
        view("", "p1", 7, visitor="v"),
    )
    assert set(projected.merged.values()) == {anna}
    for table in ("browsing_history", "cart_items", "page_events", "sessions", "visitors", "event_log"):
        assert {row["customer_id"] for row in rows(database, table)} == {anna}, table
    assert [row["external_id"] for row in rows(database, "customers")] == ["anna", "ben"]
    assert [row["event_count"] for row in rows(database, "sessions")] == [5]


def test_a_shared_browser_goes_over_to_who_logs_in_last(database: Database, products: dict[str, int]) -> None:
    happened(database, event("anna", visitor="v", home_view={}), event("ben", 1, visitor="v", home_view={}))
    happened(database, view("", "p1", 2, visitor="v"))
    keys = [row["customer_id"] for row in rows(database, "customers")]
    assert [row["customer_id"] for row in rows(database, "browsing_history")] == [keys[1]]
    assert [row["customer_id"] for row in rows(database, "page_events")] == keys


def test_an_event_of_a_visitor_whose_key_is_gone_is_found_by_its_id(
    database: Database, products: dict[str, int]
) -> None:
    append(database, [view("", "p2", visitor="v"), view("ben", "p3")])
    with database.read() as connection:
        recorded = decode(event_log.read_after(connection, 0, 10))
    strayed = [each._replace(customer_key=999_999) for each in recorded]
    with database.write() as connection:
        projected = projection.project(connection, strayed)
    assert projected.skipped == {"unknown_customer": 1}
    assert len(rows(database, "browsing_history")) == 1


def test_feedback_is_left_to_its_agent(database: Database, products: dict[str, int]) -> None:
    with database.write() as connection:
        event_log.append(connection, [NewEvent("f-1", None, "feedback", NOON, b"not an event")])
    assert project_next(database).skipped == {}
