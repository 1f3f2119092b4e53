"""Responses to recommendations, gathered over a batch of events and written in a few statements."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.db import outcomes, recommendations
from shared.db.engine import Connection
from shared.db.outcomes import NewOutcome
from shared.db.recommendations import LoggedRecommendation, Touch


@dataclass
class Known:
    """What is known before an event: the recommendations that matter and the touches of each customer and product.

    `registered` are those of the customers concerned that are more than visitors. Touches of the batch itself are added
    as they happen, so that it makes no difference where a batch ends. Touches by nobody known are kept by
    recommendation, until it turns out who it was.
    """

    recommendations: dict[int, LoggedRecommendation] = field(default_factory=dict)
    touches: defaultdict[tuple[int, str], list[Touch]] = field(default_factory=lambda: defaultdict(list))
    nobodys: defaultdict[int, list[Touch]] = field(default_factory=lambda: defaultdict(list))
    registered: set[int] = field(default_factory=set)

    def remember(self, touches: Iterable[Touch]) -> None:
        """Add touches."""
        for touch in touches:
            if touch.customer_key is None:
                self.nobodys[touch.recommendation_id].append(touch)
            else:
                self.touches[touch.customer_key, touch.product_id].append(touch)

    def strangers(self, one: int | None, other: int | None) -> bool:
        """Say whether two keys are surely not one person: two customers, or two visitors.

        A visitor may yet turn out to be the customer, and the other way round, so these two are no strangers. Visitors
        that were merged already have the customer's key everywhere.
        """
        if one is None or other is None or one == other:
            return False
        return (one in self.registered) == (other in self.registered)

    def adopt(self, key: int, customer_key: int) -> LoggedRecommendation:
        """Make a recommendation for nobody known, and its touches, a customer's, and return it."""
        adopted = replace(self.recommendations[key], customer_key=customer_key)
        self.recommendations[key] = adopted
        self.remember(replace(touch, customer_key=customer_key) for touch in self.nobodys.pop(key, []))
        return adopted


@dataclass
class Pending:
    """What is to be written."""

    shown: dict[int, datetime] = field(default_factory=dict)
    clicked: dict[int, datetime] = field(default_factory=dict)
    carted: set[int] = field(default_factory=set)
    dismissed: set[int] = field(default_factory=set)
    purchased: set[int] = field(default_factory=set)
    owners: dict[int, int] = field(default_factory=dict)
    outcomes: list[NewOutcome] = field(default_factory=list)

    def touch(self, kind: str, key: int, at: datetime) -> None:
        """Note that a recommendation was `shown` or clicked (`click`); the latest moment of each is kept."""
        moments = self.shown if kind == "shown" else self.clicked
        moments[key] = max(at, moments.get(key, at))

    def write(self, connection: Connection) -> None:
        """Write it all and forget it."""
        if not self.outcomes:
            return  # every mark comes with an outcome
        recommendations.assign_customers(connection, self.owners)
        recommendations.mark_shown(connection, self.shown)
        recommendations.mark_clicked(connection, self.clicked)
        recommendations.mark_added_to_cart(connection, self.carted)
        recommendations.mark_dismissed(connection, self.dismissed)
        recommendations.mark_purchased(connection, self.purchased)
        outcomes.add_outcomes(connection, self.outcomes)
        for gathered in (self.shown, self.clicked, self.carted, self.dismissed, self.purchased, self.owners):
            gathered.clear()
        self.outcomes.clear()
