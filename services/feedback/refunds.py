"""Applies refunds: reduces the purchase credits of recommendations.

If a line is refunded in full, its credit becomes `refunded`, and the recommendation counts as purchased only if another
purchase is credited to it. If a line is refunded in part, the credit stays, with the remaining amount.
"""

from dataclasses import replace

import structlog
from quintet.type.v1.event_pb2 import Event, Purchase, Refund

from services.feedback import lines
from services.feedback.lines import Bought, GivenBack
from shared.db import outcomes, products, recommendations
from shared.db.engine import Connection
from shared.db.outcomes import REFUNDED, StoredCredit

log = structlog.get_logger()


def take_off(connection: Connection, refund: Refund) -> None:
    """Reduce the credits of a purchase by a refund."""
    credited = outcomes.credits_of(connection, [refund.purchase_id])
    if not credited:
        return
    back = lines.given_back(_order(connection, credited[0].event_sequence), refund)
    changed = [reduced(credit, back[credit.product_id]) for credit in credited if credit.product_id in back]
    outcomes.change_credits(connection, changed)
    _unmark(connection, [credit for credit in changed if credit.kind == REFUNDED])


def reduced(credit: StoredCredit, back: GivenBack) -> StoredCredit:
    """Return a credit after a refund of its line. The amount is never below 0.

    The credit is `refunded` if no amount is left, or, if it had no amount, if every unit is refunded.
    """
    left = None if credit.amount is None else max(0, credit.amount - back.amount)
    gone = left == 0 if credit.amount else back.every_unit
    return replace(credit, amount=left, kind=REFUNDED if gone else credit.kind)


def _order(connection: Connection, sequence: int) -> dict[str, Bought]:
    payload = outcomes.purchase_payloads(connection, [sequence])[sequence]
    purchase = Event.FromString(payload).purchase
    prices = _prices(connection, purchase)
    return {
        each: lines.bought(purchase, each, prices.get(each, lines.UNKNOWN_PRICE))
        for each in lines.product_ids(purchase)
    }


def _prices(connection: Connection, purchase: Purchase) -> dict[str, lines.Price]:
    unpriced = {line.product_id for line in purchase.items if not line.HasField("amount")}
    found = products.get_products(connection, unpriced)
    return {product_id: (product.price, product.currency) for product_id, product in found.items()}


def _unmark(connection: Connection, refunded: list[StoredCredit]) -> None:
    keys = {credit.recommendation_id for credit in refunded}
    still_bought = outcomes.purchased_among(connection, keys)
    recommendations.mark_purchased(connection, keys - still_bought, purchased=False)
