"""Each rule of the contract on updates of prices and stock is checked, naming the field at fault."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.product_pb2 import InventoryStatus, InventoryUpdate, PriceUpdate

from services.product.convert_changes import inventory_changes, price_changes, to_counts, to_offers
from shared.db.product_offers import Applied, InventoryChange, Offer, PriceChange
from shared.errors import InvalidArgument

SPRING = datetime(2026, 3, 1, tzinfo=UTC)
TOKEN = "next"  # noqa: S105 - of a page
PRICE = Money(currency_code="EUR", amount_minor=5)
OUT = InventoryStatus.INVENTORY_STATUS_OUT_OF_STOCK


def stamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def test_prices_are_set_or_taken_back_at_places_or_everywhere() -> None:
    updates = [
        PriceUpdate(product_id="a", price=PRICE, effective_time=stamp(SPRING)),
        PriceUpdate(product_id="a", place_id="berlin", clear=True, effective_time=stamp(SPRING)),
    ]
    assert price_changes(updates) == [
        PriceChange("a", "", 5, "EUR", SPRING),
        PriceChange("a", "berlin", None, None, SPRING),
    ]


def test_statuses_are_set_and_at_places_taken_back() -> None:
    updates = [
        InventoryUpdate(product_id="a", inventory_status=OUT, effective_time=stamp(SPRING)),
        InventoryUpdate(product_id="a", place_id="berlin", clear=True, effective_time=stamp(SPRING)),
    ]
    assert inventory_changes(updates) == [
        InventoryChange("a", "", "OUT_OF_STOCK", SPRING),
        InventoryChange("a", "berlin", None, SPRING),
    ]


def test_without_a_time_it_is_true_from_now_on() -> None:
    before = datetime.now(UTC)
    [change] = price_changes([PriceUpdate(product_id="a", price=PRICE)])
    assert before <= change.since <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"product_id": ""}, "product_id"),
        ({"place_id": "x" * 129}, "place_id"),
        ({"price": None}, "price"),
        ({"price": None, "clear": False}, "price"),
        ({"price": Money(currency_code="E", amount_minor=1)}, "price.currency_code"),
        ({"price": Money(currency_code="EUR", amount_minor=-1)}, "price.amount_minor"),
        ({"effective_time": Timestamp(seconds=-1)}, "effective_time"),
        ({"effective_time": stamp(datetime.now(UTC) + timedelta(days=1))}, "effective_time"),
    ],
)
def test_a_bad_price_update_is_named(facts: dict[str, Any], field: str) -> None:
    good = PriceUpdate(product_id="a", price=PRICE)
    with pytest.raises(InvalidArgument) as caught:
        price_changes([good, PriceUpdate(**{"product_id": "a", "price": PRICE, **facts})])
    assert caught.value.violations[0].field == f"updates[1].{field}"


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"product_id": ""}, "product_id"),
        ({"inventory_status": 0}, "inventory_status"),
        ({"inventory_status": 99}, "inventory_status"),
        ({"clear": True, "place_id": "berlin"}, "clear"),
        ({"clear": True, "inventory_status": 0}, "clear"),
        ({"effective_time": stamp(datetime.now(UTC) + timedelta(days=1))}, "effective_time"),
    ],
)
def test_a_bad_inventory_update_is_named(facts: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        inventory_changes([InventoryUpdate(**{"product_id": "a", "inventory_status": OUT, **facts})])
    assert caught.value.violations[0].field == f"updates[0].{field}"


@pytest.mark.parametrize("count", [0, 1001])
def test_a_call_has_1_to_1000_updates(count: int) -> None:
    with pytest.raises(InvalidArgument, match="updates: must have 1 to 1000 entries"):
        price_changes([PriceUpdate(product_id="a", price=PRICE)] * count)
    with pytest.raises(InvalidArgument, match="updates: must have 1 to 1000 entries"):
        inventory_changes([InventoryUpdate(product_id="a", inventory_status=OUT)] * count)


def test_counts_and_offers_are_told() -> None:
    counts = to_counts(Applied(3, 2, (0, 4)))
    assert (counts.applied, counts.stale, list(counts.unknown)) == (3, 2, [0, 4])
    page = to_offers([Offer("berlin", 1, 5, "EUR", None, 1), Offer("paris", 1, None, None, "OUT_OF_STOCK", 1)], TOKEN)
    assert (page.offers[0].price, page.offers[0].inventory_status) == (PRICE, 0)
    assert (page.offers[1].HasField("price"), page.offers[1].inventory_status) == (False, OUT)
    assert page.next_page_token == TOKEN
