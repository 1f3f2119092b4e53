"""Applies responses that were recorded before their recommendations were written.

Recommendations are written after the answer is sent, so a quick response may be applied before. It is stored and
applied as soon as its recommendation is written. Purchases that the log has after it were applied in the meantime, and
are credited now, but for lines that were credited; refunds of these lines that were applied too are taken off. After
LONGEST_WAIT the recommendation is assumed to be lost, and the response is dropped.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from quintet.type.v1.event_pb2 import Event

from services.feedback import refunds
from services.feedback.attribution import Windows
from services.feedback.response_projection import credit_purchases, project_signals
from services.feedback.signals import Signal, read_signal
from shared.db import event_log, metric_marks, outcomes, recommendations, waiting_responses
from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent
from shared.db.recommendations import LoggedRecommendation
from shared.telemetry import EVENTS

Known = Mapping[int, LoggedRecommendation]
"""Recommendations that are written now, by number."""
LONGEST_WAIT = timedelta(minutes=5)
MOST_AT_ONCE = 500


def apply_late(database: Database, windows: Windows) -> bool:
    """Apply the waiting responses whose recommendations are written now, and drop those that waited too long.

    Returns whether more may be left to apply.
    """
    with database.read() as connection:
        if not waiting_responses.any_waiting(connection):
            return False
    with database.write() as connection:
        applied = event_log.lock_cursor(connection, event_log.FEEDBACK_CONSUMER)
        ready = waiting_responses.take_ready(connection, MOST_AT_ONCE)
        known = recommendations.read_recommendations(connection, {key for key, _ in ready})
        signals = _signals(connection, ready, known)
        project_signals(connection, signals, windows)
        later = _purchases_after(connection, signals, known, applied)
        _credit_meanwhile(connection, later, applied, windows)
        metric_marks.mark(connection, metric_marks.EVENTS, [each.sequence for each in (*signals, *later)])
        lost = waiting_responses.drop_waiting(connection, datetime.now(UTC) - LONGEST_WAIT)
    EVENTS.labels("response", "recommendation_came").inc(len(ready))
    EVENTS.labels("response", "recommendation_lost").inc(lost)
    return len(ready) == MOST_AT_ONCE


def _signals(connection: Connection, ready: Sequence[tuple[int, LoggedEvent]], known: Known) -> list[Signal]:
    signals = ((key, read_signal(event)) for key, event in ready)
    credited = outcomes.carts_credited(connection, [event.sequence for _, event in ready])
    return [
        _about(signal, key, "" if (signal.sequence, known[key].product_id) in credited else known[key].product_id)
        for key, signal in signals
        if signal is not None and key in known
    ]


def _credit_meanwhile(connection: Connection, later: Sequence[Signal], until: int, windows: Windows) -> None:
    """Credit purchases that were applied before what they are credited to, less what was refunded since.

    `until` is the number up to which the log is applied.
    """
    credited = credit_purchases(connection, later, windows)
    if not credited:
        return
    products = defaultdict[str, set[str]](set)
    for purchase_id, product_id in credited:
        products[purchase_id].add(product_id)
    for event in outcomes.refunds_between(connection, min(each.sequence for each in later), until):
        refund = Event.FromString(event.payload).refund
        if refund.purchase_id in products:
            refunds.take_off(connection, refund, products[refund.purchase_id])


def _purchases_after(connection: Connection, signals: Sequence[Signal], known: Known, until: int) -> list[Signal]:
    """Return the purchases by those who responded, from the first of the signals to the number `until` of the log."""
    keys = (*(each.customer_key for each in known.values()), *(each.customer_key for each in signals))
    shoppers = {key for key in keys if key is not None}
    if not shoppers:
        return []
    first = min(each.sequence for each in signals)
    later = outcomes.purchases_between(connection, shoppers, first, until)
    return [signal for event in later if (signal := read_signal(event)) is not None]


def _about(signal: Signal, key: int, cart_product: str) -> Signal:
    """Return the part of a signal that concerns one recommendation; the rest was applied before.

    `cart_product` is the recommended product, whose way into the cart counts for it; empty where it was credited to
    an earlier click.
    """
    carted = signal.carted == key or (signal.clicked == key and cart_product in signal.cart_products)
    return signal._replace(
        shown=(key,) if key in signal.shown else (),
        clicked=key if signal.clicked == key else None,
        carted=key if carted else None,
        dismissed=key if signal.dismissed == key else None,
        cart_products=(),
        purchase=None,
        refund=None,
        page=None,
    )
