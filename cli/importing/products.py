"""From rows to products."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from quintet.type.v1.money_pb2 import Money

from cli.importing.convert import Options, value_of
from cli.importing.customers import cell, checked_text, checked_time
from shared import limits, values
from shared.db.product_facts import AttributeValue, NewProduct
from shared.db.types import from_micros
from shared.errors import InvalidArgument
from shared.events.check import check_count, check_id, check_money, check_number, check_text
from shared.inventory import INVENTORY_STATUSES
from shared.product_attributes import check_attributes

ATTRIBUTES = "attributes."


class ProductConverter:
    """Turns rows into products. Raises InvalidArgument for what it cannot use."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._micros = values.time_parser(options.zone)

    def convert(self, columns: Mapping[str, Sequence[Any]], index: int) -> NewProduct:
        """Return the product of the row at `index` of the values by our column names."""
        product_id = checked_text(columns, "product_id", index, limits.MAX_ID)
        check_id(product_id, "product_id")
        name = checked_text(columns, "name", index, 500)
        check_text(name, "name", 500, required=True)
        price, currency = self._price(columns, index)
        cost = self._amount(columns, "cost", index)
        if cost is not None and price is None:
            raise InvalidArgument.of("cost", cell(columns, "cost", index), "must come with a price")
        attributes = _attributes(columns, index)
        check_attributes(attributes, "attributes")
        return NewProduct(
            external_id=product_id,
            name=name,
            description=checked_text(columns, "description", index, 20_000),
            category=checked_text(columns, "category", index, limits.MAX_CATEGORY),
            subcategory=checked_text(columns, "subcategory", index, limits.MAX_CATEGORY),
            brand=checked_text(columns, "brand", index, limits.MAX_BRAND),
            price=price,
            currency=currency,
            cost=cost,
            attributes=attributes,
            tags=_texts(columns, "tags", index, limits.MAX_TAGS, limits.MAX_TAG),
            image_urls=_texts(columns, "image_urls", index, limits.MAX_IMAGES, limits.MAX_IMAGE_URL),
            average_rating=_rating(columns, index),
            inventory_status=_status(columns, index),
            recommendable=value_of("recommendable", values.flag, cell(columns, "recommendable", index)),
            available_at=checked_time(columns, "available_time", index, self._micros, self._options.shift_weeks),
            expire_at=self._expires(columns, index),
            group_id=_group(columns, index),
        )

    def _expires(self, columns: Mapping[str, Sequence[Any]], index: int) -> datetime | None:
        """Return when it is over, which may lie ahead."""
        micros = value_of("expire_time", self._micros, cell(columns, "expire_time", index))
        return None if micros is None else from_micros(micros) + timedelta(weeks=self._options.shift_weeks)

    def _price(self, columns: Mapping[str, Sequence[Any]], index: int) -> tuple[int | None, str | None]:
        price = self._amount(columns, "price", index)
        return price, None if price is None else self._currency(columns, index)

    def _amount(self, columns: Mapping[str, Sequence[Any]], name: str, index: int) -> int | None:
        """Return an amount of one unit in minor units of the row's currency; None for none."""
        currency, value = self._currency(columns, index), cell(columns, name, index)
        amount = value_of(name, values.minor_units, value, currency)
        if amount is None:
            return None
        if amount < 0:
            raise InvalidArgument.of(name, value, "must not be negative")
        check_money(Money(currency_code=currency, amount_minor=amount), name, limits.MAX_PRICE_MINOR)
        return amount

    def _currency(self, columns: Mapping[str, Sequence[Any]], index: int) -> str:
        return checked_text(columns, "currency", index, 3) or self._options.currency


def _group(columns: Mapping[str, Sequence[Any]], index: int) -> str:
    group = checked_text(columns, "group_id", index, limits.MAX_ID)
    check_id(group, "group_id", required=False)
    return group


def _attributes(columns: Mapping[str, Sequence[Any]], index: int) -> dict[str, AttributeValue]:
    """Return the attributes of a row, each of the type that the file gives it; without those that say nothing."""
    cells = {
        name.removeprefix(ATTRIBUTES): column[index] for name, column in columns.items() if name.startswith(ATTRIBUTES)
    }
    found = {name: _attribute(value) for name, value in cells.items()}
    return {name: value for name, value in found.items() if value not in ("", [])}


def _attribute(value: Any) -> AttributeValue:
    """Return a value of a file as an attribute: yes or no, a number, texts, or a text; an empty one for none."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float | Decimal):
        return "" if value != value else float(value)
    if isinstance(value, list) and not any(isinstance(each, list | dict) for each in value):
        return [text for text in map(values.text, value) if text]
    return json.dumps(value, default=str) if isinstance(value, list | dict) else values.text(value)


def _texts(columns: Mapping[str, Sequence[Any]], name: str, index: int, most: int, longest: int) -> tuple[str, ...]:
    value = cell(columns, name, index)
    if value is None:
        return ()
    found = value_of(name, values.texts, value)
    check_count(found, name, most)
    for each in found:
        check_text(each, name, longest)
        each.encode()  # raises UnicodeError for bytes that were not UTF-8
    return tuple(found)


def _rating(columns: Mapping[str, Sequence[Any]], index: int) -> float | None:
    found = value_of("average_rating", values.number, cell(columns, "average_rating", index))
    if found is not None:
        check_number(found, "average_rating", 0, limits.MAX_RATING)
    return found


def _status(columns: Mapping[str, Sequence[Any]], index: int) -> str | None:
    found = checked_text(columns, "inventory_status", index, 40)
    if not found:
        return None
    status = found.upper().replace(" ", "_").replace("-", "_").removeprefix("INVENTORY_STATUS_")
    if status not in INVENTORY_STATUSES:
        raise InvalidArgument.of("inventory_status", found, f"must be one of {', '.join(INVENTORY_STATUSES)}")
    return status
