"""Values of files as values of the contract: exact, or refused with a reason."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import values
from shared.db.types import from_micros
from shared.values import BadValue


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        (" a b ", "a b"),
        (17850, "17850"),
        (17850.0, "17850"),
        (1.5, "1.5"),
        (float("nan"), ""),
        (True, "True"),
    ],
)
def test_text(value: Any, expected: str) -> None:
    assert values.text(value) == expected


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"x"])
def test_text_is_one_value(value: Any) -> None:
    with pytest.raises(BadValue, match="single value"):
        values.text(value)


@pytest.mark.parametrize(
    ("value", "expected"), [("2.5", 2.5), (3, 3.0), (None, None), ("", None), (float("nan"), None)]
)
def test_number(value: Any, expected: float | None) -> None:
    assert values.number(value) == expected


def test_number_refuses_words() -> None:
    with pytest.raises(BadValue, match="not a number"):
        values.number("two")


def test_whole_numbers() -> None:
    assert values.whole("42") == 42
    assert values.whole(None) is None
    with pytest.raises(BadValue, match="whole"):
        values.whole("1.5")


@pytest.mark.parametrize(
    ("value", "currency", "expected"),
    [
        ("19.99", "USD", 1999),
        ("19.9", "USD", 1990),
        ("1999", "JPY", 1999),
        ("1.234", "KWD", 1234),
        (2.78, "USD", 278),
        (0.1 + 0.2, "USD", 30),
        (Decimal("0.07"), "USD", 7),
        (-5, "USD", -500),
        ("", "USD", None),
        (float("nan"), "USD", None),
    ],
)
def test_amounts_are_exact(value: Any, currency: str, expected: int | None) -> None:
    assert values.minor_units(value, currency) == expected


@pytest.mark.parametrize("value", ["1.999", "1,99", "$2", "Infinity", "1e30"])
def test_amounts_that_are_none(value: str) -> None:
    with pytest.raises(BadValue):
        values.minor_units(value, "USD")


@given(st.integers(-(10**12), 10**12))
def test_any_amount_in_cents_comes_back(cents: int) -> None:
    sign, size = ("-" if cents < 0 else ""), abs(cents)
    assert values.minor_units(f"{sign}{size // 100}.{size % 100:02d}", "USD") == cents


@pytest.mark.parametrize(
    ("price", "quantity", "expected"),
    [("2.55", 6, 1530), ("0.125", 1, 13), ("0.135", 1, 14), ("1.99", None, 199), (None, 3, None), ("3", "0.5", 150)],
)
def test_a_line_costs_price_times_quantity_rounded_half_up(price: Any, quantity: Any, expected: int | None) -> None:
    assert values.line_amount(price, quantity, "USD") == expected


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T13:00:00+01:00",
        "2026-01-31 12:00:00",
        1769860800,
        "1769860800",
        1769860800000,
        1769860800000000,
        1769860800.0,
        datetime(2026, 1, 31, 12, tzinfo=UTC),
        datetime(2026, 1, 31, 12),  # noqa: DTZ001 - the case that is tested
    ],
)
def test_times(value: Any) -> None:
    assert values.time_parser(UTC)(value) == 1769860800_000000


def test_times_without_a_zone_are_in_the_zone_given() -> None:
    micros = values.time_parser(ZoneInfo("Europe/London"))("2011-07-01T12:00")
    assert micros is not None
    assert from_micros(micros) == datetime(2011, 7, 1, 11, tzinfo=UTC)


def test_dates() -> None:
    parse = values.time_parser(UTC)
    assert parse("20260131") == parse("2026-01-31") == parse(date(2026, 1, 31))
    assert parse("") is None


@pytest.mark.parametrize("value", ["yesterday", "1e400", "inf", "2026-13-01", 10**20])
def test_what_is_no_time(value: Any) -> None:
    with pytest.raises(BadValue):
        values.time_parser(UTC)(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a|b | ", ["a", "b"]), (["a", None, "b"], ["a", "b"]), ('["a","b"]', ["a", "b"]), (None, []), ("one", ["one"])],
)
def test_lists(value: Any, expected: list[str]) -> None:
    assert values.texts(value) == expected


def test_objects() -> None:
    assert values.objects('[{"price": 1.10}]') == [{"price": Decimal("1.10")}]
    assert values.objects(None) == []
    for wrong in ("[1]", "{}", "[", [1]):
        with pytest.raises(BadValue):
            values.objects(wrong)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        ("Yes", True),
        (1, True),
        (1.0, True),
        ("FALSE", False),
        ("no", False),
        (0, False),
        ("", None),
        (None, None),
    ],
)
def test_yes_and_no(value: Any, expected: bool | None) -> None:
    assert values.flag(value) is expected


@pytest.mark.parametrize("value", ["maybe", 2, -1])
def test_neither_yes_nor_no(value: Any) -> None:
    with pytest.raises(values.BadValue, match="is not true or false"):
        values.flag(value)
