"""The text of a filter expression: parsing what is printed gives an equal tree."""

import re

from shared.filters.fields import ATTRIBUTE_PREFIX
from shared.filters.lexer import quoted
from shared.filters.tree import And, Compare, Exists, Expression, Not, OneOf, Or, Truth, Value

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def printed(expression: Expression | None) -> str:
    """Return the text of an expression; empty for none."""
    match expression:
        case None:
            return ""
        case Compare(field, operator, value):
            return f"{_field(field)} {operator} {_value(value)}"
        case OneOf(field, values):
            return f"{_field(field)} IN ({', '.join(map(_value, values))})"
        case Exists(field):
            return f"{_field(field)}: *"
        case Not(operand):
            return f"NOT {_inner(operand)}"
        case And(operands):
            return " AND ".join(map(_inner, operands))
        case Or(operands):
            return " OR ".join(map(_inner, operands))


def _inner(expression: Expression) -> str:
    text = printed(expression)
    return f"({text})" if isinstance(expression, And | Or) else text


def _field(field: str) -> str:
    name = field.removeprefix(ATTRIBUTE_PREFIX)
    if name == field or _PLAIN_NAME.fullmatch(name):
        return field
    return ATTRIBUTE_PREFIX + quoted(name)


def _value(value: Value) -> str:
    if isinstance(value, Truth):
        return value.value
    return quoted(value) if isinstance(value, str) else f"{value:f}"
