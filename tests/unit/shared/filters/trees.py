"""Filter expressions for tests."""

from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from shared.filters.fields import FIELDS, FieldKind
from shared.filters.tree import And, Compare, Exists, Expression, Not, OneOf, Operator, Or, Truth

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.decimals(-1000, 1000, places=2).map(lambda number: number + Decimal(0))
TIMES = st.sampled_from(["2026-01-01T00:00:00Z", "2026-05-01T12:30:00+02:00"])
ANY = TEXTS | NUMBERS | st.sampled_from(Truth)
VALUES: dict[FieldKind, Any] = {
    FieldKind.TEXT: TEXTS,
    FieldKind.NUMBER: NUMBERS,
    FieldKind.TIME: TIMES,
    FieldKind.ANY: ANY,
}
EQUALITY = (Operator.EQUAL, Operator.NOT_EQUAL)
ORDER = tuple(operator for operator in Operator if operator not in EQUALITY)
ATTRIBUTES = st.sampled_from(["attributes.color", "attributes.Größe in cm", 'attributes."', "attributes.IN"])


def _terms(field: str, kind: FieldKind) -> st.SearchStrategy[Expression]:
    values = VALUES[kind]
    equal = st.builds(Compare, st.just(field), st.sampled_from(EQUALITY), values)
    one_of = st.builds(OneOf, st.just(field), st.lists(values, min_size=1, max_size=3, unique=True).map(tuple))
    found = equal | one_of | st.just(Exists(field))
    if kind is FieldKind.TEXT:
        return found
    ordered = NUMBERS if kind is FieldKind.ANY else values
    return found | st.builds(Compare, st.just(field), st.sampled_from(ORDER), ordered)


TERMS = st.sampled_from(list(FIELDS.items())).flatmap(lambda each: _terms(*each)) | ATTRIBUTES.flatmap(
    lambda field: _terms(field, FieldKind.ANY)
)


def _grown(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    several = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, inner) | st.builds(And, several) | st.builds(Or, several)


EXPRESSIONS: st.SearchStrategy[Expression] = st.recursive(TERMS, _grown, max_leaves=8)
