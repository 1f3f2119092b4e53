"""A small shop to test the feedback agent in: customers, products and recommendations made at noon."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select

from shared.db.recommendations import NewRecommendation, log_recommendations
from shared.db.schema import customers, products, recommendation_outcomes, recommendations

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
    row = NewRecommendation("r", customer, product, 1, 0.5, algorithm, "home", at)
    return log_recommendations(connection, [row])[0]


def outcome_rows(connection: Connection) -> list[tuple[int, str, int | None]]:
    """Return (recommendation, kind, amount) of all outcomes, in their order."""
    outcomes = recommendation_outcomes.c
    query = select(outcomes.recommendation_id, outcomes.kind, outcomes.amount).order_by(outcomes.id)
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def marks(connection: Connection, recommendation: int) -> set[str]:
    """Return which of the five marks a recommendation has: `shown`, `clicked`, `added_to_cart`, …"""
    names = ("shown", "clicked", "added_to_cart", "purchased", "dismissed")
    columns = [recommendations.c[f"was_{name}"] for name in names]
    row = connection.execute(select(*columns).where(recommendations.c.id == recommendation)).one()
    return {name for name, flag in zip(names, row, strict=True) if flag}
