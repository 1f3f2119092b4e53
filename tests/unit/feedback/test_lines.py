"""Amounts of lines and refunds are exact, and no order gives back more than was paid."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quintet.type.v1.event_pb2 import ProductQuantity, Purchase, PurchaseLine, Refund
from quintet.type.v1.money_pb2 import Money

from services.feedback.lines import UNKNOWN_PRICE, Bought, GivenBack, bought, given_back, product_ids


def eur(amount: int) -> Money:
    return Money(currency_code="EUR", amount_minor=amount)


def order(**amounts: int) -> dict[str, Bought]:
    return {name: Bought(Fraction(2), amount, "EUR") for name, amount in amounts.items()}


def refund(amount: int | None = None, code: str = "EUR", **units: float) -> Refund:
    items = [ProductQuantity(product_id=name, quantity=quantity) for name, quantity in units.items()]
    money = None if amount is None else Money(currency_code=code, amount_minor=amount)
    return Refund(purchase_id="o", items=items, amount=money)


def test_a_lines_own_amount_counts() -> None:
    purchase = Purchase(items=[PurchaseLine(product_id="a", quantity=3, amount=eur(250))])
    assert bought(purchase, "a", (999, "USD")) == Bought(Fraction(3), 250, "EUR")


def test_without_an_amount_the_price_times_the_quantity_counts() -> None:
    purchase = Purchase(items=[PurchaseLine(product_id="a", quantity=1.5), PurchaseLine(product_id="a")])
    assert bought(purchase, "a", (101, "EUR")) == Bought(Fraction(5, 2), 152 + 101, "EUR")


def test_lines_of_one_product_are_one() -> None:
    purchase = Purchase(
        items=[
            PurchaseLine(product_id="a", amount=eur(10)),
            PurchaseLine(product_id="b", amount=eur(99)),
            PurchaseLine(product_id="a", quantity=2),
        ]
    )
    assert bought(purchase, "a", (7, "EUR")) == Bought(Fraction(3), 24, "EUR")
    assert product_ids(purchase) == ("a", "b")


@pytest.mark.parametrize("price", [UNKNOWN_PRICE, (100, "USD")])
def test_a_price_that_is_unknown_or_of_another_currency_gives_no_amount(price: tuple[int | None, str | None]) -> None:
    purchase = Purchase(items=[PurchaseLine(product_id="a", quantity=2)], total=eur(500))
    assert bought(purchase, "a", price) == Bought(Fraction(2), None, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (refund(), {"a": GivenBack(400, True), "b": GivenBack(600, True)}),
        (refund(a=1), {"a": GivenBack(200, False)}),
        (refund(a=2), {"a": GivenBack(400, True)}),
        (refund(a=99), {"a": GivenBack(400, True)}),
        (refund(500), {"a": GivenBack(200, True), "b": GivenBack(300, True)}),
        (refund(100, a=1), {"a": GivenBack(100, False)}),
        (refund(100, a=1, b=1), {"a": GivenBack(40, False), "b": GivenBack(60, False)}),
        (refund(100, "USD", a=1), {"a": GivenBack(200, False)}),
        (refund(c=1), {}),
    ],
)
def test_a_refund_takes_the_share_that_came_back(given: Refund, expected: dict[str, GivenBack]) -> None:
    assert given_back(order(a=400, b=600), given) == expected


def test_a_refund_of_what_was_never_priced_takes_nothing() -> None:
    unpriced = {"a": Bought(Fraction(1), None, None)}
    assert given_back(unpriced, refund(300)) == {"a": GivenBack(0, True)}


@given(st.integers(0, 10_000), st.integers(1, 12))
def test_giving_back_unit_by_unit_leaves_nothing(amount: int, count: int) -> None:
    line = {"a": Bought(Fraction(count), amount, "EUR")}
    once = given_back(line, refund(a=1))["a"].amount
    assert amount <= once * count < amount + count
