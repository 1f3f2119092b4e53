"""The log of recommendations: what was recommended to whom, and how it was met.

The recommendation agent appends rows; the feedback agent marks them. A mark is never wrong twice: marking again
changes nothing but the time of the latest touch.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, case, literal_column, or_, select, update

from shared.db.batches import batches
from shared.db.bulk import insert_rows
from shared.db.engine import next_count
from shared.db.schema import customers, products, recommendation_outcomes, recommendations
from shared.db.types import to_micros

LARGEST_ID = 2**63 - 1
FEW_PRODUCTS = 50  # up to here a look-up by product is cheaper than all recommendations of the customer


@dataclass(frozen=True)
class NewRecommendation:
    """A recommendation to log. Keys are those of the tables; `reason` and `contributions` are kept as JSON.

    `recommendation_id` is a number that no other recommendation has, see `RecommendationNumbers`.
    """

    recommendation_id: int
    request_id: str
    customer_key: int | None
    product_key: int
    position: int
    score: float
    algorithm: str
    page_type: str
    generated_at: datetime
    contributions: Mapping[str, float] = field(default_factory=dict)
    reason: Mapping[str, Any] = field(default_factory=dict)
    strategy: str = ""
    model_version: str = ""


@dataclass(frozen=True)
class LoggedRecommendation:
    """A recommendation of the log, with its product's id on the platform and present price in minor units."""

    recommendation_id: int
    customer_key: int | None
    product_key: int
    product_id: str
    price: int | None
    currency: str | None
    algorithm: str
    generated_at: datetime
    was_shown: bool
    was_clicked: bool
    was_added_to_cart: bool
    was_purchased: bool
    was_dismissed: bool
    shown_at: datetime | None
    clicked_at: datetime | None


@dataclass(frozen=True)
class Touch:
    """A moment at which a customer saw (`kind` is `shown`) or clicked (`click`) a recommendation.

    `customer_key` is None for a visitor nobody knows, `product_id` the platform's id, and `sequence` the number of the
    event in the log.
    """

    recommendation_id: int
    customer_key: int | None
    product_id: str
    kind: str
    at: datetime
    sequence: int


def recommendation_key(recommendation_id: str) -> int | None:
    """Return the number of a recommendation that an event of the log names; None for what is no number.

    The log names recommendations by their numbers in decimal digits, not by the tokens that shops see.
    """
    digits = recommendation_id.isascii() and recommendation_id.isdigit() and len(recommendation_id) <= 19
    return int(recommendation_id) if digits and int(recommendation_id) <= LARGEST_ID else None


def new_writer(connection: Connection) -> int:
    """Return a number for a process that logs recommendations; each call returns another, from 1."""
    return next_count(connection, "recommendation_writers")


def log_recommendations(connection: Connection, rows: Sequence[NewRecommendation]) -> None:
    """Append recommendations."""
    insert_rows(connection, recommendations, _COLUMNS, [_row(row) for row in rows])


def read_recommendations(connection: Connection, ids: Iterable[int]) -> dict[int, LoggedRecommendation]:
    """Return recommendations by id; unknown ids are missing."""
    columns = recommendations.c
    found: dict[int, LoggedRecommendation] = {}
    query = select(
        columns.id,
        columns.customer_id,
        columns.product_id,
        products.c.external_id,
        products.c.price,
        products.c.currency,
        columns.algorithm,
        columns.generated_at,
        columns.was_shown,
        columns.was_clicked,
        columns.was_added_to_cart,
        columns.was_purchased,
        columns.was_dismissed,
        columns.shown_at,
        columns.clicked_at,
    ).join(products, products.c.product_id == columns.product_id)
    for some in batches(sorted(set(ids))):
        for row in connection.execute(query.where(columns.id.in_(some))):
            found[row.id] = LoggedRecommendation(*tuple(row))
    return found


def mark_shown(connection: Connection, moments: Mapping[int, datetime]) -> None:
    """Say that recommendations were on screen; `shown_at` keeps the latest moment."""
    _mark_times(connection, moments, "shown_at", was_shown=True)


def mark_clicked(connection: Connection, moments: Mapping[int, datetime]) -> None:
    """Say that recommendations were clicked, so also shown; `clicked_at` keeps the latest moment."""
    _mark_times(connection, moments, "clicked_at", was_shown=True, was_clicked=True)


def mark_added_to_cart(connection: Connection, ids: Iterable[int]) -> None:
    """Say that the recommended products were put into the cart through the recommendations."""
    _mark(connection, ids, was_added_to_cart=True)


def mark_dismissed(connection: Connection, ids: Iterable[int]) -> None:
    """Say that the shopper does not want the products; they must have been shown."""
    _mark(connection, ids, was_dismissed=True, was_shown=True)


def mark_purchased(connection: Connection, ids: Iterable[int], *, purchased: bool = True) -> None:
    """Say that purchases are credited to the recommendations, or (after a refund) no longer are."""
    _mark(connection, ids, was_purchased=purchased)


def assign_customers(connection: Connection, customers: Mapping[int, int]) -> None:
    """Say whose recommendations they are, by id, where nobody knew when they were made; others stay as they are."""
    columns = recommendations.c
    statement = (
        update(recommendations)
        .where(columns.id == bindparam("of"), columns.customer_id.is_(None))
        .values(customer_id=bindparam("customer"))
    )
    if customers:
        connection.execute(statement, [{"of": key, "customer": customer} for key, customer in customers.items()])


def registered_among(connection: Connection, customer_keys: Iterable[int]) -> set[int]:
    """Return those of the keys that are customers the platform knows by an id; the others are visitors."""
    columns = customers.c
    query = select(columns.customer_id).where(columns.external_id.is_not(None))
    return {
        key
        for some in batches(sorted(set(customer_keys)))
        for key in connection.execute(query.where(columns.customer_id.in_(some))).scalars()
    }


def recent_touches(
    connection: Connection,
    customer_keys: Iterable[int],
    since: datetime,
    until: datetime,
    product_ids: Sequence[str] = (),
) -> list[Touch]:
    """Return what customers saw and clicked from `since` to `until` (both inclusive), oldest first.

    `product_ids` narrows it to these products when there are few; the answer may hold others.
    """
    if not _any_outcome(connection, since, until):
        return []
    columns = recommendations.c
    query = _touches().where(
        or_(columns.shown_at >= since, columns.clicked_at >= since),
        recommendation_outcomes.c.occurred_at.between(since, until),
    )
    if 0 < len(product_ids) <= FEW_PRODUCTS:
        few = select(products.c.product_id).where(products.c.external_id.in_(product_ids))
        query = query.where(columns.product_id.in_(few))
    return [
        Touch(*row)
        for some in batches(sorted(set(customer_keys)))
        for row in connection.execute(query.where(columns.customer_id.in_(some)))
    ]


def touches_of(connection: Connection, ids: Iterable[int]) -> list[Touch]:
    """Return when recommendations were seen and clicked, whoever it was, oldest first."""
    query = _touches()
    return [
        Touch(*row)
        for some in batches(sorted(set(ids)))
        for row in connection.execute(query.where(recommendations.c.id.in_(some)))
    ]


def dismissed_products(connection: Connection, customer_key: int) -> set[int]:
    """Return the keys of the products a customer said no to; they are never recommended to them again."""
    columns = recommendations.c
    # Bare, not `= 1`: SQLite takes the partial index only for the very words it was made with.
    dismissed: ColumnElement[bool] = literal_column("was_dismissed")
    query = select(columns.product_id).where(columns.customer_id == customer_key, dismissed).distinct()
    return set(connection.execute(query).scalars())


def _any_outcome(connection: Connection, since: datetime, until: datetime) -> bool:
    """Say whether anything came of any recommendation in a period: no, and fast, when old history is imported."""
    outcomes = recommendation_outcomes.c
    query = select(outcomes.id).where(outcomes.occurred_at.between(since, until)).limit(1)
    return connection.execute(query).first() is not None


def _touches() -> Select[Any]:
    columns = recommendations.c
    outcomes = recommendation_outcomes.c
    return (
        select(
            columns.id,
            columns.customer_id,
            products.c.external_id,
            outcomes.kind,
            outcomes.occurred_at,
            outcomes.event_sequence,
        )
        .join(products, products.c.product_id == columns.product_id)
        .join(recommendation_outcomes, outcomes.recommendation_id == columns.id)
        .where(outcomes.kind.in_(("shown", "click")))
        .order_by(outcomes.occurred_at, outcomes.event_sequence, columns.id)
    )


_COLUMNS = (
    "id",
    "request_id",
    "customer_id",
    "product_id",
    "position",
    "score",
    "algorithm",
    "contributions",
    "reason",
    "page_type",
    "strategy",
    "model_version",
    "generated_at",
)


def _row(row: NewRecommendation) -> tuple[Any, ...]:
    return (
        row.recommendation_id,
        row.request_id,
        row.customer_key,
        row.product_key,
        row.position,
        row.score,
        row.algorithm,
        json.dumps(row.contributions),
        json.dumps(row.reason),
        row.page_type,
        row.strategy,
        row.model_version,
        to_micros(row.generated_at),
    )


def _mark(connection: Connection, ids: Iterable[int], **flags: bool) -> None:
    for some in batches(sorted(set(ids))):
        connection.execute(update(recommendations).where(recommendations.c.id.in_(some)).values(flags))


def _mark_times(connection: Connection, moments: Mapping[int, datetime], name: str, **flags: bool) -> None:
    column = recommendations.c[name]
    moment = bindparam("moment", type_=column.type)
    latest = case((or_(column.is_(None), column < moment), moment), else_=column)
    statement = update(recommendations).where(recommendations.c.id == bindparam("of")).values({name: latest, **flags})
    if moments:
        connection.execute(statement, [{"of": key, "moment": at} for key, at in sorted(moments.items())])
