"""Products as columns for filters, made of plain facts, and what a filter means for one product, said once more."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np

from shared.codes import Codes
from shared.filters.fields import ATTRIBUTE_PREFIX
from shared.filters.tree import And, Compare, Exists, Expression, Not, OneOf, Operator, Or, Truth, Value
from shared.inventory import INVENTORY_STATUSES
from shared.money import decimals


@dataclass(frozen=True)
class Item:
    """A product; what is None or empty is not known."""

    product_id: str
    brand: str = ""
    category: str = ""
    subcategory: str = ""
    group_id: str = ""
    price: int | None = None
    currency: str = "EUR"
    rating: float | None = None
    status: str = "IN_STOCK"
    available_time: int = 0
    tags: tuple[str, ...] = ()
    attributes: dict[str, Any] = field(default_factory=dict)

    def values(self, name: str) -> list[Value]:
        """Return the values of a field as a filter's literals stand for them, times in Unix seconds."""
        if name.startswith(ATTRIBUTE_PREFIX):
            given = self.attributes.get(name.removeprefix(ATTRIBUTE_PREFIX), [])
            return [_literal(each) for each in (given if isinstance(given, list) else [given])]
        if name == "price":
            return [] if self.price is None else [Decimal(self.price) / 10 ** decimals(self.currency)]
        if name == "available_time":
            return [Decimal(self.available_time)]
        given = getattr(self, name)
        if isinstance(given, tuple):
            return list(given)
        return [] if given in ("", None) else [_literal(given)]


def holds(expression: Expression, item: Item) -> bool:
    """Say whether an expression holds for one product."""
    match expression:
        case And(operands):
            return all(holds(each, item) for each in operands)
        case Or(operands):
            return any(holds(each, item) for each in operands)
        case Not(operand):
            return not holds(operand, item)
        case Exists(name):
            return bool(item.values(name))
        case OneOf(name, values):
            return any(_wanted(name, value) in item.values(name) for value in values)
        case Compare(name, operator, value):
            return _compares(item.values(name), operator, _wanted(name, value))


def _compares(values: Sequence[Value], operator: Operator, wanted: Value) -> bool:
    if operator is Operator.EQUAL:
        return wanted in values
    if operator is Operator.NOT_EQUAL:
        return wanted not in values
    numbers = [each for each in values if isinstance(each, Decimal)]
    assert isinstance(wanted, Decimal)
    return {
        Operator.LESS: any(each < wanted for each in numbers),
        Operator.AT_MOST: any(each <= wanted for each in numbers),
        Operator.ABOVE: any(each > wanted for each in numbers),
        Operator.AT_LEAST: any(each >= wanted for each in numbers),
    }[operator]


def _wanted(name: str, value: Value) -> Value:
    if name == "available_time":
        return Decimal(datetime.fromisoformat(str(value)).timestamp())
    return value


def _literal(value: Any) -> Value:
    if isinstance(value, bool):
        return Truth.TRUE if value else Truth.FALSE
    return value if isinstance(value, str) else Decimal(str(value))


@dataclass(frozen=True, eq=False)
class Column:
    """What products say under one name."""

    rows: Any
    values: Any
    names: Codes = field(default_factory=Codes)


@dataclass(frozen=True, eq=False)
class ShelfFacets:
    """Attributes and tags."""

    items: tuple[Item, ...]

    @property
    def tags(self) -> Column:
        return _text_column([(row, tag) for row, item in enumerate(self.items) for tag in item.tags])

    def texts(self, name: str) -> Column:
        return _text_column([(row, value) for row, value in self._said(name) if isinstance(value, str)])

    def numbers(self, name: str) -> Column:
        pairs = [(row, value) for row, value in self._said(name) if type(value) in (int, float)]
        return _column(pairs, np.float64)

    def flags(self, name: str) -> Column:
        return _column([(row, value) for row, value in self._said(name) if isinstance(value, bool)], np.bool_)

    def _said(self, name: str) -> list[tuple[int, Any]]:
        given = [(row, item.attributes[name]) for row, item in enumerate(self.items) if name in item.attributes]
        return [(row, each) for row, value in given for each in (value if isinstance(value, list) else [value])]


class Shelf:
    """Products as columns."""

    def __init__(self, *items: Item) -> None:
        self.items = items
        self.category, self.categories = _coded([item.category for item in items])
        self.subcategory, self.subcategories = _coded([item.subcategory for item in items])
        self.brand, self.brands = _coded([item.brand for item in items])
        self.group, self.groups = _coded([item.group_id for item in items])
        self.currency, self.currencies = _coded([item.currency for item in items])
        self.status = np.array([INVENTORY_STATUSES.index(item.status) for item in items], np.int8)
        self.price = np.array([-1 if item.price is None else item.price for item in items], np.int64)
        self.rating = np.array([np.nan if item.rating is None else item.rating for item in items], np.float32)
        self.added = np.array([item.available_time for item in items], np.int64)
        self.facets = ShelfFacets(items)

    def row_of_id(self, external_id: str) -> int | None:
        ids = [item.product_id for item in self.items]
        return ids.index(external_id) if external_id in ids else None


def _coded(names: list[str]) -> tuple[Any, Codes]:
    codes = Codes().extended(names)
    return np.array([codes.of(name) for name in names], np.int32), codes


def _text_column(pairs: list[tuple[int, str]]) -> Column:
    codes = Codes().extended(text for _, text in pairs)
    return _column([(row, codes.of(text)) for row, text in pairs], np.int32, codes)


def _column(pairs: list[tuple[int, Any]], dtype: Any, names: Codes = Codes()) -> Column:  # noqa: B008 - immutable
    rows = np.array([row for row, _ in pairs], np.int32)
    return Column(rows, np.array([value for _, value in pairs], dtype), names)
