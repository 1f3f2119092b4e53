"""How each algorithm's recommendations did: counts and revenue over a period, from the log and the outcomes.

A recommendation counts in the period it was made in (`generated_at`), and with it all that came of it, whenever that
was: so every rate is a fraction of the very recommendations it counts, and none exceeds 1.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Connection, Integer, case, cast, func, select, true

from shared.attribution_rules import LAST_TOUCH
from shared.db.outcomes import RULE
from shared.db.schema import recommendation_lists, recommendation_outcomes, recommendations


@dataclass(frozen=True)
class AlgorithmCounts:
    """Recommendations of one algorithm: how many were made and met in each way, and revenue in minor units.

    Attributes
    ----------
    generated, shown, clicked, added_to_cart : int
        Recommendations, each counted once however often it was shown or clicked.
    purchased : int
        Recommendations with a purchase credited to a click and not refunded in full.
    purchased_after_view : int
        Recommendations with a purchase credited to an impression; apart from `purchased`.
    click_discount : float
        What the grades of clicks take off `clicked`: the sum of 1 - grade, each recommendation by its best click.
    revenue : dict of str to int
        By currency, of purchases credited to clicks, refunds taken off.
    revenue_by_rule : dict of str to dict of str to int
        The same by attribution rule and currency.
    """

    algorithm: str
    generated: int = 0
    shown: int = 0
    clicked: int = 0
    added_to_cart: int = 0
    purchased: int = 0
    purchased_after_view: int = 0
    revenue: dict[str, int] = field(default_factory=dict)
    click_discount: float = 0.0
    revenue_by_rule: dict[str, dict[str, int]] = field(default_factory=dict)


def algorithm_performance(connection: Connection, start: datetime, end: datetime) -> list[AlgorithmCounts]:
    """Return one entry per algorithm that recommended from `start` (inclusive) to `end` (exclusive), by name."""
    after_view = _purchased_after_view(connection, start, end)
    by_rule = _revenue_by_rule(connection, start, end)
    discounts = _click_discounts(connection, start, end)
    return [
        replace(
            counts,
            purchased_after_view=after_view.get(counts.algorithm, 0),
            revenue=by_rule.get(counts.algorithm, {}).get(LAST_TOUCH, {}),
            click_discount=discounts.get(counts.algorithm, 0.0),
            revenue_by_rule=by_rule.get(counts.algorithm, {}),
        )
        for counts in _counts(connection, start, end)
    ]


def _counts(connection: Connection, start: datetime, end: datetime) -> list[AlgorithmCounts]:
    columns = recommendations.c
    query = (
        select(
            columns.algorithm,
            _how_many(columns.was_shown),
            _how_many(columns.was_clicked),
            _how_many(columns.was_added_to_cart),
            _how_many(columns.was_purchased),
        )
        .where(columns.generated_at >= start, columns.generated_at < end)
        .group_by(columns.algorithm)
    )
    responses = {name: counts for name, *counts in connection.execute(query)}
    generated = _generated(connection, start, end)
    return [AlgorithmCounts(name, generated[name], *responses.get(name, ())) for name in sorted(generated)]


def _generated(connection: Connection, start: datetime, end: datetime) -> dict[str, int]:
    """Return how many recommendations each algorithm made."""
    lists = recommendation_lists.c
    each = func.jsonb_each_text if connection.dialect.name == "postgresql" else func.json_each
    counts = each(lists.by_algorithm).table_valued("key", "value")
    query = (
        select(counts.c.key, func.sum(cast(counts.c.value, Integer)))
        .select_from(recommendation_lists.join(counts, true()))
        .where(lists.generated_at >= start, lists.generated_at < end)
        .group_by(counts.c.key)
    )
    return {name: int(count) for name, count in connection.execute(query)}


def _purchased_after_view(connection: Connection, start: datetime, end: datetime) -> dict[str, int]:
    columns = recommendations.c
    query = (
        select(columns.algorithm, func.count(columns.id.distinct()))
        .join(recommendation_outcomes, recommendation_outcomes.c.recommendation_id == columns.id)
        .where(columns.generated_at >= start, columns.generated_at < end, columns.was_shown)
        .where(recommendation_outcomes.c.kind == "view_through")
        .group_by(columns.algorithm)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def _revenue_by_rule(connection: Connection, start: datetime, end: datetime) -> dict[str, dict[str, dict[str, int]]]:
    columns, outcomes = recommendations.c, recommendation_outcomes.c
    key = (columns.algorithm, RULE.label("rule"), outcomes.currency)
    query = (
        select(*key, cast(func.sum(outcomes.amount), BigInteger))
        .join(recommendation_outcomes, outcomes.recommendation_id == columns.id)
        .where(columns.generated_at >= start, columns.generated_at < end)
        .where(outcomes.kind.in_(("purchase", "view_through", "credit")), outcomes.currency.is_not(None))
        .group_by(*key)
        .order_by(*key)
    )
    found: dict[str, dict[str, dict[str, int]]] = {}
    for algorithm, rule, currency, amount in connection.execute(query):
        found.setdefault(algorithm, {}).setdefault(rule, {})[currency] = int(amount)
    return found


def _click_discounts(connection: Connection, start: datetime, end: datetime) -> dict[str, float]:
    columns, outcomes = recommendations.c, recommendation_outcomes.c
    best = (
        select(columns.algorithm, func.max(outcomes.grade).label("grade"))
        .join(recommendation_outcomes, outcomes.recommendation_id == columns.id)
        .where(columns.generated_at >= start, columns.generated_at < end, columns.was_clicked)
        .where(outcomes.kind == "click", outcomes.grade.is_not(None))
        .group_by(columns.id, columns.algorithm)
        .subquery()
    )
    query = select(best.c.algorithm, func.sum(1 - best.c.grade)).group_by(best.c.algorithm)
    return {algorithm: float(discount) for algorithm, discount in connection.execute(query)}


def _how_many(flag: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((flag, 1), else_=0), type_=Integer)
