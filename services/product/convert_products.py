"""Products of the contract to changes: checks each field, and reads which fields a mask names."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from quintet.type.v1 import product_pb2
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.product_pb2 import Product

from shared import limits
from shared.db.product_facts import AttributeValue
from shared.db.product_patch import ProductPatch
from shared.errors import InvalidArgument
from shared.events.check import (
    check_choice,
    check_count,
    check_id,
    check_money,
    check_number,
    check_size,
    check_text,
    check_time,
)
from shared.field_masks import Path, paths_of
from shared.inventory import IN_STOCK
from shared.product_attributes import check_attributes

STATUS_PREFIX = "INVENTORY_STATUS_"
ATTRIBUTES: Path = ("attributes",)

_TEXTS = {
    "name": limits.MAX_PRODUCT_NAME,
    "description": limits.MAX_DESCRIPTION,
    "category": limits.MAX_CATEGORY,
    "subcategory": limits.MAX_CATEGORY,
    "brand": limits.MAX_BRAND,
}
_LISTS = (("tags", limits.MAX_TAGS, limits.MAX_TAG), ("image_urls", limits.MAX_IMAGES, limits.MAX_IMAGE_URL))
_FIXED = ("product_id", "update_time")
"""What no update may name."""


def patches(
    messages: Sequence[Product], mask: FieldMask | None = None, effective_time: Timestamp | None = None
) -> list[ProductPatch]:
    """Return the changes that products say; without a mask what is given is set and the rest stays.

    Raises InvalidArgument naming the first invalid field.
    """
    check_count(messages, "products", limits.MAX_BATCH, least=1)
    paths, effective_at = _paths(mask), moment(effective_time, "effective_time")
    found: dict[str, ProductPatch] = {}
    for index, message in enumerate(messages):
        patch = _patch(message, paths, effective_at, f"products[{index}]")
        if patch.external_id in found:
            place, problem = f"products[{index}].product_id", "must be given once only"
            raise InvalidArgument.of(place, patch.external_id, problem, ErrorReason.DUPLICATE_ELEMENT)
        found[patch.external_id] = patch
    return list(found.values())


def _paths(mask: FieldMask | None) -> frozenset[Path] | None:
    """Return the paths of a mask; None for no mask. Raises InvalidArgument naming a bad path."""
    return paths_of(Product.DESCRIPTOR, mask, _FIXED) if mask is not None and mask.paths else None


def moment(value: Timestamp | None, field: str) -> datetime | None:
    """Return since when something is true; None where it is not said. Raises InvalidArgument."""
    if value is None:
        return None
    check_time(value, field, limits.MAX_CLOCK_AHEAD)
    return value.ToDatetime(tzinfo=UTC)


def status(value: int, field: str) -> str | None:
    """Return an inventory status by its name here; None where it is not said. Raises InvalidArgument."""
    if value == product_pb2.INVENTORY_STATUS_UNSPECIFIED:
        return None
    check_choice(value, field, product_pb2.InventoryStatus.values(), "one of the inventory statuses")
    return product_pb2.InventoryStatus.Name(product_pb2.InventoryStatus.ValueType(value)).removeprefix(STATUS_PREFIX)


def _patch(message: Product, paths: frozenset[Path] | None, effective_at: datetime | None, field: str) -> ProductPatch:
    _check(message, field, named=paths is not None and ("name",) in paths)
    values: dict[str, Any] = {}
    attributes: dict[str, AttributeValue | None] = {}
    for name, *keys in _given(message) if paths is None else paths:
        for key in keys:
            attributes[key] = _value(message.attributes[key]) if key in message.attributes else None
        if not keys:
            values |= _COLUMNS[name](message)
    return ProductPatch(external_id=message.product_id, values=values, attributes=attributes, effective_at=effective_at)


def _given(message: Product) -> list[Path]:
    """Return the paths of what a message gives, attributes one by one."""
    given: list[Path] = [(each.name,) for each, _ in message.ListFields() if each.name in _COLUMNS]
    return [*(path for path in given if path != ATTRIBUTES), *((*ATTRIBUTES, name) for name in message.attributes)]


def _price(message: Product) -> dict[str, Any]:
    if not message.HasField("price"):
        return {"price": None, "currency": None}
    return {"price": message.price.amount_minor, "currency": message.price.currency_code}


def _available(message: Product) -> dict[str, Any]:
    """Return since when it is in the assortment: every product has such a time, so it is never cleared."""
    if not message.HasField("available_time"):
        return {}
    return {"available_at": message.available_time.ToDatetime(tzinfo=UTC)}


_COLUMNS: Mapping[str, Callable[[Product], dict[str, Any]]] = {
    "name": lambda message: {"name": message.name},
    "description": lambda message: {"description": message.description},
    "category": lambda message: {"category": message.category},
    "subcategory": lambda message: {"subcategory": message.subcategory},
    "brand": lambda message: {"brand": message.brand},
    "price": _price,
    "tags": lambda message: {"tags": tuple(message.tags)},
    "image_urls": lambda message: {"image_urls": tuple(message.image_urls)},
    "attributes": lambda message: {"attributes": {name: _value(each) for name, each in message.attributes.items()}},
    "average_rating": lambda message: {
        "average_rating": message.average_rating if message.HasField("average_rating") else None
    },
    "inventory_status": lambda message: {"inventory_status": status(message.inventory_status, "") or IN_STOCK},
    "available_time": _available,
    "expire_time": lambda message: {
        "expire_at": message.expire_time.ToDatetime(tzinfo=UTC) if message.HasField("expire_time") else None
    },
    "recommendable": lambda message: {
        "recommendable": message.recommendable if message.HasField("recommendable") else True
    },
    "group_id": lambda message: {"group_id": message.group_id},
    "cost": lambda message: {"cost": message.cost.amount_minor if message.HasField("cost") else None},
}
"""What each path sets, or clears where the message leaves it empty."""


def _value(message: product_pb2.AttributeValue) -> AttributeValue:
    kind = message.WhichOneof("value")
    if kind == "texts":
        return list(message.texts.values)
    value: AttributeValue = getattr(message, kind or "text")
    return value


def _check(message: Product, field: str, *, named: bool) -> None:
    check_size(message, field)
    check_id(message.product_id, f"{field}.product_id")
    for name, longest in _TEXTS.items():
        check_text(getattr(message, name), f"{field}.{name}", longest)
    if (named or message.name) and not message.name.strip():
        raise InvalidArgument.of(f"{field}.name", message.name, "is required")
    if message.group_id:
        check_id(message.group_id, f"{field}.group_id")
    status(message.inventory_status, f"{field}.inventory_status")
    _check_lists(message, field)
    _check_attributes(message, f"{field}.attributes")
    _check_numbers(message, field)


def _check_lists(message: Product, field: str) -> None:
    for name, most, longest in _LISTS:
        values = getattr(message, name)
        check_count(values, f"{field}.{name}", most)
        for index, value in enumerate(values):
            check_text(value, f"{field}.{name}[{index}]", longest)


def _check_attributes(message: Product, field: str) -> None:
    for name, value in message.attributes.items():
        if value.WhichOneof("value") is None:
            raise InvalidArgument.of(f"{field}[{name}]", None, "must have a text, number, flag or texts")
    check_attributes({name: _value(value) for name, value in message.attributes.items()}, field)


def _check_numbers(message: Product, field: str) -> None:
    if message.HasField("price"):
        check_money(message.price, f"{field}.price", limits.MAX_PRICE_MINOR)
    if message.HasField("cost"):
        _check_cost(message, f"{field}.cost")
    if message.HasField("average_rating"):
        check_number(message.average_rating, f"{field}.average_rating", 0, limits.MAX_RATING)
    if message.HasField("available_time"):
        check_time(message.available_time, f"{field}.available_time", limits.MAX_AVAILABLE_AHEAD)
    if message.HasField("expire_time"):
        check_time(message.expire_time, f"{field}.expire_time", None)


def _check_cost(message: Product, field: str) -> None:
    check_money(message.cost, field, limits.MAX_PRICE_MINOR)
    if message.cost.currency_code != message.price.currency_code:
        problem = "must be in the currency of the price, which is given with it"
        raise InvalidArgument.of(
            f"{field}.currency_code", message.cost.currency_code, problem, ErrorReason.CURRENCY_MISMATCH
        )
