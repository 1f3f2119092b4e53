"""The parser of filter expressions: recursive descent over the tokens. docs/filters.md has the grammar."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from functools import lru_cache

from shared.filters.errors import FilterError
from shared.filters.fields import (
    ATTRIBUTE_PREFIX,
    ATTRIBUTES,
    FIELDS,
    LONGEST_ATTRIBUTE,
    FieldKind,
    kind_of,
)
from shared.filters.lexer import Token, TokenKind, tokens_of
from shared.filters.tree import And, Compare, Exists, Expression, Not, OneOf, Operator, Or, Truth, Value

LONGEST = 5_000
"""Characters of an expression."""
MOST_TERMS = 500
"""Comparisons in an expression; each value of an `IN` counts as one."""
DEEPEST = 20
"""Levels of parentheses and of `NOT`."""
EXAMPLE_TIME = '"2026-11-27T08:00:00Z"'
_WORDS = frozenset({"AND", "OR", "NOT", "IN"})
_TRUTH = {truth.value: truth for truth in Truth}


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression | None:
    """Return the expression that a text stands for; None for an empty one, which holds for every product.

    Raises FilterError, which says where the text is wrong and what was expected.
    """
    if len(text) > LONGEST:
        raise FilterError(LONGEST + 1, f"an expression has at most {LONGEST} characters, this one {len(text)}")
    return _Parser(list(tokens_of(text))).whole()


class _Parser:
    """Reads tokens from left to right; each method takes what it stands for and raises FilterError otherwise."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._next = 0
        self._terms = 0
        self._depth = 0

    def whole(self) -> Expression | None:
        if self._at_end():
            return None
        expression = self._alternatives()
        if not self._at_end():
            raise self._unexpected("AND, OR or the end")
        return expression

    def _alternatives(self) -> Expression:
        operands = self._series("OR", self._conjunction)
        return operands[0] if len(operands) == 1 else Or(operands)

    def _conjunction(self) -> Expression:
        operands = self._series("AND", self._factor)
        return operands[0] if len(operands) == 1 else And(operands)

    def _series(self, word: str, operand: Callable[[], Expression]) -> tuple[Expression, ...]:
        operands = [operand()]
        while self._took(word):
            operands.append(operand())
        return tuple(operands)

    def _factor(self) -> Expression:
        begin = self._here
        if self._took("NOT") or self._took("-"):
            return Not(self._nested(begin, self._factor))
        if self._took("("):
            expression = self._nested(begin, self._alternatives)
            self._take(")", "AND, OR or )")
            return expression
        return self._restriction()

    def _nested(self, begin: Token, inner: Callable[[], Expression]) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FilterError(begin.position, f"parentheses and NOT have at most {DEEPEST} levels")
        expression = inner()
        self._depth -= 1
        return expression

    def _restriction(self) -> Expression:
        field = self._field()
        token = self._here
        if self._took("IN"):
            return self._one_of(field)
        if self._took(":"):
            return self._having(field)
        if token.kind is not TokenKind.OPERATOR:
            raise self._unexpected("=, !=, <, <=, >, >=, : or IN")
        self._next += 1
        operator = Operator(token.text)
        if operator not in (Operator.EQUAL, Operator.NOT_EQUAL) and kind_of(field) is FieldKind.TEXT:
            raise FilterError(token.position, f"{field} is a text: compare it by =, !=, : or IN")
        return Compare(field, operator, self._value(field, operator))

    def _field(self) -> str:
        token = self._here
        if token.kind is not TokenKind.NAME or token.text in _WORDS:
            raise self._unexpected("a field, NOT or (")
        self._next += 1
        if token.text == ATTRIBUTES:
            self._take(".", ". and the name of an attribute")
            return ATTRIBUTE_PREFIX + self._attribute()
        if token.text not in FIELDS:
            raise FilterError(token.position, f"there is no field {token.text[:50]!r}: {_field_names()}")
        return token.text

    def _attribute(self) -> str:
        token = self._here
        if token.kind not in (TokenKind.NAME, TokenKind.TEXT):
            raise self._unexpected("the name of an attribute")
        if not 1 <= len(token.text) <= LONGEST_ATTRIBUTE:
            raise FilterError(token.position, f"the name of an attribute has 1 to {LONGEST_ATTRIBUTE} characters")
        self._next += 1
        return token.text

    def _having(self, field: str) -> Expression:
        if self._took("*"):
            self._count_term()
            return Exists(field)
        return Compare(field, Operator.EQUAL, self._value(field, Operator.EQUAL))

    def _one_of(self, field: str) -> Expression:
        self._take("(", "(")
        values = [self._value(field, Operator.EQUAL)]
        while self._took(","):
            values.append(self._value(field, Operator.EQUAL))
        self._take(")", ", or )")
        return OneOf(field, tuple(dict.fromkeys(values)))

    def _value(self, field: str, operator: Operator) -> Value:
        token, kind = self._here, kind_of(field)
        self._count_term()
        value = self._literal()
        wanted = _wanted(kind, operator)
        if not isinstance(value, wanted):
            raise FilterError(token.position, f"{field} is {kind}: expected {_literals(wanted)}")
        if kind is FieldKind.TIME:
            _check_time(field, str(value), token.position)
        return value

    def _literal(self) -> Value:
        token = self._here
        self._next += 1
        if token.kind is TokenKind.TEXT:
            return token.text
        if token.kind is TokenKind.NUMBER:
            return Decimal(token.text)
        if token.kind is TokenKind.NAME and token.text in _TRUTH:
            return _TRUTH[token.text]
        self._next -= 1
        raise self._unexpected("a text in quotes, a number, true or false")

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > MOST_TERMS:
            raise FilterError(self._here.position, f"an expression has at most {MOST_TERMS} comparisons")

    def _at_end(self) -> bool:
        return self._here.kind is TokenKind.END

    @property
    def _here(self) -> Token:
        return self._tokens[self._next]

    def _took(self, text: str) -> bool:
        """Take the next token if it is this word or punctuation, and say whether it was."""
        token = self._here
        if token.kind not in (TokenKind.NAME, TokenKind.PUNCTUATION) or token.text != text:
            return False
        self._next += 1
        return True

    def _take(self, text: str, expected: str) -> None:
        if not self._took(text):
            raise self._unexpected(expected)

    def _unexpected(self, expected: str) -> FilterError:
        token = self._here
        found = "the end" if token.kind is TokenKind.END else repr(token.text[:50])
        return FilterError(token.position, f"expected {expected}, found {found}")


def _wanted(kind: FieldKind, operator: Operator) -> tuple[type, ...]:
    """Return the types of the literals that a field may be compared with."""
    if kind is FieldKind.ANY:
        return (str, Decimal, Truth) if operator in (Operator.EQUAL, Operator.NOT_EQUAL) else (Decimal,)
    return (Decimal,) if kind is FieldKind.NUMBER else (str,)


def _literals(wanted: tuple[type, ...]) -> str:
    return "a number" if wanted == (Decimal,) else "a text in quotes"


def _check_time(field: str, text: str, position: int) -> None:
    try:
        offset = datetime.fromisoformat(text).utcoffset()
    except (ValueError, OverflowError):
        offset = None
    if offset is None:
        problem = f"{field} is a time: expected one with its time zone, such as {EXAMPLE_TIME}"
        raise FilterError(position, problem)


def _field_names() -> str:
    return f"expected {', '.join(FIELDS)} or {ATTRIBUTE_PREFIX}<name>"
