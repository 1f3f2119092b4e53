"""Evaluation of filter expressions over columns of products: one mask for all of them at once.

A field that a product does not have fulfils no comparison but `!=`. A field with several values, such as `tags`, is
equal to a value when one of its values is.
"""

import operator as compare
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from decimal import Decimal
from functools import reduce
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from shared.filters.columns import FilterColumns, Rows, numbers_of, rows_with_any, rows_with_text, rows_with_truth
from shared.filters.fields import FieldKind, kind_of
from shared.filters.tree import And, Compare, Exists, Expression, Not, OneOf, Operator, Or, Truth, Value

Mask: TypeAlias = NDArray[np.bool_]

_ORDERS: Mapping[Operator, Callable[[Any, Any], Any]] = {
    Operator.LESS: compare.lt,
    Operator.AT_MOST: compare.le,
    Operator.ABOVE: compare.gt,
    Operator.AT_LEAST: compare.ge,
}


def evaluate(expression: Expression, products: FilterColumns) -> Mask:
    """Return which products an expression holds for, shape (n,), bool."""
    match expression:
        case And(operands):
            return reduce(np.logical_and, (evaluate(each, products) for each in operands))
        case Or(operands):
            return reduce(np.logical_or, (evaluate(each, products) for each in operands))
        case Not(operand):
            return ~evaluate(operand, products)
        case Exists(field):
            return _mask(products, rows_with_any(products, field))
        case OneOf(field, values):
            return _mask(products, _rows_having(products, field, values))
        case Compare():
            return _compared(expression, products)


def _compared(comparison: Compare, products: FilterColumns) -> Mask:
    field, value = comparison.field, comparison.value
    if comparison.operator in _ORDERS:
        rows, numbers = numbers_of(products, field)
        return _mask(products, rows[_ORDERS[comparison.operator](numbers, _number(value))])
    equal = _mask(products, _rows_having(products, field, (value,)))
    return ~equal if comparison.operator is Operator.NOT_EQUAL else equal


def _rows_having(products: FilterColumns, field: str, values: Collection[Value]) -> Rows:
    """Return the rows of the products that have one of some values in a field; a row may occur several times."""
    if kind_of(field) is FieldKind.TIME:
        return _rows_with_numbers(products, field, values)
    texts = [value for value in values if isinstance(value, str)]
    numbers = [value for value in values if isinstance(value, Decimal)]
    found = [rows_with_text(products, field, texts)] if texts else []
    found += [_rows_with_numbers(products, field, numbers)] if numbers else []
    truths = (value for value in values if isinstance(value, Truth))
    found += [rows_with_truth(products, field, truth is Truth.TRUE) for truth in truths]
    return np.concatenate(found)


def _rows_with_numbers(products: FilterColumns, field: str, wanted: Collection[Value]) -> Rows:
    rows, numbers = numbers_of(products, field)
    return rows[np.isin(numbers, [_number(value) for value in wanted])]


def _number(value: Value) -> float:
    """Return the number that a number or a time stands for: of a time its Unix seconds."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).timestamp()
    assert isinstance(value, Decimal)  # noqa: S101 - the parser takes no truth values here
    return float(value)


def _mask(products: FilterColumns, rows: Rows) -> Mask:
    mask = np.zeros(len(products.price), np.bool_)
    mask[rows] = True
    return mask
