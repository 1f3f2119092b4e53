"""Rows as customers and products."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from cli.importing.batch import by_column
from cli.importing.convert import Options
from cli.importing.customers import CustomerConverter
from cli.importing.products import ProductConverter
from shared.consent import Consent
from shared.db.customer_updates import NewCustomer
from shared.db.products import NewProduct
from shared.errors import InvalidArgument


def customer(row: dict[str, Any], options: Options | None = None) -> NewCustomer:
    return CustomerConverter(options or Options()).convert(by_column([row]), 0)


def product(row: dict[str, Any], options: Options | None = None) -> NewProduct:
    return ProductConverter(options or Options()).convert(by_column([{"name": "Milk", **row}]), 0)


def test_a_whole_customer() -> None:
    found = customer(
        {
            "customer_id": 17850.0,
            "name": "Anna",
            "email": "a@example.org",
            "registration_time": "2025-01-01",
            "demographics": {"age": "42", "gender": "f", "region": "Bavaria", "attributes": {"income": "50-74K"}},
            "consent": {"personalise": "yes", "train": False},
        },
        Options(shift_weeks=1),
    )
    assert found == NewCustomer(
        external_id="17850",
        name="Anna",
        email="a@example.org",
        demographics={
            "age": 42,
            "gender": "f",
            "region": "Bavaria",
            "attributes": {"income": "50-74K"},
        },
        registered_at=datetime(2025, 1, 8, tzinfo=UTC),
        consent=Consent(personalise=True, train=False),
    )


def test_what_a_customer_leaves_out() -> None:
    assert customer({"customer_id": "c", "name": None}) == NewCustomer("c")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"customer_id": None}, "customer_id: is required"),
        ({"customer_id": "c", "consent.train": "perhaps"}, r"consent.train: .*got '\(hidden\)'"),
        ({"customer_id": "c", "demographics.age": "old"}, r"demographics.age: is not a number, got '\(hidden\)'"),
        ({"customer_id": "c", "demographics.age": 131}, r"demographics.age: .*at most 130, got '\(hidden\)'"),
        ({"customer_id": "c", "name": "x" * 201}, "name: must be at most 200"),
        ({"customer_id": "c", "registration_time": "2999-01-01"}, "registration_time: .*future"),
    ],
)
def test_customers_that_are_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        customer(row)


ATTRIBUTES = {
    "size": "1 l",
    "litres": 1.5,
    "count": Decimal(6),
    "organic": False,
    "labels": ["a", 2, None],
    "nothing": "",
    "unknown": float("nan"),
    "raw": {"x": 1},
}


def test_a_whole_product() -> None:
    found = product(
        {
            "product_id": "85123A",
            "description": "Fresh",
            "category": "Dairy",
            "subcategory": "Milk",
            "brand": "Own",
            "price": "2.49",
            "currency": "EUR",
            "tags": "fresh|cold",
            "image_urls": ["https://example.org/1.jpg"],
            "average_rating": "4.5",
            "inventory_status": "out of stock",
            "recommendable": "No",
            "available_time": "2025-01-01T00:00:00Z",
            "expire_time": "2999-01-01",
            "group_id": "milk",
            "attributes": ATTRIBUTES,
        }
    )
    assert found == NewProduct(
        external_id="85123A",
        name="Milk",
        description="Fresh",
        category="Dairy",
        subcategory="Milk",
        brand="Own",
        price=249,
        currency="EUR",
        tags=("fresh", "cold"),
        image_urls=("https://example.org/1.jpg",),
        average_rating=4.5,
        inventory_status="OUT_OF_STOCK",
        recommendable=False,
        available_at=datetime(2025, 1, 1, tzinfo=UTC),
        expire_at=datetime(2999, 1, 1, tzinfo=UTC),
        group_id="milk",
        attributes={"size": "1 l", "litres": 1.5, "count": 6.0, "organic": False, "labels": ["a", "2"], "raw.x": 1.0},
    )


def test_what_a_product_leaves_out() -> None:
    assert product({"product_id": "p"}) == NewProduct(external_id="p", name="Milk")
    assert product({"product_id": "p", "price": 3}, Options(currency="JPY")).price == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"product_id": "p", "name": " "}, "name: is required"),
        ({"product_id": "p", "price": "-1"}, "price: must not be negative, got '-1'"),
        ({"product_id": "p", "price": "1.999"}, "price: has more than the 2 decimals of USD, got '1.999'"),
        ({"product_id": "p", "price": "1", "currency": "usd"}, "price.currency_code"),
        ({"product_id": "p", "average_rating": 6}, "average_rating"),
        ({"product_id": "p", "inventory_status": "GONE"}, "inventory_status: must be one of IN_STOCK.* got 'GONE'"),
        ({"product_id": "p", "recommendable": "maybe"}, "recommendable: is not true or false, got 'maybe'"),
        ({"product_id": "p", "tags": ["x" * 101]}, "tags"),
        ({"product_id": "p", "attributes": {str(n): "x" for n in range(201)}}, "attributes"),
        ({"product_id": "p", "attributes": {"a": "x" * 20_001}}, "attributes.a.: must be at most"),
        ({"product_id": "p", "attributes": {"a": ["x" * 1_001]}}, "attributes.a..0.: must be at most"),
        ({"product_id": "p", "attributes": {"a": float("inf")}}, "attributes.a.: must be finite"),
        ({"product_id": "p", "group_id": "x" * 129}, "group_id"),
        ({"product_id": "p", "expire_time": "soon"}, "expire_time: is not a time"),
    ],
)
def test_products_that_are_refused(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        product(row)


def test_a_cost_comes_with_a_price_in_its_currency() -> None:
    found = product({"product_id": "p", "price": "2.50", "cost": "1.10", "currency": "EUR"})
    assert (found.price, found.cost, found.currency) == (250, 110, "EUR")
    for row, reason in (
        ({"cost": "1.10"}, "cost: must come with a price"),
        ({"price": "2", "cost": "-1"}, "cost: must not be negative"),
        ({"price": "2", "cost": "free"}, "cost: is not a"),
    ):
        with pytest.raises(InvalidArgument, match=reason):
            product({"product_id": "p", **row})


def test_bytes_that_were_not_utf8() -> None:
    with pytest.raises(UnicodeError):
        product({"product_id": "p", "tags": ["\udcff"]})
    with pytest.raises(UnicodeError):
        customer({"customer_id": "c", "name": "\udcff"})
