"""Facts of lists of recommendations: to whom they were shown, and what each adds to the aggregates of metrics.

`numbers` of a row has by algorithm what `MetricNumbers.to_json` gives, and under the empty name those of all.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from shared.db.batches import among
from shared.db.engine import replace_rows
from shared.db.schema import (
    list_facts,
    products,
    purchase_items,
    purchases,
    recommendation_lists,
    recommendation_outcomes,
    recommendations,
)
from shared.metric_numbers import ByAlgorithm, MetricNumbers

CREDIT, AFTER_VIEW, REFUNDED = "purchase", "view_through", "refunded"


class ListDimensions(NamedTuple):
    """What a list is counted by, beside day and algorithm; empty texts stand for none."""

    placement: str
    page_type: str
    segment: str
    arm: str
    model_version: str


@dataclass(frozen=True)
class ListFact:
    """The fact of a list, as it is stored."""

    list_id: int
    customer_key: int | None
    generated_at: datetime
    dimensions: ListDimensions
    numbers: ByAlgorithm


@dataclass(frozen=True)
class CreditedAmount:
    """A purchase credited to a recommendation, in minor units; `costed` and `margin` are 0 without a known cost."""

    currency: str
    revenue: int
    costed: int
    margin: int


@dataclass
class Response:
    """What came of a recommendation of a list."""

    product_key: int
    algorithm: str
    shown: bool
    clicked: bool
    added_to_cart: bool
    purchased: bool
    dismissed: bool
    after_view: bool = False
    refunded: bool = False
    credits: list[CreditedAmount] = field(default_factory=list)


@dataclass
class ListBase:
    """What the tables have of a list: `owner` is for whom it was made or who took it up, None for nobody known.

    `by_algorithm` says how many recommendations each algorithm gave most to, `assignments` the arm by experiment.
    """

    list_id: int
    owner: int | None
    page_type: str
    placement: str
    model_version: str
    generated_at: datetime
    by_algorithm: Mapping[str, int]
    assignments: Mapping[str, str]
    responses: list[Response] = field(default_factory=list)


def read_lists(connection: Connection, list_ids: Collection[int]) -> list[ListBase]:
    """Return lists with all that came of them, ascending by number; those that are gone are missing."""
    columns = recommendation_lists.c
    query = select(
        columns.id,
        columns.customer_id,
        columns.page_type,
        func.coalesce(columns.placement_id, ""),
        columns.model_version,
        columns.generated_at,
        columns.by_algorithm,
        columns.assignments,
    ).where(among(connection, columns.id, list_ids))
    found = {row[0]: ListBase(*row[:-1], row[-1] or {}) for row in connection.execute(query.order_by(columns.id))}
    _add_responses(connection, found)
    return list(found.values())


def read_facts(connection: Connection, list_ids: Collection[int]) -> dict[int, ListFact]:
    """Return the stored facts of lists by number."""
    columns = list_facts.c
    rows = connection.execute(select(list_facts).where(among(connection, columns.list_id, list_ids)))
    return {row.list_id: _fact(row) for row in rows}


def write_facts(connection: Connection, facts: Sequence[ListFact]) -> None:
    """Store facts, in place of those that there are of the lists."""
    replace_rows(connection, list_facts, ["list_id"], [_row(fact) for fact in facts])


def lists_of(connection: Connection, customer_keys: Collection[int]) -> set[int]:
    """Return the lists that were made for customers, or of which they took up recommendations."""
    if not customer_keys:
        return set()
    made = (recommendation_lists.c.id, recommendation_lists.c.customer_id)
    taken = (recommendations.c.list_id, recommendations.c.customer_id)
    known = (list_facts.c.list_id, list_facts.c.customer_id)
    return {
        key
        for number, owner in (made, taken, known)
        for key in connection.execute(
            select(number).where(among(connection, owner, customer_keys)).distinct()
        ).scalars()
    }


def _add_responses(connection: Connection, lists: Mapping[int, ListBase]) -> None:
    columns = recommendations.c
    query = select(
        columns.id,
        columns.list_id,
        columns.customer_id,
        columns.product_id,
        columns.algorithm,
        columns.was_shown,
        columns.was_clicked,
        columns.was_added_to_cart,
        columns.was_purchased,
        columns.was_dismissed,
    ).where(among(connection, columns.list_id, lists))
    responses: dict[int, Response] = {}
    for key, list_id, owner, *rest in connection.execute(query.order_by(columns.id)):
        each = lists[list_id]
        each.owner = owner if each.owner is None else each.owner
        responses[key] = Response(*rest)
        each.responses.append(responses[key])
    _add_outcomes(connection, responses)


def _add_outcomes(connection: Connection, responses: Mapping[int, Response]) -> None:
    outcomes = recommendation_outcomes.c
    query = select(outcomes.id, outcomes.recommendation_id, outcomes.kind, outcomes.amount, outcomes.currency).where(
        outcomes.kind.in_((CREDIT, AFTER_VIEW, REFUNDED)), among(connection, outcomes.recommendation_id, responses)
    )
    rows = connection.execute(query.order_by(outcomes.id)).all()
    lines = _credited_lines(connection, [row.id for row in rows if row.kind == CREDIT and row.currency])
    for row in rows:
        response = responses[row.recommendation_id]
        response.after_view |= row.kind == AFTER_VIEW
        response.refunded |= row.kind == REFUNDED
        if row.kind == CREDIT and row.currency:
            response.credits.append(_credited(row.currency, row.amount or 0, lines.get(row.id, {}).get(row.currency)))


def _credited(currency: str, amount: int, line: tuple[int, float] | None) -> CreditedAmount:
    """Return the credit of a line: (amount kept, its cost); credited in part, it has the same part of the cost."""
    if line is None or not line[0]:
        return CreditedAmount(currency, amount, 0, 0)
    kept, cost = line
    return CreditedAmount(currency, amount, amount, amount - round(cost * amount / kept))


def _credited_lines(connection: Connection, outcome_ids: Sequence[int]) -> dict[int, dict[str, tuple[int, float]]]:
    """Return of credits, by currency, the amount that was kept of their lines and what it cost.

    Lines of products without a cost in the order's currency are missing.
    """
    if not outcome_ids:
        return {}
    outcomes, line, product = recommendation_outcomes.c, purchase_items.c, products.c
    query = (
        select(
            outcomes.id,
            purchases.c.currency,
            func.sum(line.amount - line.refunded_amount),
            func.sum(product.cost * (line.quantity - line.refunded_quantity)),
        )
        .join(recommendations, recommendations.c.id == outcomes.recommendation_id)
        .join(purchases, purchases.c.external_id == outcomes.purchase_id)
        .join(
            purchase_items,
            (line.purchase_id == purchases.c.purchase_id) & (line.product_id == recommendations.c.product_id),
        )
        .join(products, product.product_id == line.product_id)
        .where(product.cost.is_not(None), product.currency == purchases.c.currency)
        .where(among(connection, outcomes.id, outcome_ids))
        .group_by(outcomes.id, purchases.c.currency)
    )
    found: dict[int, dict[str, tuple[int, float]]] = defaultdict(dict)
    for key, currency, kept, cost in connection.execute(query):
        found[key][currency] = (int(kept), float(cost))
    return found


def _fact(row: Any) -> ListFact:
    numbers = {name: MetricNumbers.from_json(stored) for name, stored in row.numbers.items()}
    dimensions = ListDimensions(row.placement, row.page_type, row.segment, row.arm, row.model_version)
    return ListFact(row.list_id, row.customer_id, row.generated_at, dimensions, numbers)


def _row(fact: ListFact) -> dict[str, Any]:
    return {
        "list_id": fact.list_id,
        "customer_id": fact.customer_key,
        "generated_at": fact.generated_at,
        **fact.dimensions._asdict(),
        "numbers": {name: numbers.to_json() for name, numbers in fact.numbers.items()},
    }
