"""Amounts are in a currency that exists."""

import pytest
from quintet.type.v1.error_pb2 import ErrorReason
from quintet.type.v1.money_pb2 import Money

from shared.currencies import CURRENCIES, DECIMALS
from shared.errors import InvalidArgument
from shared.events.check import check_money
from tests.unit.shared.test_limits_in_comments import PLACES, Place, ids


@pytest.mark.parametrize("code", ["USD", "EUR", "JPY", "KWD", "BGN"])
def test_a_currency_is_known(code: str) -> None:
    check_money(Money(currency_code=code, amount_minor=1), "price")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("ZZZ", ErrorReason.CURRENCY_UNKNOWN),
        ("usd", ErrorReason.CURRENCY_UNKNOWN),
        ("XAU", ErrorReason.CURRENCY_UNKNOWN),
        ("", ErrorReason.FIELD_REQUIRED),
    ],
)
def test_what_is_no_currency_is_refused(code: str, reason: ErrorReason.ValueType) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_money(Money(currency_code=code, amount_minor=1), "price")
    assert caught.value.reason == reason
    assert caught.value.field == "price.currency_code"


def test_the_list_has_codes_of_three_letters_each_once() -> None:
    assert all(len(code) == 3 and code.isascii() and code.isupper() for code in CURRENCIES)
    assert set(DECIMALS.values()) == {0, 2, 3}


AMOUNTS = [place for place in PLACES if place.name == "quintet.type.v1.Money.currency_code"]


@pytest.mark.parametrize("place", AMOUNTS, ids=ids)
def test_every_amount_that_a_platform_sends_is_in_a_currency_that_exists(place: Place) -> None:
    place.refuses("ZZZ", ErrorReason.CURRENCY_UNKNOWN)
