"""Each rule of the contract on products is checked, naming the field; masks say what is set, cleared and left."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.type.v1 import product_pb2
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.product_pb2 import AttributeValue, TextList
from quintet.type.v1.product_pb2 import Product as Message

from services.product.convert_products import patches, status
from shared.db.product_patch import ProductPatch
from shared.errors import InvalidArgument
from shared.inventory import INVENTORY_STATUSES

SPRING = datetime(2026, 3, 1, tzinfo=UTC)
PRICE = Money(currency_code="EUR", amount_minor=1999)


def stamp(moment: datetime) -> Timestamp:
    timestamp = Timestamp()
    timestamp.FromDatetime(moment)
    return timestamp


def message(**facts: Any) -> Message:
    return Message(**{"product_id": "p", "name": "Product", **facts})


def patch(message: Message, *paths: str) -> ProductPatch:
    [made] = patches([message], FieldMask(paths=paths))
    return made


def fault(*messages: Message, mask: FieldMask | None = None, effective_time: Timestamp | None = None) -> str:
    with pytest.raises(InvalidArgument) as caught:
        patches(messages, mask, effective_time)
    return caught.value.violations[0].field


def test_without_a_mask_what_is_given_is_set_and_the_rest_left() -> None:
    said = message(price=PRICE, attributes={"colour": AttributeValue(text="red")}, recommendable=False)
    assert patches([said]) == [
        ProductPatch(
            external_id="p",
            values={"name": "Product", "price": 1999, "currency": "EUR", "recommendable": False},
            attributes={"colour": "red"},
        )
    ]
    assert patches([Message(product_id="p")])[0].values == {}


def test_a_mask_names_what_is_set_or_where_it_is_empty_cleared() -> None:
    made = patch(message(brand="B", description="left"), "brand", "price", "tags", "average_rating", "expire_time")
    assert made.values == {
        "brand": "B",
        "price": None,
        "currency": None,
        "tags": (),
        "average_rating": None,
        "expire_at": None,
    }


def test_cleared_status_and_flag_have_their_defaults_and_availability_stays() -> None:
    made = patch(message(), "inventory_status", "recommendable", "available_time")
    assert made.values == {"inventory_status": "IN_STOCK", "recommendable": True}


def test_attributes_are_named_one_by_one_or_all_together() -> None:
    said = message(attributes={"a": AttributeValue(number=1), "b.c": AttributeValue(flag=False)})
    assert patch(said, "attributes.`b.c`", "attributes.x").attributes == {"b.c": False, "x": None}
    assert patch(said, "attributes").values == {"attributes": {"a": 1.0, "b.c": False}}
    assert patch(message(), "attributes").values == {"attributes": {}}


def test_a_cost_is_given_with_the_price_in_its_currency_and_never_given_back() -> None:
    price, cost = Money(currency_code="EUR", amount_minor=300), Money(currency_code="EUR", amount_minor=100)
    assert patch(message(price=price, cost=cost)).values["cost"] == 100
    assert patch(message(), "cost").values == {"cost": None}
    with pytest.raises(InvalidArgument, match="in the currency of the price"):
        patch(message(price=Money(currency_code="USD", amount_minor=300), cost=cost))


def test_a_star_is_every_field() -> None:
    made = patch(message(available_time=stamp(SPRING)), "*")
    assert made.values["available_at"] == SPRING
    assert made.values["description"] == ""
    assert set(patch(message(), "*").values) == set(made.values) - {"available_at"}


def test_attributes_keep_their_types() -> None:
    said = {
        "text": AttributeValue(text=""),
        "number": AttributeValue(number=-0.5),
        "flag": AttributeValue(flag=True),
        "texts": AttributeValue(texts=TextList(values=["a", "b"])),
    }
    assert patches([message(attributes=said)])[0].attributes == {
        "text": "",
        "number": -0.5,
        "flag": True,
        "texts": ["a", "b"],
    }


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("product_id", "cannot be updated"),
        ("update_time", "cannot be updated"),
        ("colour", "no field"),
        ("price.amount_minor", "into a value"),
        ("attributes.", "not the path"),
        ("attributes.two words", "not the path"),
        (f"attributes.{'x' * 300}", "at most 300"),
        ("Name", "no field"),
        ("", "not the path"),
    ],
)
def test_a_path_that_names_nothing_to_change_is_refused(path: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem) as caught:
        patches([message()], FieldMask(paths=["name", path]))
    assert caught.value.violations[0].field == "update_mask.paths[1]"


def test_a_mask_has_at_most_250_paths() -> None:
    assert fault(message(), mask=FieldMask(paths=["name"] * 251)) == "update_mask.paths"
    assert patches([message()], FieldMask()) == patches([message()])


def test_an_attribute_with_other_characters_is_named_in_backticks() -> None:
    given = message(attributes={"two words": AttributeValue(number=2)})
    [made] = patches([given], FieldMask(paths=["attributes.`two words`", "attributes.gone"]))
    assert (made.values, made.attributes) == ({}, {"two words": 2, "gone": None})


def test_a_name_that_is_named_must_be_given() -> None:
    assert fault(message(name=""), mask=FieldMask(paths=["name"])) == "products[0].name"
    assert fault(message(name=""), mask=FieldMask(paths=["*"])) == "products[0].name"


def test_a_moment_is_at_most_five_minutes_ahead() -> None:
    now = datetime.now(UTC)
    assert fault(message(), effective_time=stamp(now + timedelta(minutes=6))) == "effective_time"
    [made] = patches([message()], None, stamp(SPRING))
    assert made.effective_at == SPRING


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"product_id": ""}, "product_id"),
        ({"product_id": "x" * 129}, "product_id"),
        ({"product_id": "a\nb"}, "product_id"),
        ({"name": " "}, "name"),
        ({"name": "x" * 501}, "name"),
        ({"description": "x" * 20_001}, "description"),
        ({"category": "x" * 201}, "category"),
        ({"subcategory": "x" * 201}, "subcategory"),
        ({"brand": "a\x00"}, "brand"),
        ({"price": Money(amount_minor=1)}, "price.currency_code"),
        ({"price": Money(currency_code="eur", amount_minor=1)}, "price.currency_code"),
        ({"price": Money(currency_code="EUR", amount_minor=-1)}, "price.amount_minor"),
        ({"tags": ["x"] * 101}, "tags"),
        ({"tags": ["x", "y" * 101]}, "tags[1]"),
        ({"image_urls": ["x"] * 51}, "image_urls"),
        ({"image_urls": ["x" * 2_001]}, "image_urls[0]"),
        ({"attributes": {str(n): AttributeValue(flag=True) for n in range(201)}}, "attributes"),
        ({"attributes": {"k" * 201: AttributeValue(flag=True)}}, "attributes"),
        ({"attributes": {"": AttributeValue(flag=True)}}, "attributes"),
        ({"attributes": {"k": AttributeValue()}}, "attributes[k]"),
        ({"attributes": {"k": AttributeValue(text="\x00")}}, "attributes[k]"),
        ({"attributes": {"k": AttributeValue(text="x" * 20_001)}}, "attributes[k]"),
        ({"attributes": {"k": AttributeValue(number=float("nan"))}}, "attributes[k]"),
        ({"attributes": {"k": AttributeValue(number=float("inf"))}}, "attributes[k]"),
        ({"attributes": {"k": AttributeValue(texts=TextList(values=["x"] * 101))}}, "attributes[k]"),
        ({"attributes": {"k": AttributeValue(texts=TextList(values=["x", ""]))}}, "attributes[k][1]"),
        ({"attributes": {"k": AttributeValue(texts=TextList(values=["x" * 1_001]))}}, "attributes[k][0]"),
        ({"cost": Money(currency_code="EUR", amount_minor=1)}, "cost.currency_code"),
        ({"cost": Money(currency_code="USD", amount_minor=-1)}, "cost.amount_minor"),
        ({"average_rating": 5.1}, "average_rating"),
        ({"average_rating": -0.1}, "average_rating"),
        ({"average_rating": float("nan")}, "average_rating"),
        ({"inventory_status": 99}, "inventory_status"),
        ({"group_id": "x" * 129}, "group_id"),
        ({"available_time": Timestamp(seconds=-1)}, "available_time"),
        ({"available_time": stamp(datetime.now(UTC) + timedelta(days=3_660))}, "available_time"),
        ({"expire_time": Timestamp(seconds=-1)}, "expire_time"),
    ],
)
def test_a_bad_field_is_named_with_the_place_of_its_product(facts: dict[str, Any], field: str) -> None:
    assert fault(message(product_id="first"), message(**facts)) == f"products[1].{field}"


def test_a_product_given_twice_is_named() -> None:
    assert fault(*(message(product_id=name) for name in "aba")) == "products[2].product_id"


@pytest.mark.parametrize("count", [0, 1001])
def test_a_call_has_1_to_1000_products(count: int) -> None:
    assert fault(*(message(product_id=str(number)) for number in range(count))) == "products"


def test_every_inventory_status_has_its_value() -> None:
    for name in INVENTORY_STATUSES:
        assert status(product_pb2.InventoryStatus.Value(f"INVENTORY_STATUS_{name}"), "f") == name
