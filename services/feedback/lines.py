"""Quantities and amounts of the purchased and refunded products, computed exactly from the contract's messages."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from quintet.type.v1.event_pb2 import Purchase, PurchaseLine, Refund

from shared import money
from shared.money import line_amount, units

Price = tuple[int | None, str | None]
"""Price of a unit in minor units, and its currency; None if unknown."""

UNKNOWN_PRICE: Price = (None, None)


@dataclass(frozen=True)
class Bought:
    """Quantity and amount of one product in a purchase, over all lines.

    `amount` is in minor units of `currency`; it is None if no price is known.
    """

    quantity: Fraction
    amount: int | None
    currency: str | None


@dataclass(frozen=True)
class GivenBack:
    """The refund of one product: the amount in minor units, and whether every purchased unit is refunded."""

    amount: int
    every_unit: bool


def bought(purchase: Purchase, product_id: str, price: Price) -> Bought:
    """Return the quantity and the amount of one product in a purchase, over all its lines.

    The amount of a line without one is its quantity times `price`, the product's current price. If this price is
    unknown or in another currency than the order, the amount of the product is unknown.
    """
    lines = [line for line in purchase.items if line.product_id == product_id]
    quantity = sum((units(line.quantity) for line in lines), Fraction(0))
    order_currency = _currency(purchase)
    if all(line.HasField("amount") for line in lines):
        return Bought(quantity, sum(line.amount.amount_minor for line in lines), order_currency)
    unit_price, price_currency = price
    if unit_price is None or order_currency not in (None, price_currency):
        return Bought(quantity, None, None)
    return Bought(quantity, sum(_amount(line, unit_price) for line in lines), price_currency)


def margin(line: Bought, cost: int | None, currency: str | None) -> int | None:
    """Return what is left of a line's amount after the cost of its goods, in minor units; below 0 for a loss.

    `cost` is that of a unit, in minor units of `currency`. None if it is unknown, in another currency than the line, or
    the amount is unknown: then nothing is said of the margin, and it is not taken for the amount.
    """
    if line.amount is None or cost is None or line.currency != currency:
        return None
    return line.amount - money.rounded(cost * line.quantity)


def product_ids(purchase: Purchase) -> tuple[str, ...]:
    """Return the ids of the products of a purchase, each once, in the order of the lines."""
    return tuple(dict.fromkeys(line.product_id for line in purchase.items))


def given_back(order: Mapping[str, Bought], refund: Refund) -> dict[str, GivenBack]:
    """Return the refund of each product of an order.

    Parameters
    ----------
    order : mapping of product id to Bought
        The whole order.
    refund : Refund
        Names products and units; if it names none, the whole order is refunded. If its amount is in the currency of the
        order, it is divided among the refunded products in proportion to what was paid for the refunded units, but not
        more than that. Otherwise the refund is what was paid for these units.

    Returns
    -------
    dict of product id to GivenBack
        Amounts are divided by the same functions as in the order's own refunds, see `shared.money`.
    """
    back = _units_back(order, refund)
    shares = [money.share(order[each].amount or 0, order[each].quantity, count) for each, count in back.items()]
    parts = money.split(_paid_back(refund, sum(shares), _currencies(order.values())), shares)
    return {
        each: GivenBack(part, count >= order[each].quantity)
        for (each, count), part in zip(back.items(), parts, strict=True)
    }


def _currency(purchase: Purchase) -> str | None:
    given = [line.amount.currency_code for line in purchase.items if line.HasField("amount")]
    if purchase.HasField("total"):
        given.append(purchase.total.currency_code)
    return given[0] if given else None


def _amount(line: PurchaseLine, unit_price: int) -> int:
    return int(line.amount.amount_minor) if line.HasField("amount") else line_amount(unit_price, line.quantity)


def _units_back(order: Mapping[str, Bought], refund: Refund) -> dict[str, Fraction]:
    if not refund.items:
        return {product_id: each.quantity for product_id, each in order.items()}
    back: dict[str, Fraction] = {}
    for item in refund.items:
        if item.product_id in order:
            total = back.get(item.product_id, Fraction(0)) + units(item.quantity)
            back[item.product_id] = min(total, order[item.product_id].quantity)
    return back


def _paid_back(refund: Refund, shares: int, currencies: set[str]) -> int:
    usable = refund.HasField("amount") and currencies == {refund.amount.currency_code}
    return min(int(refund.amount.amount_minor), shares) if usable else shares


def _currencies(lines: Iterable[Bought]) -> set[str]:
    return {line.currency for line in lines if line.currency is not None}
