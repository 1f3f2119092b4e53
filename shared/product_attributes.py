"""The limits of a product's attributes, whoever brings them."""

from collections.abc import Mapping
from math import isfinite

from shared import limits
from shared.db.product_facts import AttributeValue
from shared.errors import InvalidArgument
from shared.events.check import check_count, check_text


def check_attributes(attributes: Mapping[str, AttributeValue], field: str) -> None:
    """Raise InvalidArgument naming the first attribute that breaks a rule of the contract."""
    check_count(attributes, field, limits.MAX_PRODUCT_ATTRIBUTES)
    for name, value in attributes.items():
        check_text(name, field, limits.MAX_PRODUCT_ATTRIBUTE_NAME, required=True)
        _check_value(value, f"{field}[{name}]")


def _check_value(value: AttributeValue, field: str) -> None:
    if isinstance(value, str):
        check_text(value, field, limits.MAX_PRODUCT_ATTRIBUTE)
    elif isinstance(value, list):
        check_count(value, field, limits.MAX_ATTRIBUTE_TEXTS)
        for index, text in enumerate(value):
            check_text(text, f"{field}[{index}]", limits.MAX_ATTRIBUTE_TEXT, required=True)
    elif not isfinite(value):
        raise InvalidArgument.of(field, value, "must be finite")
