"""The limits of a product's attributes, whoever brings them."""

from collections.abc import Mapping
from math import isfinite

from shared.db.product_facts import AttributeValue
from shared.errors import InvalidArgument
from shared.events.check import check_count, check_text

MOST_ATTRIBUTES = 200
LONGEST_NAME = 200
LONGEST_TEXT = 20_000
MOST_TEXTS, LONGEST_OF_SEVERAL = 100, 1_000
"""Texts of one attribute, and the characters of each."""


def check_attributes(attributes: Mapping[str, AttributeValue], field: str) -> None:
    """Raise InvalidArgument naming the first attribute that breaks a rule of the contract."""
    check_count(attributes, field, MOST_ATTRIBUTES)
    for name, value in attributes.items():
        check_text(name, field, LONGEST_NAME, required=True)
        _check_value(value, f"{field}[{name}]")


def _check_value(value: AttributeValue, field: str) -> None:
    if isinstance(value, str):
        check_text(value, field, LONGEST_TEXT)
    elif isinstance(value, list):
        check_count(value, field, MOST_TEXTS)
        for index, text in enumerate(value):
            check_text(text, f"{field}[{index}]", LONGEST_OF_SEVERAL, required=True)
    elif not isfinite(value):
        raise InvalidArgument.of(field, value, "must be finite")
