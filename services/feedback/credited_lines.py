"""Divides what was paid for a line among the touches that have credit for it, exactly to the minor unit."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from services.feedback.attribution import PURCHASE, Credit, Division
from services.feedback.lines import GivenBack
from shared import money
from shared.attribution_rules import LAST_TOUCH, VIEW_THROUGH
from shared.db.outcomes import CREDIT, REFUNDED, NewOutcome, StoredCredit


@dataclass(frozen=True)
class Line:
    """All that an order has of one product.

    `amount` and `margin` are in minor units of `currency`; None where they are unknown.
    """

    purchase_id: str
    at: datetime
    sequence: int
    amount: int | None
    currency: str | None
    margin: int | None


def whole(line: Line, credit: Credit) -> NewOutcome:
    """Return the credit of a whole line, by last touch or as view-through."""
    rule = LAST_TOUCH if credit.kind == PURCHASE else VIEW_THROUGH
    return NewOutcome(
        credit.touch.recommendation_id,
        credit.kind,
        line.at,
        line.sequence,
        line.purchase_id,
        credit.touch.at,
        line.amount,
        line.currency,
        rule,
        1.0,
        line.margin,
    )


def divided(line: Line, division: Division) -> list[NewOutcome]:
    """Return the credits of a line that a rule divides; amounts and margins each add up to those of the line."""
    amounts = _split(line.amount, division.weights)
    margins = _split(line.margin, division.weights)
    total = sum(division.weights)
    return [
        NewOutcome(
            touch.recommendation_id,
            CREDIT,
            line.at,
            line.sequence,
            line.purchase_id,
            touch.at,
            amount,
            line.currency,
            division.rule,
            weight / total,
            margin,
        )
        for touch, weight, amount, margin in zip(division.touches, division.weights, amounts, margins, strict=True)
    ]


def reduced(credited: Sequence[StoredCredit], back: GivenBack) -> list[StoredCredit]:
    """Return the credits that one rule gave for a line, after a refund of that line. No amount grows or is below 0.

    The credits are `refunded` if no amount is left, or, if there was none, if every unit is refunded. The margin
    shrinks in proportion to the amount: the goods that money is given back for are taken to come back at their cost.
    """
    amounts = _known([each.amount for each in credited])
    paid = 0 if amounts is None else sum(amounts)
    left = max(0, paid - back.amount)
    gone = left == 0 if paid else back.every_unit
    kept = None if amounts is None else _without(amounts, paid - left)
    margins = _margins_left(credited, kept, Fraction(left, paid) if paid else Fraction(not gone))
    return [
        replace(each, amount=amount, margin=margin, kind=REFUNDED if gone else each.kind)
        for each, amount, margin in zip(credited, _each(kept, len(credited)), margins, strict=True)
    ]


def _without(amounts: Sequence[int], taken: int) -> list[int]:
    return [amount - part for amount, part in zip(amounts, money.split(taken, amounts), strict=True)]


def _margins_left(
    credited: Sequence[StoredCredit], kept: Sequence[int] | None, share: Fraction
) -> Sequence[int | None]:
    margins = _known([each.margin for each in credited])
    if margins is None or kept is None:
        return _each(None, len(credited))
    if not any(kept):  # nothing to divide by: nothing was paid, or nothing is left of it
        return [money.rounded(margin * share) for margin in margins]
    return money.split(money.rounded(sum(margins) * share), kept)


def _each(values: Sequence[int] | None, count: int) -> Sequence[int | None]:
    return [None] * count if values is None else values


def _known(values: Sequence[int | None]) -> list[int] | None:
    """Return the values if all are known."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None


def _split(total: int | None, weights: Sequence[int]) -> Sequence[int | None]:
    return _each(None if total is None else money.split(total, weights), len(weights))
