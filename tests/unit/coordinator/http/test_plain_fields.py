"""Flat fields: what people write, exactly or not at all."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quintet.type.v1.money_pb2 import Money

from services.coordinator.http.plain_fields import Fields, parse_object
from services.coordinator.http.plain_recommendations import decimal_price
from services.coordinator.http.problem import Problem
from shared.errors import InvalidArgument
from shared.money import decimals

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EPOCH = int(MOMENT.timestamp())


@pytest.mark.parametrize(
    "value",
    [
        EPOCH,
        EPOCH * 1000,
        str(EPOCH),
        str(EPOCH * 1000),
        Decimal(EPOCH),
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05",
        "2026-01-02T05:04:05+02:00",
    ],
)
def test_a_time_may_be_written_in_the_usual_ways(value: Any) -> None:
    found = Fields({"timestamp": value}).time("timestamp", "event_time")
    assert found is not None
    assert found.ToDatetime(tzinfo=UTC) == MOMENT


@pytest.mark.parametrize("value", ["soon", "", -1, True, [], Decimal("1E+900"), "9999-12-31T23:59:59-14:00", 10**17])
def test_other_times_are_refused(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="timestamp: must be"):
        Fields({"timestamp": value}).time("timestamp")


@pytest.mark.parametrize(("value", "expected"), [(123, "123"), ("a-1", "a-1"), (0, "0"), (10**30, str(10**30))])
def test_an_id_is_a_text_or_a_whole_number(value: Any, expected: str) -> None:
    assert Fields({"customer_id": value}).id("customer_id") == expected


@pytest.mark.parametrize("value", [1.0, Decimal("1.0"), True, [], {}, "\ud800"])
def test_nothing_else_is_an_id(value: Any) -> None:
    with pytest.raises(InvalidArgument, match="customer_id: "):
        Fields({"customer_id": value}).id("customer_id")


@given(st.integers(0, 10**12), st.sampled_from(["USD", "JPY", "KWD"]))
def test_amounts_come_back_to_the_last_minor_unit(minor: int, currency: str) -> None:
    text = decimal_price(Money(currency_code=currency, amount_minor=minor))
    assert Decimal(text).scaleb(decimals(currency)) == minor
    for value in (text, Decimal(text)):
        found = Fields({"total": value}).money("total", currency)
        assert found == Money(currency_code=currency, amount_minor=minor)


@pytest.mark.parametrize(
    ("value", "currency", "problem"),
    [
        (Decimal("1.999"), "USD", "has more decimals than USD"),
        (1, "", "is required with a decimal amount"),
        ("much", "USD", "must be a number"),
        (Decimal("1E+999999"), "USD", "must be a number below"),
        ({"amount_minor": 5, "euros": 1}, "USD", "is not a field of an amount"),
        ({"amount_minor": Decimal("0.5")}, "USD", "must be a whole number"),
    ],
)
def test_amounts_that_are_not_exact_are_refused(value: Any, currency: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=problem):
        Fields({"total": value}).money("total", currency)


def test_the_contracts_amount_is_taken_as_well() -> None:
    found = Fields({"total": {"currency_code": "EUR", "amount_minor": "5"}}).money("total", "")
    assert found == Money(currency_code="EUR", amount_minor=5)


@pytest.mark.parametrize(
    "text", [b"[]", b"1", b"{", b"\xff", b'{"a": NaN}', b"[" * 100_000, b'{"a": 1e99999999999999999999}']
)
def test_what_is_no_object_is_refused(text: bytes) -> None:
    with pytest.raises(Problem):
        parse_object(text).end("an event")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


READERS: list[Callable[[Fields], object]] = [
    lambda fields: fields.id("x"),
    lambda fields: fields.ids("x"),
    lambda fields: fields.text("x"),
    lambda fields: fields.number("x"),
    lambda fields: fields.whole("x"),
    lambda fields: fields.boolean("x"),
    lambda fields: fields.time("x"),
    lambda fields: fields.money("x", "USD"),
    lambda fields: fields.texts_by_name("x"),
    lambda fields: list(fields.entries("x")),
]


@given(JSON, st.sampled_from(READERS))
def test_whatever_a_field_holds_it_is_taken_or_refused_by_name(value: Any, read: Callable[[Fields], object]) -> None:
    assert refused(read, value).startswith("x")


def refused(read: Callable[[Fields], object], value: Any) -> str:
    """Return the field that is refused; `x` when none is."""
    try:
        read(Fields({"x": value}))
    except InvalidArgument as error:
        return error.violations[0].field
    return "x"
