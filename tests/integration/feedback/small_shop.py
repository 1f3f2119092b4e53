"""A small shop to test the feedback agent in: customers, products and recommendations made at noon."""

from datetime import UTC, datetime
from typing import Any

from quintet.type.v1.event_pb2 import (
    Event,
    Impression,
    ProductQuantity,
    ProductView,
    Purchase,
    PurchaseLine,
    Refund,
)
from quintet.type.v1.money_pb2 import Money
from quintet.type.v1.recommendation_pb2 import Feedback, InteractionType
from sqlalchemy import Connection, func, select

from services.feedback.attribution import Windows
from services.feedback.response_projection import project
from shared.db import event_log
from shared.db.engine import Database
from shared.db.event_log import NewEvent
from shared.db.log_consumer import LogConsumer
from shared.db.recommendations import log_recommendations
from shared.db.schema import customers, products, recommendation_lists, recommendation_outcomes, recommendations
from shared.recommendation_tokens import LIST_BITS, number_at
from tests.support.recommendations import list_of_one

NOON = datetime(2026, 1, 10, 12, tzinfo=UTC)
ANN, BOB = 1, 2


def open_shop(connection: Connection) -> None:
    """Add customers `ann` (1) and `bob` (2), and products `p1` to `p5` (1 to 5) at 1 to 4 EUR; `p5` has no price."""
    for key, name in ((ANN, "ann"), (BOB, "bob")):
        connection.execute(customers.insert().values(customer_id=key, external_id=name, registration_date=NOON))
    for key in range(1, 6):
        price: dict[str, Any] = {} if key == 5 else {"price": 100 * key, "currency": "EUR"}
        row = {"product_id": key, "external_id": f"p{key}", "name": f"Product {key}", "change_sequence": key}
        connection.execute(products.insert().values(**row, **price, available_at=NOON, updated_at=NOON))


def recommend(
    connection: Connection, product: int, customer: int | None = ANN, algorithm: str = "ease", at: datetime = NOON
) -> int:
    """Log one recommendation and return its id."""
    lists = connection.execute(select(func.count()).select_from(recommendation_lists)).scalar_one()
    number = number_at((1 << LIST_BITS) + lists, 1)
    log_recommendations(connection, [list_of_one(number, customer, product, at, algorithm)])
    return number


def outcome_rows(connection: Connection) -> list[tuple[int, str, int | None]]:
    """Return (recommendation, kind, amount) of all outcomes, in their order."""
    outcomes = recommendation_outcomes.c
    query = select(outcomes.recommendation_id, outcomes.kind, outcomes.amount).order_by(outcomes.id)
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def marks(connection: Connection, recommendation: int) -> set[str]:
    """Return which of the five marks a recommendation has: `shown`, `clicked`, `added_to_cart`, …"""
    names = ("shown", "clicked", "added_to_cart", "purchased", "dismissed")
    columns = [recommendations.c[f"was_{name}"] for name in names]
    row = connection.execute(select(*columns).where(recommendations.c.id == recommendation)).one_or_none()
    return {name for name, flag in zip(names, row or [False] * len(names), strict=True) if flag}


class Log:
    """Gathers events, records them in the log of a database and applies them."""

    def __init__(self, database: Database, batch: int = 500, windows: Windows | None = None) -> None:
        self.database = database
        self._consumer = LogConsumer(
            database, "feedback", lambda c, events: project(c, events, windows or Windows()), batch
        )
        self._count = 0
        self._new: list[NewEvent] = []

    def add(self, at: datetime, customer: int | None = ANN, recommendation: int | None = None, **detail: Any) -> None:
        """Append an event with one detail, such as `product_view=ProductView(...)`, of a customer's key."""
        event = Event(recommendation_id="" if recommendation is None else str(recommendation), **detail)
        self.append(str(event.WhichOneof("detail")), at, customer, event.SerializeToString())

    def respond(self, at: datetime, recommendation: int | str, response: str, customer: int | None = None) -> None:
        """Append feedback such as `CLICK`."""
        kind = InteractionType.Value(f"INTERACTION_TYPE_{response}")
        feedback = Feedback(recommendation_id=str(recommendation), interaction_type=kind)
        self.append("feedback", at, customer, feedback.SerializeToString())

    def see(self, at: datetime, *recommendations: int, customer: int | None = ANN) -> None:
        """Append an impression."""
        self.add(at, customer, impression=Impression(recommendation_ids=[str(each) for each in recommendations]))

    def click(self, at: datetime, recommendation: int, product: str = "p1", customer: int | None = ANN) -> None:
        """Append a product view that a recommendation led to."""
        self.add(at, customer, recommendation, product_view=ProductView(product_id=product))

    def buy(self, at: datetime, order: str, *lines: PurchaseLine, customer: int = ANN) -> None:
        """Append a purchase; of one `p1` for 1.00 EUR when no lines are given."""
        items = lines or (line("p1", 100),)
        self.add(at, customer, purchase=Purchase(purchase_id=order, items=items))

    def refund(self, at: datetime, order: str, amount: int | None = None, **units: float) -> None:
        """Append a refund of some products or, without any, of the whole order."""
        items = [ProductQuantity(product_id=name, quantity=quantity) for name, quantity in units.items()]
        money = None if amount is None else Money(currency_code="EUR", amount_minor=amount)
        self.add(at, refund=Refund(purchase_id=order, items=items, amount=money))

    def append(self, kind: str, at: datetime, customer: int | None, payload: bytes) -> None:
        """Append any payload."""
        self._count += 1
        self._new.append(NewEvent(f"e{self._count}", customer, kind, at, payload))

    def record(self) -> None:
        """Record what was gathered."""
        with self.database.write() as connection:
            event_log.append(connection, self._new)
        self._new = []

    def apply(self) -> None:
        """Record what was gathered and apply all that is new."""
        self.record()
        self._consumer.apply()


def line(product: str, amount: int | None = None, quantity: float = 1) -> PurchaseLine:
    """Return a line of an order; amounts are in cents of a Euro."""
    money = None if amount is None else Money(currency_code="EUR", amount_minor=amount)
    return PurchaseLine(product_id=product, quantity=quantity, amount=money)
