"""From rows to products."""

from collections.abc import Mapping, Sequence
from typing import Any

from quintet.type.v1.money_pb2 import Money

from cli.importing.convert import Options, attributes_of, value_of
from cli.importing.customers import cell, checked_text, checked_time
from shared import limits, values
from shared.db.products import NewProduct
from shared.errors import InvalidArgument
from shared.events.check import check_count, check_id, check_money, check_number, check_text
from shared.inventory import INVENTORY_STATUSES


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
        attributes = attributes_of(columns, "attributes.", index)
        check_count(attributes, "attributes", limits.MAX_PRODUCT_ATTRIBUTES)
        return NewProduct(
            external_id=product_id,
            name=name,
            description=checked_text(columns, "description", index, 20_000),
            category=checked_text(columns, "category", index, limits.MAX_CATEGORY),
            subcategory=checked_text(columns, "subcategory", index, limits.MAX_CATEGORY),
            brand=checked_text(columns, "brand", index, limits.MAX_BRAND),
            price=price,
            currency=currency,
            attributes=attributes,
            tags=_texts(columns, "tags", index, limits.MAX_TAGS, limits.MAX_TAG),
            image_urls=_texts(columns, "image_urls", index, limits.MAX_IMAGES, limits.MAX_IMAGE_URL),
            average_rating=_rating(columns, index),
            inventory_status=_status(columns, index),
            recommendable=value_of("recommendable", values.flag, cell(columns, "recommendable", index)),
            available_at=checked_time(columns, "available_time", index, self._micros, self._options.shift_weeks),
        )

    def _price(self, columns: Mapping[str, Sequence[Any]], index: int) -> tuple[int | None, str | None]:
        currency = checked_text(columns, "currency", index, 3) or self._options.currency
        value = cell(columns, "price", index)
        price = value_of("price", values.minor_units, value, currency)
        if price is None:
            return None, None
        if price < 0:
            raise InvalidArgument.of("price", value, "must not be negative")
        check_money(Money(currency_code=currency, amount_minor=price), "price", limits.MAX_PRICE_MINOR)
        return price, currency


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
