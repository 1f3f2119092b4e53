"""Applies refunds: reduces the purchase credits of recommendations, under each rule by the same amount.

If a line is refunded in full, its credits become `refunded`, and the recommendation counts as purchased only if another
purchase is credited to it. If a line is refunded in part, the credits stay, with the remaining amount.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable

from quintet.type.v1.event_pb2 import Event, Purchase, Refund

from services.feedback import lines
from services.feedback.credited_lines import reduced
from services.feedback.lines import Bought
from shared.attribution_rules import LAST_TOUCH
from shared.db import outcomes, products, recommendations
from shared.db.engine import Connection
from shared.db.outcomes import REFUNDED, StoredCredit


def take_off(connection: Connection, refund: Refund, only: Collection[str] | None = None) -> None:
    """Reduce the credits of a purchase by a refund; with `only`, those of the lines of some products (their ids)."""
    credited = outcomes.credits_of(connection, [refund.purchase_id])
    if not credited:
        return
    back = lines.given_back(_order(connection, credited[0].event_sequence), refund)
    wanted = back.keys() if only is None else back.keys() & set(only)
    changed = [
        credit
        for (product_id, _), parts in _by_line(credited).items()
        if product_id in wanted
        for credit in reduced(parts, back[product_id])
    ]
    outcomes.change_credits(connection, changed)
    _unmark(connection, [credit for credit in changed if credit.kind == REFUNDED and credit.rule == LAST_TOUCH])


def _by_line(credited: Iterable[StoredCredit]) -> dict[tuple[str, str], list[StoredCredit]]:
    """Return credits by product and rule: together they are the whole line."""
    found: defaultdict[tuple[str, str], list[StoredCredit]] = defaultdict(list)
    for each in credited:
        found[each.product_id, each.rule].append(each)
    return found


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
