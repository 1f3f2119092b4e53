"""Money in minor units: how many decimals a currency has, and the one way in which amounts are rounded and shared out.

Every amount that Quintet works out itself comes from here, so that an order, its refunds and what recommendations are
credited with agree to the last minor unit.
"""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from shared.currencies import DECIMALS


def decimals(currency_code: str) -> int:
    """Return the number of decimals of a currency: 2 for `USD`, 0 for `JPY`, 3 for `KWD`."""
    return DECIMALS.get(currency_code, 2)


def rounded(amount: Fraction | Decimal) -> int:
    """Return the nearest whole number; half-way, the one further from 0, so that a refund mirrors its purchase."""
    size = floor(abs(Fraction(amount)) + Fraction(1, 2))
    return size if amount >= 0 else -size


def units(quantity: float) -> Fraction:
    """Return a quantity as an exact number, by its shortest decimal notation: 0.1 is a tenth. 0 stands for one unit."""
    return Fraction(str(quantity)) if quantity else Fraction(1)


def line_amount(unit_price: int, quantity: float) -> int:
    """Return what `quantity` units cost, in minor units."""
    return rounded(unit_price * units(quantity))


def share(amount: int, quantity: Fraction, back: Fraction) -> int:
    """Return what giving back `back` of `quantity` units is worth of the `amount` paid for all of them, in minor units.

    It is rounded up, so that who gives back unit by unit has everything back at the latest with the last unit. What is
    paid back in all must be kept from exceeding what was paid.
    """
    return min(amount, ceil(amount * back / quantity))


def split(amount: int, shares: Sequence[int]) -> list[int]:
    """Split `amount` in proportion to `shares`; no part exceeds its share as long as the amount does not their sum."""
    parts, total, given, seen = [], sum(shares), 0, 0
    for each in shares:
        seen += each
        until = amount * seen // total if total else 0
        parts.append(until - given)
        given = until
    return parts
