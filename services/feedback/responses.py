"""The state of a batch of events: what is known about recommendations, and the changes to write."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.db import outcomes, recommendations
from shared.db.engine import Connection
from shared.db.outcomes import NewOutcome
from shared.db.recommendations import LoggedRecommendation, Touch
from shared.telemetry import RESPONSES


@dataclass
class Known:
    """The recommendations that a batch concerns, and the touches of each customer and product.

    `registered` has the customers concerned that are registered, so not only visitors, and `unmeasured` the shoppers
    concerned who do not permit `measure`. Touches of the batch itself are
    added as its events are applied, so that results do not depend on where a batch ends. `nobodys` has the touches by
    unknown customers, by recommendation, until the customer becomes known.
    """

    recommendations: dict[int, LoggedRecommendation] = field(default_factory=dict)
    touches: defaultdict[tuple[int, str], list[Touch]] = field(default_factory=lambda: defaultdict(list))
    nobodys: defaultdict[int, list[Touch]] = field(default_factory=lambda: defaultdict(list))
    registered: set[int] = field(default_factory=set)
    unmeasured: set[int] = field(default_factory=set)

    def remember(self, touches: Iterable[Touch]) -> None:
        """Add touches."""
        for touch in touches:
            if touch.customer_key is None:
                self.nobodys[touch.recommendation_id].append(touch)
            else:
                self.touches[touch.customer_key, touch.product_id].append(touch)

    def strangers(self, one: int | None, other: int | None) -> bool:
        """Return whether two keys certainly belong to different persons: two registered customers or two visitors.

        A visitor and a registered customer may be the same person, so the result is False for them. A visitor who was
        merged with a customer has the customer's key everywhere already.
        """
        if one is None or other is None or one == other:
            return False
        return (one in self.registered) == (other in self.registered)

    def adopt(self, key: int, customer_key: int) -> LoggedRecommendation:
        """Assign a recommendation for an unknown customer, and its touches, to a customer; return it."""
        adopted = replace(self.recommendations[key], customer_key=customer_key)
        self.recommendations[key] = adopted
        self.remember(replace(touch, customer_key=customer_key) for touch in self.nobodys.pop(key, []))
        return adopted


@dataclass
class Pending:
    """The changes that a batch makes; `write` writes them in a few statements.

    Responses are counted in the metrics, unless they were when they were applied first (`again`). Credits of rules
    beside the last touch are not: the purchase is counted by the rule that counts.
    """

    shown: dict[int, datetime] = field(default_factory=dict)
    clicked: dict[int, datetime] = field(default_factory=dict)
    carted: set[int] = field(default_factory=set)
    dismissed: set[int] = field(default_factory=set)
    purchased: set[int] = field(default_factory=set)
    owners: dict[int, int] = field(default_factory=dict)
    outcomes: list[NewOutcome] = field(default_factory=list)
    again: bool = False

    def touch(self, kind: str, key: int, at: datetime) -> None:
        """Record that a recommendation was `shown` or clicked (`click`); the latest time of each kind is kept."""
        moments = self.shown if kind == "shown" else self.clicked
        moments[key] = max(at, moments.get(key, at))

    def write(self, connection: Connection) -> None:
        """Write all changes and clear them."""
        if not self.outcomes:
            return  # every change comes with an outcome
        recommendations.assign_customers(connection, self.owners)
        recommendations.mark_shown(connection, self.shown)
        recommendations.mark_clicked(connection, self.clicked)
        recommendations.mark_added_to_cart(connection, self.carted)
        recommendations.mark_dismissed(connection, self.dismissed)
        recommendations.mark_purchased(connection, self.purchased)
        outcomes.add_outcomes(connection, self.outcomes)
        for each in () if self.again else self.outcomes:
            if each.kind != outcomes.CREDIT:
                RESPONSES.labels(each.kind).inc()
        for gathered in (self.shown, self.clicked, self.carted, self.dismissed, self.purchased, self.owners):
            gathered.clear()
        self.outcomes.clear()
