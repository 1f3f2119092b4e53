"""Masks, places, times and deletions, in any order, against a model made of dicts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.product_pb2 import AttributeValue, InventoryStatus, Product, TextList
from sqlalchemy import delete

from services.product.convert import to_product
from services.product.convert_products import patches
from shared.db import product_deletion, product_offers, products
from shared.db.engine import Database
from shared.db.product_offers import PriceChange
from shared.db.schema import products as table
from shared.errors import InvalidArgument

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCALARS = ("name", "description", "category", "subcategory", "brand", "group_id")
UNSAID: dict[str, Any] = {
    **dict.fromkeys(SCALARS, ""),
    "tags": [],
    "image_urls": [],
    "price": None,
    "average_rating": None,
    "expire_time": None,
    "recommendable": True,
    "inventory_status": InventoryStatus.INVENTORY_STATUS_IN_STOCK,
    "attributes": {},
}
PATHS = (*UNSAID, "attributes.a", "attributes.b.c")

TEXTS = st.sampled_from(["", "x", "Ö"])
LISTS = st.lists(st.sampled_from(["x", "y"]), max_size=2)
VALUES = st.one_of(
    st.builds(AttributeValue, text=TEXTS),
    st.builds(AttributeValue, number=st.sampled_from([0.0, 1.0, 2.5])),
    st.builds(AttributeValue, flag=st.booleans()),
    st.builds(AttributeValue, texts=st.builds(TextList, values=LISTS)),
)
SAID = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(SCALARS, TEXTS),
        "tags": LISTS,
        "image_urls": LISTS,
        "price": st.builds(Money, currency_code=st.just("EUR"), amount_minor=st.integers(0, 3)),
        "average_rating": st.sampled_from([0.0, 4.5]),
        "expire_time": st.just(Timestamp(seconds=1_000_000)),
        "recommendable": st.booleans(),
        "inventory_status": st.sampled_from([0, 1, 2, 3]),
        "attributes": st.dictionaries(st.sampled_from(["a", "b.c"]), VALUES, max_size=2),
    },
)
MASKS = st.none() | st.just(["*"]) | st.lists(st.sampled_from(PATHS), min_size=1, max_size=4, unique=True)
NAMES = st.sampled_from(["p", "q"])
MINUTES = st.integers(0, 5)
STEPS = st.one_of(
    st.tuples(st.just("upsert"), NAMES, SAID, MASKS, MINUTES),
    st.tuples(st.just("price"), NAMES, st.none() | st.integers(0, 3), MINUTES),
    st.tuples(st.just("delete"), NAMES),
)


class Model:
    """The catalogue as the contract describes it: a dict of fields, and since when price and status are true."""

    def __init__(self) -> None:
        self.products: dict[str, dict[str, Any]] = {}
        self.since: dict[tuple[str, str], int] = {}

    def upsert(self, name: str, said: dict[str, Any], mask: list[str] | None, minutes: int) -> bool:
        """Return whether it is accepted."""
        message = Product(product_id=name, **said)
        fields = dict(self.products.get(name) or UNSAID)
        if name not in self.products:
            self.since = {key: value for key, value in self.since.items() if key[0] != name}
        paths = [path for path in UNSAID if path != "attributes"] + ["attributes"] if mask == ["*"] else mask
        for path in self._given(message) if paths is None else paths:
            if path in ("price", "inventory_status") and not self._is_later(name, path, minutes):
                continue
            self._set(fields, path, message)
        if not fields["name"]:
            return False
        self.products[name] = fields
        return True

    def set_price(self, name: str, amount: int | None, minutes: int) -> None:
        if name in self.products and self._is_later(name, "price", minutes):
            price = None if amount is None else Money(currency_code="EUR", amount_minor=amount)
            self.products[name] = {**self.products[name], "price": price}

    def _given(self, message: Product) -> list[str]:
        given = [each.name for each, _ in message.ListFields() if each.name in UNSAID and each.name != "attributes"]
        return given + [f"attributes.{each}" for each in message.attributes]

    def _is_later(self, name: str, path: str, minutes: int) -> bool:
        later = minutes >= self.since.get((name, path), 0)
        if later:
            self.since[name, path] = minutes
        return later

    def _set(self, fields: dict[str, Any], path: str, message: Product) -> None:
        if path.startswith("attributes."):
            name = path.removeprefix("attributes.")
            kept = {key: value for key, value in fields["attributes"].items() if key != name}
            fields["attributes"] = kept | ({name: message.attributes[name]} if name in message.attributes else {})
        elif path == "attributes":
            fields["attributes"] = dict(message.attributes)
        elif path in ("tags", "image_urls"):
            fields[path] = list(getattr(message, path))
        elif path in ("price", "average_rating", "expire_time"):
            fields[path] = getattr(message, path) if message.HasField(path) else None
        elif path == "recommendable":
            fields[path] = message.recommendable if message.HasField(path) else True
        else:
            fields[path] = getattr(message, path) or UNSAID[path]


def read(database: Database) -> dict[str, dict[str, Any]]:
    """Return the fields of all products as they are told."""
    with database.read() as connection:
        found = [to_product(each) for each in products.list_products(connection)]
    return {message.product_id: {path: _told(message, path) for path in UNSAID} for message in found}


def _told(message: Product, path: str) -> Any:
    if path in ("price", "average_rating", "expire_time"):
        return getattr(message, path) if message.HasField(path) else None
    value = getattr(message, path)
    if path == "attributes":
        return dict(value)
    return list(value) if path in ("tags", "image_urls") else value


def upsert(database: Database, name: str, said: dict[str, Any], mask: list[str] | None, minutes: int) -> bool:
    since = Timestamp(seconds=int((NOON + timedelta(minutes=minutes)).timestamp()))
    try:
        changes = patches([Product(product_id=name, **said)], FieldMask(paths=mask or ()), since)
        with database.write() as connection:
            products.patch_products(connection, changes)
    except InvalidArgument:
        return False
    return True


def set_price(database: Database, name: str, amount: int | None, minutes: int) -> None:
    change = PriceChange(name, "", amount, None if amount is None else "EUR", NOON + timedelta(minutes=minutes))
    with database.write() as connection:
        product_offers.apply_changes(connection, [change])


def remove(database: Database, name: str) -> None:
    with database.write() as connection:
        product_deletion.delete_products(connection, list(products.product_keys(connection, [name]).values()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEPS, max_size=10))
def test_the_catalogue_is_what_the_contract_says(database: Database, steps: list[tuple[Any, ...]]) -> None:
    with database.write() as connection:
        connection.execute(delete(table))
    model = Model()
    for kind, name, *rest in steps:
        if kind == "upsert":
            before = model.since.copy()
            accepted = model.upsert(name, *rest)
            if not accepted:
                model.since = before
            assert upsert(database, name, *rest) == accepted
        elif kind == "price":
            model.set_price(name, *rest)
            set_price(database, name, *rest)
        else:
            model.products.pop(name, None)
            remove(database, name)
        assert read(database) == model.products


def test_a_new_product_needs_a_name_and_none_of_the_call_is_stored(database: Database) -> None:
    changes = patches([Product(product_id="a", name="A"), Product(product_id="b", brand="B")])
    with pytest.raises(InvalidArgument) as caught, database.write() as connection:
        products.patch_products(connection, changes)
    assert caught.value.violations[0].field == "products[1].name"
    assert read(database) == {}
