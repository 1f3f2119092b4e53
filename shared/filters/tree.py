"""The syntax tree of a filter expression. Trees are immutable and hashable, so that they can be keys of caches."""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import TypeAlias


class Truth(Enum):
    """A truth value. No `bool`, which is equal to the number 1 or 0: two different filters would be one key."""

    TRUE = "true"
    FALSE = "false"


Value: TypeAlias = str | Decimal | Truth
"""A literal: text, number, or truth value."""


class Operator(StrEnum):
    """How a field is compared with a value."""

    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Compare:
    """A field compared with a value: `price < 20`."""

    field: str
    operator: Operator
    value: Value


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field that has one of some values, distinct and at least one: `brand IN ("Acme", "Bolt")`."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """A field that has any value: `attributes.size: *`."""

    field: str


@dataclass(frozen=True, slots=True)
class Not:
    """What an expression does not hold for."""

    operand: "Expression"


@dataclass(frozen=True, slots=True)
class And:
    """All of at least two expressions."""

    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of at least two expressions."""

    operands: tuple["Expression", ...]


Expression: TypeAlias = Compare | OneOf | Exists | Not | And | Or
