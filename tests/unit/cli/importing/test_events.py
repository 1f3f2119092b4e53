"""Rows as events: what each type needs, how orders are put together, and which rows are refused and why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from quintet.type.v1.event_pb2 import Event, PageType

from cli.importing.batch import Fault, RowBatch, by_column
from cli.importing.convert import Options
from cli.importing.event_ids import derived_id, short_id
from cli.importing.events import MOST_LINES, Converted, EventConverter
from shared.errors import InvalidArgument
from shared.event_types import EventTypes, parse_event_types
from tests.unit.cli.importing.drafts import all_drafts

AT = "2026-01-31T12:00:00Z"
LINE = {"event_type": "purchase", "customer_id": "c", "timestamp": AT, "order_id": "o1"}


def convert(rows: list[dict[str, Any]], options: Options | None = None) -> Converted:
    columns = by_column(rows)
    batch = RowBatch(range(2, 2 + len(rows)), columns)
    return EventConverter(options or Options()).convert(batch, columns)


def one(row: dict[str, Any], options: Options | None = None) -> Event:
    found = convert([{"customer_id": "c", "timestamp": AT, **row}], options)
    assert found.rejects == []
    [draft] = all_drafts(found)
    return draft.event


def refused(row: dict[str, Any], options: Options | None = None) -> str:
    found = convert([{"customer_id": "c", "timestamp": AT, **row}], options)
    assert all_drafts(found) == []
    return found.rejects[0].reason


def test_a_product_view() -> None:
    event = one(
        {
            "event_type": "View",
            "product_id": 7,
            "duration_seconds": "12.5",
            "session_id": "s",
            "visitor_id": "v",
            "attributes.device": "phone",
            "attributes.seen": ["a"],
        }
    )
    assert event.product_view.product_id == "7"
    assert event.product_view.duration_seconds == 12.5
    assert (event.session_id, event.visitor_id, event.customer_id) == ("s", "v", "c")
    assert event.event_time.ToDatetime(tzinfo=UTC) == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert dict(event.attributes) == {"device": "phone", "seen": '["a"]'}


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"event_type": "search", "query": "milk"}, "search"),
        ({"event_type": "category_view", "category": "Dairy"}, "category_view"),
        ({"event_type": "home_view"}, "home_view"),
        ({"event_type": "cart-view"}, "cart_view"),
        ({"event_type": "page_view"}, "home_view"),
        ({"event_type": "page_view", "product_id": "p"}, "product_view"),
        ({"event_type": "page_view", "category": "Dairy"}, "category_view"),
        ({"event_type": "page_view", "query": "milk"}, "search"),
        ({"event_type": "custom:newsletter"}, "custom"),
        ({"event_type": "Add to Cart", "product_id": "p"}, "add_to_cart"),
        ({"event_type": "remove_from_cart", "product_id": "p", "quantity": 2}, "remove_from_cart"),
        ({"event_type": "add_to_cart", "items": [{"product_id": "p"}, {"product_id": "q"}]}, "add_to_cart"),
    ],
)
def test_types(row: dict[str, Any], kind: str) -> None:
    assert one(row).WhichOneof("detail") == kind


@pytest.mark.parametrize("name", ["product", "Product Page", "PAGE_TYPE_PRODUCT"])
def test_page_types(name: str) -> None:
    page = one({"event_type": "page_view", "page_type": name, "product_id": "p"}).page_view
    assert (page.page_type, page.product_id) == (PageType.PAGE_TYPE_PRODUCT, "p")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"event_type": "fav"}, "event_type: must be one of product_view.* got 'fav'"),
        ({"event_type": None}, "event_type: is required"),
        ({"event_type": "view", "product_id": None}, "product_id: is required"),
        ({"event_type": "search"}, "query: is required"),
        ({"event_type": "view", "product_id": "p", "timestamp": "soon"}, "timestamp: is not a time.* got 'soon'"),
        ({"event_type": "view", "product_id": "p", "timestamp": None}, "timestamp: is required"),
        ({"event_type": "view", "product_id": "p", "timestamp": "2999-01-01"}, "24 hours in the future"),
        ({"event_type": "view", "product_id": "p", "timestamp": [1]}, "timestamp: must be a single value"),
        ({"event_type": "view", "product_id": "p", "customer_id": None}, "customer_id: is required"),
        ({"event_type": "view", "product_id": "p", "duration_seconds": -1}, "duration_seconds"),
        ({"event_type": "view", "product_id": "p\x00"}, "product_id"),
        ({"event_type": "view", "product_id": "x" * 129}, "product_id.* 128"),
        ({"event_type": "view", "product_id": "\udcff"}, "not UTF-8"),
        ({"event_type": "page_view", "page_type": "moon"}, "page_type: must be one of home"),
        ({"event_type": "purchase", "product_id": "p", "quantity": 0}, "quantity: must be above 0.* got 0"),
        ({"event_type": "purchase", "product_id": "p", "quantity": -1}, "quantity: must be above 0"),
        ({"event_type": "purchase", "product_id": "p", "quantity": "many"}, "quantity: is not a number, got 'many'"),
        ({"event_type": "purchase", "product_id": "p", "amount": "-1"}, "amount: must not be negative, got '-1'"),
        ({"event_type": "purchase", "product_id": "p", "price": "-1"}, "price: must not be negative, got '-1'"),
        ({"event_type": "purchase", "product_id": "p", "amount": "1.999"}, "amount: has more than the 2 decimals"),
        ({"event_type": "purchase", "product_id": "p", "amount": 1, "currency": "dollar"}, "currency_code"),
        ({"event_type": "purchase", "product_id": None}, "product_id: is required"),
        ({"event_type": "purchase", "items": "milk"}, "items: is not a JSON list"),
        ({"event_type": "refund", "product_id": "p"}, "purchase_id: is required"),
    ],
)
def test_refused_rows_say_field_and_value(row: dict[str, Any], reason: str) -> None:
    assert __import__("re").search(reason, refused(row)), refused(row)


def test_the_lines_of_an_order_become_one_purchase() -> None:
    found = convert(
        [
            {**LINE, "product_id": "p", "quantity": 2, "price": "1.25"},
            {**LINE, "product_id": "q", "quantity": "0.5", "amount": "3.10"},
            {**LINE, "product_id": "r"},
            {**LINE, "order_id": "o2", "product_id": "p", "timestamp": "2026-01-31T13:00:00Z"},
        ]
    )
    first, second = (draft.event for draft in found.drafts)
    lines = [(line.product_id, line.quantity, line.amount.amount_minor) for line in first.purchase.items]
    assert lines == [("p", 2.0, 250), ("q", 0.5, 310), ("r", 1.0, 0)]
    assert [line.HasField("amount") for line in first.purchase.items] == [True, True, False]
    assert (first.event_id, first.purchase.purchase_id) == ("order:o1", "o1")
    assert (second.event_id, len(second.purchase.items)) == ("order:o2", 1)
    assert [draft.rows for draft in found.drafts] == [[0, 1, 2], [3]]


def test_a_bad_line_costs_itself_only() -> None:
    found = convert(
        [{**LINE, "product_id": "p"}, {**LINE, "product_id": "q", "quantity": -1}, {**LINE, "product_id": "r"}]
    )
    assert [line.product_id for line in found.drafts[0].event.purchase.items] == ["p", "r"]
    assert [(each.line, each.row["product_id"]) for each in found.rejects] == [(3, "q")]


def test_an_order_whose_first_line_is_bad() -> None:
    found = convert(
        [{**LINE, "product_id": "p", "quantity": -1}, {**LINE, "product_id": "q"}, {**LINE, "product_id": "r"}]
    )
    assert [line.product_id for line in found.drafts[0].event.purchase.items] == ["q", "r"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"customer_id": "d"}, "customer_id: the order's first row has the customer 'c', got 'd'"),
        ({"currency": "EUR"}, "currency: the order is in USD, got 'EUR'"),
    ],
)
def test_the_rows_of_an_order_agree(change: dict[str, Any], reason: str) -> None:
    found = convert([{**LINE, "product_id": "p", "amount": 1}, {**LINE, "product_id": "q", "amount": 1, **change}])
    assert [each.reason for each in found.rejects] == [reason]
    assert len(found.drafts[0].event.purchase.items) == 1


def test_the_currency_of_an_order_is_that_of_its_first_amount() -> None:
    found = convert(
        [
            {**LINE, "product_id": "p"},
            {**LINE, "product_id": "q", "amount": 1, "currency": "EUR"},
            {**LINE, "product_id": "r", "amount": 1},
        ]
    )
    assert [each.reason for each in found.rejects] == ["currency: the order is in EUR, got 'USD'"]
    assert len(found.drafts[0].rows) == 2


def test_an_order_whose_time_is_wrong_is_lost_line_by_line() -> None:
    found = convert([{**LINE, "product_id": name, "timestamp": "2999-01-01"} for name in ("p", "q")])
    assert found.drafts == []
    assert [each.line for each in found.rejects] == [2, 3]


def test_equal_values_written_differently_are_one_order() -> None:
    found = convert(
        [
            {**LINE, "product_id": "p"},
            {**LINE, "product_id": "q", "event_type": "BUY", "customer_id": " c", "order_id": "o1 "},
        ]
    )
    assert len(found.drafts) == 1
    assert len(found.drafts[0].event.purchase.items) == 2


def test_other_rows_end_an_order() -> None:
    found = convert(
        [{**LINE, "product_id": "p"}, {**LINE, "event_type": "home", "order_id": None}, {**LINE, "product_id": "q"}]
    )
    assert [draft.event.WhichOneof("detail") for draft in found.drafts] == ["purchase", "home_view", "purchase"]


def test_very_long_orders_become_several() -> None:
    found = convert([{**LINE, "product_id": "p"}] * (MOST_LINES + 5))
    assert found.rejects == []
    assert [draft.event.purchase.purchase_id for draft in found.drafts] == ["o1", "o1#2"]
    assert [len(draft.event.purchase.items) for draft in found.drafts] == [MOST_LINES, 5]


def test_nested_items_are_an_order_in_one_row() -> None:
    items = [{"product_id": "p", "quantity": 2, "price": "1.50"}, {"product_id": "q", "amount": "2"}]
    event = one({"event_type": "purchase", "order_id": "o", "items": items, "currency": "EUR"})
    assert [(line.product_id, line.amount.amount_minor) for line in event.purchase.items] == [("p", 300), ("q", 200)]
    assert event.purchase.items[0].amount.currency_code == "EUR"


def test_orders_without_an_id_take_one_from_their_content() -> None:
    row = {"event_type": "purchase", "product_id": "p"}
    event = one(row)
    assert event.event_id.startswith("row:")
    assert event.purchase.purchase_id == event.event_id
    assert one(row).event_id == event.event_id
    assert one({**row, "quantity": 2}).event_id != event.event_id


def test_ids_do_not_depend_on_the_shift() -> None:
    row = {"event_type": "view", "product_id": "p"}
    plain, moved = one(row), one(row, Options(shift_weeks=-2))
    assert plain.event_id == moved.event_id
    assert moved.event_time.ToDatetime() == plain.event_time.ToDatetime() - timedelta(weeks=2)


def test_ids_are_the_platforms_where_given() -> None:
    assert one({"event_type": "home", "event_id": "e-1"}).event_id == "e-1"
    assert short_id("o" * 128) == "o" * 128
    assert len(short_id("o" * 129)) < 128
    assert derived_id(Event(customer_id="a")) != derived_id(Event(customer_id="b"))


def test_refunds_of_an_order() -> None:
    refund = one({"event_type": "refund", "order_id": "o", "product_id": "p", "quantity": -2, "amount": "-5"}).refund
    assert (refund.purchase_id, refund.items[0].product_id, refund.items[0].quantity) == ("o", "p", 2)
    assert (refund.amount.amount_minor, refund.amount.currency_code) == (500, "USD")
    whole = one({"event_type": "return", "order_id": "o"}).refund
    assert (len(whole.items), whole.HasField("amount")) == (0, False)
    several = one({"event_type": "refund", "order_id": "o", "items": [{"product_id": "p"}, {"product_id": "q"}]})
    assert [item.product_id for item in several.refund.items] == ["p", "q"]


def test_negative_quantities_as_refunds() -> None:
    options = Options(negative_quantity="refund")
    rows = [{**LINE, "order_id": "C1", "product_id": name, "quantity": -2, "price": "1.50"} for name in ("p", "q")]
    drafts = convert(rows, options).drafts
    assert [draft.event.event_id for draft in drafts] == ["refund:C1:1", "refund:C1:2"]
    assert [draft.unmatched for draft in drafts] == [True, True]
    refund = drafts[0].event.refund
    assert (refund.purchase_id, refund.items[0].quantity, refund.amount.amount_minor) == ("", 2, 300)
    assert convert([{**LINE, "product_id": "p", "quantity": 1}], options).drafts[0].unmatched is False


def test_guests() -> None:
    row = {**LINE, "customer_id": None, "product_id": "p"}
    found = convert([row, {**row, "product_id": "q"}], Options(guests="visitor"))
    assert found.drafts[0].event.visitor_id == "guest:o1"
    assert len(found.drafts[0].event.purchase.items) == 2
    assert "customer_id" in refused({**row, "order_id": None}, Options(guests="visitor"))


def test_unreadable_rows_are_rejected_and_do_not_end_an_order() -> None:
    columns = by_column([{**LINE, "product_id": "p"}, {}, {**LINE, "product_id": "q"}])
    batch = RowBatch([1, 2, 3], columns, {1: Fault("is not JSON", "{")})
    found = EventConverter(Options()).convert(batch, columns)
    assert [(each.line, each.reason, each.row) for each in found.rejects] == [(2, "the row is not JSON", {"text": "{"})]
    assert [line.product_id for line in found.drafts[0].event.purchase.items] == ["p", "q"]


def test_event_type_options() -> None:
    types = EventTypes(parse_event_types(["fav=custom:favourite", "2=add_to_cart", "purchase"]))
    assert (types.of("FAV"), types.of("2"), types.of("")) == ("custom:favourite", "add_to_cart", "purchase")
    with pytest.raises(InvalidArgument, match="--event-type: event_type: must be one of"):
        parse_event_types(["fav=like"])
