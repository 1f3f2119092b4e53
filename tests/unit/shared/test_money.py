"""One arithmetic for money: an order, its refunds and the credits of recommendations agree to the last minor unit."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quintet.type.v1.event_pb2 import Event, Purchase, Refund

from services.feedback import lines
from shared import money, values
from shared.db.identified_events import IdentifiedEvent
from shared.db.order_lines import lines_of
from shared.db.orders import Priced, _order
from shared.db.refunds import BoughtLine, Order
from shared.db.types import EPOCH

QUANTITIES = st.one_of(st.integers(1, 20), st.integers(1, 400).map(lambda each: each / 8), st.just(0.1))


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("166.5", 167), ("165.5", 166), ("-166.5", -167), ("166.49", 166), ("0", 0), ("-0.4", 0)],
)
def test_half_a_minor_unit_goes_up(amount: str, expected: int) -> None:
    assert money.rounded(Decimal(amount)) == expected
    assert money.rounded(Fraction(amount)) == expected


@pytest.mark.parametrize(
    ("price", "quantity", "expected"), [(333, 0.5, 167), (335, 0.5, 168), (250, 0.0, 250), (10, 0.15, 2)]
)
def test_a_line(price: int, quantity: float, expected: int) -> None:
    assert money.line_amount(price, quantity) == expected


@given(st.integers(0, 100_000), QUANTITIES)
def test_files_orders_and_credits_cost_the_same(price: int, quantity: float) -> None:
    purchase = Purchase(purchase_id="o", items=[{"product_id": "p", "quantity": quantity}])  # type: ignore[list-item]
    act = IdentifiedEvent(1, EPOCH, "purchase", Event(purchase=purchase), lines_of(purchase))
    stored, _ = _order(act, {"p": Priced(1, price, "EUR")})
    credited = lines.bought(purchase, "p", (price, "EUR")).amount
    imported = values.line_amount(Decimal(price).scaleb(-2), quantity, "EUR")
    assert stored[_TOTAL] == credited == imported


@given(st.integers(0, 100_000), st.integers(1, 12), st.one_of(st.none(), st.floats(0, 1)))
def test_units_given_back_one_by_one_leave_the_same_everywhere(amount: int, quantity: int, part: float | None) -> None:
    "as long as no more is paid back in all than the order cost"
    paid = None if part is None else int(part * (amount // quantity))
    purchase = Purchase(purchase_id="o")
    line: Any = purchase.items.add(product_id="p", quantity=quantity)
    line.amount.amount_minor, line.amount.currency_code = amount, "EUR"
    stored = Order(1, 1, "EUR", amount, 0, [BoughtLine(1, 1, quantity, amount)])
    credit = amount
    for _ in range(quantity):
        refund = Refund(purchase_id="o", items=[{"product_id": "p", "quantity": 1}])  # type: ignore[list-item]
        if paid is not None:
            refund.amount.amount_minor, refund.amount.currency_code = paid, "EUR"
        stored.give_back([(1, 1.0)], paid)
        order = {"p": lines.bought(purchase, "p", lines.UNKNOWN_PRICE)}
        credit = max(0, credit - lines.given_back(order, refund)["p"].amount)
        assert credit == amount - stored.lines[0].refunded_amount
    assert paid is not None or credit == 0


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=8), st.data())
def test_parts_add_up_and_stay_within_their_shares(shares: list[int], data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, sum(shares)))
    parts = money.split(amount, shares)
    assert sum(parts) == amount
    assert all(0 <= part <= each for part, each in zip(parts, shares, strict=True))


_TOTAL = 4
"""Place of the total in an order's row."""
