"""The fields of a product that filter expressions name, and what each may be compared with."""

from enum import StrEnum

ATTRIBUTES = "attributes"
ATTRIBUTE_PREFIX = f"{ATTRIBUTES}."
LONGEST_ATTRIBUTE = 200
"""Characters of the name of an attribute."""


class FieldKind(StrEnum):
    """What a field holds, named as error messages name it."""

    TEXT = "a text"
    NUMBER = "a number"
    TIME = "a time"
    ANY = "an attribute"


FIELDS = {
    "product_id": FieldKind.TEXT,
    "group_id": FieldKind.TEXT,
    "category": FieldKind.TEXT,
    "subcategory": FieldKind.TEXT,
    "brand": FieldKind.TEXT,
    "tags": FieldKind.TEXT,
    "status": FieldKind.TEXT,
    "currency": FieldKind.TEXT,
    "price": FieldKind.NUMBER,
    "rating": FieldKind.NUMBER,
    "available_time": FieldKind.TIME,
}
"""Kinds by name, but for the attributes, which are named `attributes.<name>` and are of kind ANY."""


def kind_of(field: str) -> FieldKind:
    """Return the kind of a field that the parser accepted."""
    return FieldKind.ANY if field.startswith(ATTRIBUTE_PREFIX) else FIELDS[field]
