"""The feedback agent's projection of the event log: updates the flags and outcomes of recommendations from events.

Events are applied in the order of the log; times are compared as stated in the events. A batch of events without any
relation to recommendations, such as imported history, costs one or two queries. Views of pages say what earlier clicks
are worth (`grading`).

Implausible responses are ignored and counted: a response by another customer than the recommendation was made for, and
a response to a recommendation that was made later. Clients' clocks may be behind by up to CLOCK_SKEW. Feedback does not
name a customer, so only its time is checked. The time of a dismissal is not checked, because wrongly ignoring it would
be worse than wrongly applying it.

Responses to recommendations and purchases of shoppers who do not permit `measure` do not count; dismissals do.

If several events of the log record the same purchase id, only the first is credited, each of its lines once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property

from quintet.type.v1.event_pb2 import Purchase

from services.feedback import attribution, credited_lines, lines, refunds
from services.feedback.attribution import Windows
from services.feedback.grading import Responded, grade_clicks
from services.feedback.responses import Known, Pending
from services.feedback.signals import Signal, read_signal
from shared.consent import ALL_PERMITTED
from shared.db import consents, outcomes, recommendations, waiting_responses
from shared.db.engine import Connection
from shared.db.event_log import LoggedEvent
from shared.db.outcomes import NewOutcome
from shared.db.recommendations import LoggedRecommendation, Touch
from shared.telemetry import EVENTS

CLOCK_SKEW = timedelta(minutes=5)
CreditedLine = tuple[str, str]
"""A line that is credited: the platform's ids of the purchase and the product."""


def project(connection: Connection, events: Sequence[LoggedEvent], windows: Windows) -> None:
    """Apply events, in the given order, to the flags and outcomes of recommendations."""
    project_signals(connection, [signal for event in events if (signal := read_signal(event)) is not None], windows)


def project_signals(
    connection: Connection, signals: Sequence[Signal], windows: Windows, *, again: bool = False
) -> None:
    """Apply signals in the given order; `again` says that they were applied, and counted, before.

    A signal about a recommendation that is not written yet is stored in `waiting_responses`.
    """
    if signals:
        _Projection(connection, signals, windows, again=again).run()


def credit_purchases(connection: Connection, signals: Sequence[Signal], windows: Windows) -> list[CreditedLine]:
    """Credit those lines of purchases that were never credited, by the touches that are known now; return them."""
    bought = [each.only_purchase() for each in signals if each.purchase is not None]
    if not bought:
        return []
    projection = _Projection(connection, bought, windows)
    projection.run()
    return projection.credited


class _Projection:
    """Processes one batch: reads the data it needs, applies event by event in memory, and writes the results."""

    def __init__(
        self, connection: Connection, signals: Sequence[Signal], windows: Windows, *, again: bool = False
    ) -> None:
        self._connection = connection
        self._signals = signals
        self._windows = windows
        self._known = _look_up(connection, signals, windows)
        self._pending = Pending(again=again)
        self._credited = _credited_before(connection, signals, self._known)
        self.credited: list[CreditedLine] = []
        self._responded: set[int] = set()
        self._adopted: set[int] = set()

    def run(self) -> None:
        for signal in self._signals:
            self._apply(signal)
        self._pending.write(self._connection)
        concerned = Responded(self._responded, self._adopted)
        grade_clicks(self._connection, self._signals, concerned, self._unmeasured)
        waiting_responses.keep_waiting(self._connection, self._waiting(), datetime.now(UTC))

    def _waiting(self) -> list[waiting_responses.Waiting]:
        known = self._known.recommendations
        missing = [(key, signal) for signal in self._signals for key in signal.named if key not in known]
        for _, signal in missing:
            EVENTS.labels(signal.kind, "recommendation_not_written").inc()
        return [(key, signal.sequence) for key, signal in missing]

    def _apply(self, signal: Signal) -> None:
        for key in signal.shown:
            self._touch("shown", key, signal)
        clicked = None if signal.clicked is None else self._touch("click", signal.clicked, signal)
        if signal.carted is not None and clicked is not None:
            self._cart(signal.carted, signal)
        if signal.dismissed is not None:
            self._dismiss(signal.dismissed, signal)
        for product_id in signal.cart_products:
            self._credit_cart(product_id, clicked, signal)
        self._credit_purchase(signal)
        self._take_refund(signal)

    def _touch(self, kind: str, key: int, signal: Signal) -> LoggedRecommendation | None:
        known = self._known.recommendations.get(key)
        if {signal.customer_key, known and known.customer_key} & self._known.unmeasured:
            EVENTS.labels(signal.kind, "not_measured").inc()
            return None
        found = None if self._too_early(key, signal) else self._owned(key, signal)
        if found is None:
            return None
        self._pending.touch(kind, key, signal.at)
        if kind == "click":
            self._responded.add(key)
        self._pending.outcomes.append(NewOutcome(key, kind, signal.at, signal.sequence))
        self._known.remember([Touch(key, found.customer_key, found.product_id, kind, signal.at, signal.sequence)])
        return found

    def _too_early(self, key: int, signal: Signal) -> bool:
        found = self._known.recommendations.get(key)
        early = found is not None and signal.at < found.generated_at - CLOCK_SKEW
        if early:
            EVENTS.labels(signal.kind, "before_recommendation").inc()
        return early

    def _owned(self, key: int, signal: Signal) -> LoggedRecommendation | None:
        """Return a recommendation; None if it does not exist or was made for another customer.

        If it was made for an unknown customer, it is assigned to the customer who responds to it.
        """
        found = self._known.recommendations.get(key)
        if found is None:
            return None
        if self._known.strangers(found.customer_key, signal.customer_key):
            EVENTS.labels(signal.kind, "recommendation_of_another").inc()
            return None
        if found.customer_key is None and signal.customer_key is not None:
            self._pending.owners[key] = signal.customer_key
            self._adopted.add(key)
            return self._known.adopt(key, signal.customer_key)
        return found

    def _cart(self, key: int, signal: Signal) -> None:
        if key in self._known.recommendations:
            self._pending.carted.add(key)
            self._responded.add(key)
            self._pending.outcomes.append(NewOutcome(key, "add_to_cart", signal.at, signal.sequence))

    def _dismiss(self, key: int, signal: Signal) -> None:
        if self._owned(key, signal) is not None:
            self._pending.dismissed.add(key)
            self._pending.outcomes.append(NewOutcome(key, "dismiss", signal.at, signal.sequence))

    def _credit_cart(self, product_id: str, clicked: LoggedRecommendation | None, signal: Signal) -> None:
        if clicked is not None and clicked.product_id == product_id:
            self._cart(clicked.recommendation_id, signal)
            return
        click = attribution.last_click(self._touches(signal, product_id), signal.at, self._windows.click)
        if click is not None:
            self._cart(click.recommendation_id, signal)

    def _credit_purchase(self, signal: Signal) -> None:
        purchase = signal.purchase
        # Imported history usually has no touches; then the lines need not be read.
        if purchase is None or not self._known.touches:
            return
        credited = self._credited.get(purchase.purchase_id, set())
        for product_id in lines.product_ids(purchase):
            if product_id in credited:
                continue
            credit = attribution.credit(self._touches(signal, product_id), signal.at, self._windows)
            if credit is not None and self._first_of_its_id(purchase.purchase_id, signal):
                self._credit_line(credit, product_id, signal)

    def _first_of_its_id(self, purchase_id: str, signal: Signal) -> bool:
        """Return whether no earlier event of the log, of any customer, records the purchase."""
        to_come = self._purchases_to_come.get(purchase_id, signal.sequence)
        recorded = outcomes.purchase_recorded_by(self._connection, purchase_id)
        return signal.sequence <= (to_come if recorded is None else recorded)

    @cached_property
    def _purchases_to_come(self) -> Mapping[str, int]:
        return outcomes.purchases_to_come(self._connection, self._signals[-1].sequence)

    def _credit_line(self, credit: attribution.Credit, product_id: str, signal: Signal) -> None:
        assert signal.purchase is not None  # noqa: S101 - for the type checker: the caller has looked
        recommended = self._known.recommendations[credit.touch.recommendation_id]
        line = _line(signal, signal.purchase, recommended)
        new = [credited_lines.whole(line, credit)]
        for division in attribution.divisions(self._touches(signal, product_id), signal.at, self._windows):
            new += credited_lines.divided(line, division)
        self._pending.outcomes += new
        self._credited.setdefault(line.purchase_id, set()).add(product_id)
        self.credited.append((line.purchase_id, product_id))
        if credit.kind == attribution.PURCHASE:
            self._pending.purchased.add(credit.touch.recommendation_id)

    def _take_refund(self, signal: Signal) -> None:
        if signal.refund is not None and signal.refund.purchase_id in self._credited:
            self._pending.write(self._connection)  # the purchase may be in the same batch
            refunds.take_off(self._connection, signal.refund)

    def _unmeasured(self, customers: Collection[int]) -> set[int]:
        return _unmeasured(self._connection, customers, self._windows)

    def _touches(self, signal: Signal, product_id: str) -> Sequence[Touch]:
        if signal.customer_key is None or signal.customer_key in self._known.unmeasured:
            return ()
        return self._known.touches.get((signal.customer_key, product_id), ())


def _line(signal: Signal, purchase: Purchase, recommended: LoggedRecommendation) -> credited_lines.Line:
    """Return what an order has of a recommended product."""
    price: lines.Price = (recommended.price, recommended.currency)
    bought = lines.bought(purchase, recommended.product_id, price)
    margin = lines.margin(bought, recommended.cost, recommended.currency)
    return credited_lines.Line(purchase.purchase_id, signal.at, signal.sequence, bought.amount, bought.currency, margin)


def _look_up(connection: Connection, signals: Sequence[Signal], windows: Windows) -> Known:
    known = Known()
    seeking = [signal for signal in signals if signal.needs_touches]
    if seeking:
        customers = {signal.customer_key for signal in seeking if signal.customer_key is not None}
        moments = [signal.at for signal in seeking]
        since, until = min(moments) - windows.longest, max(moments)
        known.remember(recommendations.recent_touches(connection, customers, since, until, _few_products(seeking)))
    keys = {key for signal in signals for key in signal.named}
    keys.update(touch.recommendation_id for touches in known.touches.values() for touch in touches)
    if not keys:
        return known
    known.recommendations = recommendations.read_recommendations(connection, keys)
    concerned = _concerned(signals, known)
    known.registered = recommendations.registered_among(connection, concerned)
    known.unmeasured = _unmeasured(connection, concerned, windows)
    nobodys = {key for key, found in known.recommendations.items() if found.customer_key is None and found.was_shown}
    known.remember(recommendations.touches_of(connection, nobodys))
    return known


def _unmeasured(connection: Connection, customers: Collection[int], windows: Windows) -> set[int]:
    """Return those of the customers who do not permit `measure`."""
    default = ALL_PERMITTED._replace(measure=windows.measured)
    said = consents.consents_of(connection, customers)
    return {key for key, consent in said.items() if not consent.permissions(default).measure}


def _concerned(signals: Sequence[Signal], known: Known) -> set[int]:
    """Return the customers of the recommendations that signals name, and the customers of these signals."""
    owners = {found.customer_key for found in known.recommendations.values()}
    responders = {signal.customer_key for signal in signals if signal.named or signal.needs_touches}
    return {key for key in owners | responders if key is not None}


def _few_products(signals: Sequence[Signal]) -> Sequence[str]:
    """Return the products by which touches are filtered; an empty result means no filter.

    The filter is only worth its cost in a small batch.
    """
    few = len(signals) <= 2
    return tuple({product_id for signal in signals for product_id in signal.products}) if few else ()


def _credited_before(connection: Connection, signals: Iterable[Signal], known: Known) -> dict[str, set[str]]:
    """Return the products credited already, refunded ones too, of each purchase that the batch refunds or records."""
    wanted = {signal.refund.purchase_id for signal in signals if signal.refund is not None}
    if known.touches:
        wanted |= {signal.purchase.purchase_id for signal in signals if signal.purchase is not None}
    credited: dict[str, set[str]] = {}
    for each in outcomes.credited_ever(connection, wanted) if wanted else ():
        credited.setdefault(each.purchase_id, set()).add(each.product_id)
    return credited
