"""Filter expressions are read as the grammar says, printed back, and refused with a position."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.filters.errors import FilterError
from shared.filters.parser import DEEPEST, LONGEST, MOST_TERMS, parse
from shared.filters.printer import printed
from shared.filters.tree import And, Compare, Exists, Expression, Not, OneOf, Operator, Or, Truth
from tests.unit.shared.filters.trees import EXPRESSIONS


def equal(field: str, value: str | Decimal | Truth) -> Compare:
    return Compare(field, Operator.EQUAL, value)


RED = equal("attributes.color", "red")
CHEAP = Compare("price", Operator.LESS, Decimal("20.00"))
ACME = equal("brand", "Acme")


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("", None),
        ("  \n ", None),
        ('brand = "Acme"', ACME),
        ('((brand="Acme"))', ACME),
        ('tags: "sale"', equal("tags", "sale")),
        ("attributes.size: *", Exists("attributes.size")),
        ("attributes.organic = true", equal("attributes.organic", Truth.TRUE)),
        ('attributes."Größe (cm)" >= -4.5', Compare("attributes.Größe (cm)", Operator.AT_LEAST, Decimal("-4.5"))),
        ('brand IN ("Acme", "Bolt", "Acme")', OneOf("brand", ("Acme", "Bolt"))),
        ("attributes.x IN (1, true)", OneOf("attributes.x", (Decimal(1), Truth.TRUE))),
        (r'brand = "a \"b\" \\"', equal("brand", 'a "b" \\')),
        ('NOT brand = "Acme"', Not(ACME)),
        ('-brand = "Acme"', Not(ACME)),
        ('brand = "Acme" AND price < 20.00 OR tags: "sale"', Or((And((ACME, CHEAP)), equal("tags", "sale")))),
        ('brand = "Acme" AND (price < 20.00 OR NOT attributes.color = "red")', And((ACME, Or((CHEAP, Not(RED)))))),
    ],
)
def test_what_is_written_is_what_is_meant(text: str, expression: Expression | None) -> None:
    assert parse(text) == expression


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("brand", 6, "expected =, !=, <, <=, >, >=, : or IN, found the end"),
        ("brand =", 8, "expected a text in quotes, a number, true or false, found the end"),
        ("brand = Acme", 9, "expected a text in quotes"),
        ('brand = "Acme', 9, "has no end"),
        ('brand = "a\\n"', 9, "backslash"),
        ('brand = "Acme" price < 2', 16, "expected AND, OR or the end, found 'price'"),
        ('(brand = "Acme"', 16, "expected AND, OR or ), found the end"),
        ("brand = 3", 9, "brand is a text: expected a text in quotes"),
        ('brand < "Acme"', 7, "compare it by"),
        ('price < "20"', 9, "price is a number: expected a number"),
        ('attributes.size < "M"', 19, "expected a number"),
        ("colour = 3", 1, "there is no field 'colour'"),
        ("attributes = 3", 12, "expected . and the name of an attribute"),
        ("attributes.", 12, "expected the name of an attribute"),
        ("AND", 1, "expected a field, NOT or ("),
        ("brand IN ()", 11, "expected a text in quotes"),
        ('brand IN ("a" "b")', 15, "expected , or )"),
        ("price = 1e5", 10, "expected AND, OR or the end"),
        ("price = €", 9, "begins neither"),
        (f"price = {'1' * 31}", 9, "at most 30 characters"),
        ('available_time > "yesterday"', 18, "with its time zone"),
        ('available_time > "2026-01-01T00:00:00"', 18, "with its time zone"),
        ('attributes."" = 3', 12, "1 to 200 characters"),
        ("(" * 21 + "price < 1" + ")" * 21, 21, "at most 20 levels"),
        ("NOT " * 21 + "price < 1", 81, "at most 20 levels"),
    ],
)
def test_an_error_says_where_and_what_was_expected(text: str, position: int, expected: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert caught.value.position == position
    assert expected in str(caught.value)


def test_limits_hold_and_are_reached() -> None:
    assert parse("(" * DEEPEST + "price < 1" + ")" * DEEPEST) is not None
    most = ", ".join(map(str, range(MOST_TERMS)))
    assert parse(f"price IN ({most})") is not None
    with pytest.raises(FilterError, match="at most 500 comparisons"):
        parse(f"price IN ({most}, 1000)")
    assert parse("price < 1".ljust(LONGEST)) is not None
    with pytest.raises(FilterError, match="at most 5000 characters"):
        parse("price < 1".ljust(LONGEST + 1))


@given(EXPRESSIONS)
def test_what_is_printed_is_read_back(expression: Expression) -> None:
    assert parse(printed(expression)) == expression


PIECES = [*'ab"\\ ().,:*-=<>!1', " AND ", " OR ", "NOT ", "brand", "price"]


@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
@example('"\\')
def test_any_text_is_read_or_refused_within_itself(text: str) -> None:
    try:
        expression = parse(text)
    except FilterError as error:
        position = error.position
    else:
        position = 1
        assert parse(printed(expression)) == expression
    assert 1 <= position <= len(text) + 1
