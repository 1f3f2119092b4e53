"""Clicks on recommendations with their grades: what the shopper did afterwards says how much a click is worth."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, func, select, update

from shared.db.batches import batches
from shared.db.schema import products, recommendation_outcomes, recommendations

UNKNOWN_GRADE = 1.0
"""What a click counts about which nothing is known."""
BEST_GRADE = func.max(func.coalesce(recommendation_outcomes.c.grade, UNKNOWN_GRADE))
"""The best grade of the clicks of a group of outcomes."""


class StoredClick(NamedTuple):
    """A click as it is stored, with the product's id on the platform.

    `customer_key` is None for a visitor nobody knows, `sequence` the number of the event in the log. `grade` (0 to 1)
    and `dwell_seconds` are None while they are unknown.
    """

    outcome_id: int
    recommendation_id: int
    customer_key: int | None
    product_id: str
    at: datetime
    sequence: int
    grade: float | None
    dwell_seconds: float | None


class ClickGrade(NamedTuple):
    """The grade, 0 to 1, and the longest known stay of a stored click."""

    outcome_id: int
    grade: float | None
    dwell_seconds: float | None


def clicks_by(
    connection: Connection, customer_keys: Collection[int], since: datetime, until: datetime
) -> list[StoredClick]:
    """Return the clicks of customers from `since` to `until` (both inclusive)."""
    columns, at = recommendations.c, recommendation_outcomes.c.occurred_at
    query = _clicks().where(columns.clicked_at >= since, at.between(since, until))
    return _read(connection, query, columns.customer_id, customer_keys)


def clicks_on(connection: Connection, recommendation_ids: Collection[int]) -> list[StoredClick]:
    """Return all clicks on recommendations."""
    return _read(connection, _clicks(), recommendations.c.id, recommendation_ids)


def carted_at(connection: Connection, recommendation_ids: Collection[int]) -> dict[int, list[datetime]]:
    """Return when products were put into the cart through recommendations; those that were not are missing."""
    outcomes = recommendation_outcomes.c
    query = select(outcomes.recommendation_id, outcomes.occurred_at).where(outcomes.kind == "add_to_cart")
    found: dict[int, list[datetime]] = {}
    for some in batches(sorted(set(recommendation_ids))):
        for key, at in connection.execute(query.where(outcomes.recommendation_id.in_(some))):
            found.setdefault(key, []).append(at)
    return found


def store_grades(connection: Connection, grades: Sequence[ClickGrade]) -> None:
    """Store the grades of clicks."""
    statement = (
        update(recommendation_outcomes)
        .where(recommendation_outcomes.c.id == bindparam("of"))
        .values(grade=bindparam("new_grade"), dwell_seconds=bindparam("new_dwell"))
    )
    rows = [{"of": each.outcome_id, "new_grade": each.grade, "new_dwell": each.dwell_seconds} for each in grades]
    if rows:
        connection.execute(statement, rows)


def _clicks() -> Select[Any]:
    columns, outcomes = recommendations.c, recommendation_outcomes.c
    return (
        select(
            outcomes.id,
            columns.id,
            columns.customer_id,
            products.c.external_id,
            outcomes.occurred_at,
            outcomes.event_sequence,
            outcomes.grade,
            outcomes.dwell_seconds,
        )
        .join(recommendations, columns.id == outcomes.recommendation_id)
        .join(products, products.c.product_id == columns.product_id)
        .where(outcomes.kind == "click")
        .order_by(outcomes.id)
    )


def _read(connection: Connection, query: Select[Any], column: Any, keys: Iterable[int]) -> list[StoredClick]:
    return [
        StoredClick(*row)
        for some in batches(sorted(set(keys)))
        for row in connection.execute(query.where(column.in_(some)))
    ]
