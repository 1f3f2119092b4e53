"""The Complete Journey as interchange files, on a few rows of the same shape."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cli.datasets import complete_journey
from cli.datasets.wording import measure, readable

pandas = pytest.importorskip("pandas", reason="comes with the extra: pip install 'quintet[demo]'")

LINES = [
    # household, store, basket, product, quantity, sales, time
    (1, 367, 10, 101, 2, 3.00, "2017-01-05 09:00"),
    (1, 367, 10, 102, 1, 0.07, "2017-01-05 09:00"),
    (1, 400, 11, 101, 1, 1.70, "2017-12-01 10:00"),
    (1, 367, 12, 101, 1, 1.90, "2017-12-02 10:00"),
    (2, 400, 13, 103, 12_000, 25.00, "2017-12-30 10:00"),
    (2, 400, 13, 104, 1, 0.00, "2017-12-30 10:00"),
    (2, 400, 13, 101, 0, 0.00, "2017-12-30 10:00"),
    (2, 400, 13, 999, 1, 1.00, "2017-12-30 10:00"),
]
PRODUCTS = [
    # product, manufacturer, department, brand, category, type, size
    (101, 69, "GROCERY", "Private", "FRZN BREAKFAST FOODS", "WAFFLES/PANCAKES", "12   OZ"),
    (102, 2, "GROCERY", "National", None, None, None),
    (103, 5, "FUEL", "National", "COUPON/MISC ITEMS", "GASOLINE", None),
    (104, 5, "PRODUCE", "National", "BANANAS", None, None),
    (105, 5, "PRODUCE", "National", "APPLES", "APPLES GALA", None),
]
DEMOGRAPHICS = [(2, "45-54", "50-74K", None, "Married", "2", "2 Adults No Kids", "0")]


@pytest.fixture
def tables() -> dict[str, Any]:
    names = ["household_id", "store_id", "basket_id", "product_id", "quantity", "sales_value", "transaction_timestamp"]
    lines = pandas.DataFrame(LINES, columns=names)
    lines["transaction_timestamp"] = pandas.to_datetime(lines["transaction_timestamp"])
    names = ["product_id", "manufacturer_id", "department", "brand", "product_category", "product_type", "package_size"]
    return {
        "transactions": lines,
        "products": pandas.DataFrame(PRODUCTS, columns=names),
        "demographics": pandas.DataFrame(DEMOGRAPHICS, columns=["household_id", "age", *complete_journey.DEMOGRAPHICS]),
    }


@pytest.fixture
def written(tables: dict[str, Any], tmp_path: Path) -> dict[str, list[dict[str, Any]]]:
    complete_journey.write_files(tables, tmp_path / "out")
    return {
        name: pq.read_table(tmp_path / "out" / f"{name}.parquet").to_pylist()
        for name in ("customers", "products", "events")
    }


def test_customers(written: dict[str, list[dict[str, Any]]]) -> None:
    first, second = written["customers"]
    assert (first["customer_id"], first["demographics.region"]) == ("1", "store 367")
    assert first["registration_time"] == datetime(2017, 1, 5, 9, tzinfo=UTC)
    assert first["demographics.age_group"] is None
    assert (second["demographics.age_group"], second["demographics.attributes.income"]) == ("45-54", "50-74K")
    assert second["demographics.attributes.home_ownership"] is None


def test_products(written: dict[str, list[dict[str, Any]]]) -> None:
    waffles, nameless, fuel, bananas, unsold = written["products"]
    assert waffles["name"] == "Waffles/Pancakes, 12 oz"
    assert (waffles["category"], waffles["subcategory"]) == ("Frozen Breakfast Foods", "Waffles/Pancakes")
    assert waffles["brand"] == "Manufacturer 69 (private label)"
    assert (waffles["price"], waffles["inventory_status"]) == ("1.80", "IN_STOCK")
    assert waffles["available_time"] == datetime(2017, 1, 5, 9, tzinfo=UTC)
    assert (nameless["name"], nameless["category"], nameless["brand"]) == ("Grocery", "Grocery", "Manufacturer 2")
    assert (nameless["price"], nameless["inventory_status"]) == ("0.07", "OUT_OF_STOCK")
    assert fuel["price"] == "25.00"
    assert [each["recommendable"] for each in written["products"]] == [True, True, False, True, True]
    assert (bananas["price"], bananas["name"]) == (None, "Bananas")
    assert (unsold["price"], unsold["inventory_status"]) == (None, "IN_STOCK")
    assert unsold["available_time"] == datetime(2017, 1, 5, tzinfo=UTC)


def test_events(written: dict[str, list[dict[str, Any]]]) -> None:
    shown = [(row["order_id"], row["product_id"], row["quantity"], row["amount"]) for row in written["events"]]
    assert shown == [
        ("10", "101", 2, "3.00"),
        ("10", "102", 1, "0.07"),
        ("11", "101", 1, "1.70"),
        ("12", "101", 1, "1.90"),
        ("13", "103", 1, "25.00"),
        ("13", "104", 1, "0.00"),
    ]
    assert {row["event_type"] for row in written["events"]} == {"purchase"}


def test_everything_moves_by_the_same_weeks(tables: dict[str, Any], tmp_path: Path) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    told = complete_journey.write_files(tables, tmp_path, shift_to_now=True, now=now)
    events = pq.read_table(tmp_path / "events.parquet").to_pylist()
    assert events[-1]["timestamp"] == datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert told.as_dict() == {
        "folder": str(tmp_path),
        "customers": 2,
        "customers_with_demographics": 1,
        "products": 5,
        "products_out_of_stock": 1,
        "products_not_recommendable": 1,
        "orders": 4,
        "lines": 6,
        "lines_left_out": 2,
        "lines_counted_as_one_unit": 1,
        "shift_weeks": told.shift_weeks,
    }
    assert (now - datetime(2017, 12, 30, 10, tzinfo=UTC)).days // 7 == told.shift_weeks


def test_wording() -> None:
    assert readable("SALD DRSNG/SNDWCH  SPRD") == "Salad Dressing/Sandwich Spread"
    assert readable("PREMIUM 750ML WINES") == "Premium 750ML Wines"
    assert measure(" 1/2   GAL") == "1/2 gal"
