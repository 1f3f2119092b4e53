"""A refund fits the order it names, or an error says which field does not."""

from typing import Any

import pytest
from quintet.type.v1.event_pb2 import Event, Refund
from quintet.type.v1.money_pb2 import Money

from shared.errors import InvalidArgument
from shared.events.orders import OrderFacts, check_fits
from tests.support.events import purchase, refund, usd

ORDER = OrderFacts("ann", frozenset({"tea", "cup"}), "USD")


def test_an_order_says_who_bought_what_in_which_currency() -> None:
    assert OrderFacts.of(purchase("ann", "o", [("tea", 1.0, None), ("cup", 2.0, 250)])) == ORDER
    assert OrderFacts.of(purchase("ann", "o", [("tea", 1.0, None)])).currency == ""
    assert OrderFacts.of(purchase("ann", "o", [("tea", 1.0, None)], total=5)).currency == "USD"


@pytest.mark.parametrize(
    "made",
    [
        refund("ann", "o"),
        refund("ann", "o", {"tea": 1.0, "cup": 9.0}, usd(1)),
        Event(visitor_id="cookie", refund=Refund(purchase_id="o")),
    ],
)
def test_a_refund_that_fits(made: Event) -> None:
    check_fits(made, ORDER)


def test_what_an_order_does_not_say_fits_everything() -> None:
    check_fits(refund("bob", "o", {"tea": 1.0}, usd(1)), OrderFacts("", frozenset({"tea"}), ""))


@pytest.mark.parametrize(
    ("made", "field", "problem"),
    [
        (refund("bob", "o"), "event.customer_id", "is not who bought order 'o', got 'bob'"),
        (
            refund("ann", "o", {"tea": 1.0, "pot": 1.0}),
            "event.refund.items[1].product_id",
            "is not in order 'o', got 'pot'",
        ),
        (
            refund("ann", "o", amount=Money(currency_code="EUR", amount_minor=1)),
            "event.refund.amount.currency_code",
            "must be USD as in order 'o', got 'EUR'",
        ),
    ],
)
def test_a_refund_that_does_not_fit(made: Event, field: str, problem: Any) -> None:
    with pytest.raises(InvalidArgument) as raised:
        check_fits(made, ORDER)
    [violation] = raised.value.violations
    assert (violation.field, violation.description) == (field, problem)
