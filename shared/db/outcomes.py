"""What came of recommendations, one row for each touch, response and credited purchase; written by the feedback agent.

Kinds: `shown`, `click`, `add_to_cart`, `dismiss`; `purchase` (last touch) and `view_through` for credited purchase
lines, whose amount shrinks with refunds; `credit` for the part of a line that one touch has under a rule beside the
last touch; `refunded` for a credit, of any rule, that a refund took away in full.

`rule` tells the credits of the rules apart. Each rule credits the whole of a line: amounts of several are not added up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from quintet.type.v1.event_pb2 import Event
from sqlalchemy import Connection, Select, and_, bindparam, case, func, select, update

from shared.attribution_rules import LAST_TOUCH, VIEW_THROUGH
from shared.db.batches import batches
from shared.db.event_log import CUSTOMER_CONSUMER, LOGGED, LoggedEvent, cursor, logged
from shared.db.event_rows import is_kind
from shared.db.recommendations import take_out
from shared.db.schema import event_log, products, purchases, recommendation_outcomes, recommendations

CREDIT = "credit"
REFUNDED = "refunded"
CREDIT_KINDS = ("purchase", "view_through")
"""Kinds of the credits that count, of which a line has one, while something of it is left."""
_LEFT = (*CREDIT_KINDS, CREDIT)
"""Kinds of the credits of all rules while something of them is left."""


RULE = func.coalesce(
    recommendation_outcomes.c.rule,
    case((recommendation_outcomes.c.kind == "view_through", VIEW_THROUGH), else_=LAST_TOUCH),
)
"""The rule of a credit; rows of releases before 0023 do not say it."""


@dataclass(frozen=True)
class NewOutcome:
    """An outcome to store; those from `purchase_id` on are for credits: amounts are minor units of `currency`.

    `share` is the part of the line that is credited, 0 to 1, and `margin` what is left of `amount` after the cost of
    the goods; None when that is unknown.
    """

    recommendation_id: int
    kind: str
    occurred_at: datetime
    event_sequence: int
    purchase_id: str | None = None
    touched_at: datetime | None = None
    amount: int | None = None
    currency: str | None = None
    rule: str | None = None
    share: float | None = None
    margin: int | None = None


@dataclass(frozen=True)
class StoredCredit:
    """A purchase line, or the `share` of one, credited to a recommendation under a rule.

    `amount` is what is left of it after refunds, and `margin` that less the cost of the goods; None when unknown.
    """

    outcome_id: int
    recommendation_id: int
    product_id: str
    algorithm: str
    kind: str
    purchase_id: str
    event_sequence: int
    touched_at: datetime
    amount: int | None
    currency: str | None
    rule: str = LAST_TOUCH
    share: float = 1.0
    margin: int | None = None


def add_outcomes(connection: Connection, rows: Sequence[NewOutcome]) -> None:
    """Store outcomes."""
    if rows:
        take_out(connection, {row.recommendation_id for row in rows})
        connection.execute(recommendation_outcomes.insert(), [_row(row) for row in rows])


def credits_of(connection: Connection, purchase_ids: Iterable[str]) -> list[StoredCredit]:
    """Return the credits that purchases (the platform's ids) have left, of all rules, in the order they were given."""
    return _credits_by_purchase(connection, purchase_ids, _LEFT)


def credited_ever(connection: Connection, purchase_ids: Iterable[str]) -> list[StoredCredit]:
    """Return the credits of purchases as `credits_of` does, and those that were refunded too."""
    return _credits_by_purchase(connection, purchase_ids, (*_LEFT, REFUNDED))


def _credits_by_purchase(
    connection: Connection, purchase_ids: Iterable[str], kinds: Sequence[str]
) -> list[StoredCredit]:
    outcomes = recommendation_outcomes.c
    query = _credits().where(outcomes.kind.in_(kinds))
    return [
        StoredCredit(*tuple(row))
        for some in batches(sorted(set(purchase_ids)))
        for row in connection.execute(query.where(outcomes.purchase_id.in_(some)))
    ]


def credits_for(connection: Connection, recommendation_ids: Iterable[int]) -> list[StoredCredit]:
    """Return the credits of recommendations, refunded ones too, in the order they were given."""
    outcomes = recommendation_outcomes.c
    query = _credits().where(outcomes.kind.in_((*_LEFT, REFUNDED)))
    return [
        StoredCredit(*tuple(row))
        for some in batches(sorted(set(recommendation_ids)))
        for row in connection.execute(query.where(outcomes.recommendation_id.in_(some)))
    ]


def change_credits(connection: Connection, changed: Sequence[StoredCredit]) -> None:
    """Store the kind, amount and margin of credits that refunds changed."""
    statement = (
        update(recommendation_outcomes)
        .where(recommendation_outcomes.c.id == bindparam("of"))
        .values(kind=bindparam("new_kind"), amount=bindparam("new_amount"), margin=bindparam("new_margin"))
    )
    rows = [
        {"of": each.outcome_id, "new_kind": each.kind, "new_amount": each.amount, "new_margin": each.margin}
        for each in changed
    ]
    if rows:
        connection.execute(statement, rows)


def carts_credited(connection: Connection, sequences: Iterable[int]) -> set[tuple[int, str]]:
    """Return for which products events of the log (numbers) were credited as put into the cart, by event and id."""
    outcomes = recommendation_outcomes.c
    query = (
        select(outcomes.event_sequence, products.c.external_id)
        .join(recommendations, recommendations.c.id == outcomes.recommendation_id)
        .join(products, products.c.product_id == recommendations.c.product_id)
        .where(outcomes.kind == "add_to_cart")
    )
    return {
        (row.event_sequence, row.external_id)
        for some in batches(sorted(set(sequences)))
        for row in connection.execute(query.where(outcomes.event_sequence.in_(some)))
    }


def purchased_among(connection: Connection, recommendation_ids: Iterable[int]) -> set[int]:
    """Return those of the recommendations that a purchase is credited to, refunded ones left out."""
    outcomes = recommendation_outcomes.c
    found: set[int] = set()
    for some in batches(sorted(set(recommendation_ids))):
        query = select(outcomes.recommendation_id).where(
            outcomes.recommendation_id.in_(some), outcomes.kind == "purchase"
        )
        found.update(connection.execute(query).scalars())
    return found


def purchase_payloads(connection: Connection, sequences: Iterable[int]) -> dict[int, bytes]:
    """Return the recorded events of these numbers, serialised; missing where a customer was erased."""
    found: dict[int, bytes] = {}
    for some in batches(sorted(set(sequences))):
        query = select(event_log.c.sequence, event_log.c.payload).where(event_log.c.sequence.in_(some))
        found.update({row.sequence: row.payload for row in connection.execute(query)})
    return found


def purchases_between(connection: Connection, customers: Iterable[int], after: int, until: int) -> list[LoggedEvent]:
    """Return the purchases by customers in the log, with numbers above `after` and up to `until`, in order."""
    log = event_log.c
    inside = (log.sequence > after, log.sequence <= until, is_kind("purchase"))
    found: list[LoggedEvent] = []
    for some in batches(sorted(set(customers))):
        found += map(logged, connection.execute(select(*LOGGED).where(log.customer_id.in_(some), *inside)))
    return sorted(found, key=lambda each: each.sequence)


def refunds_between(connection: Connection, after: int, until: int) -> list[LoggedEvent]:
    """Return the refunds in the log, of whatever order, with numbers above `after` and up to `until`, in order."""
    log = event_log.c
    inside = (log.sequence > after, log.sequence <= until, is_kind("refund"))
    return [*map(logged, connection.execute(select(*LOGGED).where(*inside).order_by(log.sequence)))]


def purchase_exists(connection: Connection, purchase_id: str) -> bool:
    """Say whether a purchase (the platform's id) is known, by the customer's history or by a credit for it."""
    bought = select(purchases.c.purchase_id).where(purchases.c.external_id == purchase_id).limit(1)
    outcomes = recommendation_outcomes.c
    credited = select(outcomes.id).where(outcomes.purchase_id == purchase_id).limit(1)
    return connection.execute(bought).first() is not None or connection.execute(credited).first() is not None


def purchase_recorded_by(connection: Connection, purchase_id: str) -> int | None:
    """Return the number of the first event of a purchase (the platform's id) that is in a customer's history.

    None for a purchase that is in nobody's history, or not yet.
    """
    log = event_log.c
    made = and_(
        log.customer_id == purchases.c.customer_id,
        log.occurred_at == purchases.c.timestamp,
        is_kind("purchase"),
    )
    query = (
        select(log.sequence, log.payload)
        .select_from(purchases)
        .join(event_log, made)
        .where(purchases.c.external_id == purchase_id)
        .order_by(log.sequence)
    )
    rows = connection.execute(query)
    return next((row.sequence for row in rows if _purchase_id(row.payload) == purchase_id), None)


def purchases_to_come(connection: Connection, until: int) -> dict[str, int]:
    """Return the purchases (the platform's ids) that are in the log up to `until`, but in no history yet.

    With each comes the number of the first event that records it.
    """
    log = event_log.c
    # Ask this before `purchase_recorded_by`: what is projected in between is then found twice instead of never.
    position = cursor(connection, CUSTOMER_CONSUMER)
    query = select(log.sequence, log.payload).where(log.sequence > position, log.sequence <= until, is_kind("purchase"))
    first: dict[str, int] = {}
    for row in connection.execute(query.order_by(log.sequence)):
        first.setdefault(_purchase_id(row.payload), row.sequence)
    return first


def _credits() -> Select[Any]:
    outcomes = recommendation_outcomes.c
    return (
        select(
            outcomes.id,
            outcomes.recommendation_id,
            products.c.external_id,
            recommendations.c.algorithm,
            outcomes.kind,
            outcomes.purchase_id,
            outcomes.event_sequence,
            outcomes.touched_at,
            outcomes.amount,
            outcomes.currency,
            RULE,
            func.coalesce(outcomes.share, 1.0),
            outcomes.margin,
        )
        .join(recommendations, recommendations.c.id == outcomes.recommendation_id)
        .join(products, products.c.product_id == recommendations.c.product_id)
        .order_by(outcomes.id)
    )


def _purchase_id(payload: bytes) -> str:
    return str(Event.FromString(payload).purchase.purchase_id)


def _row(row: NewOutcome) -> dict[str, object]:
    return {
        "recommendation_id": row.recommendation_id,
        "kind": row.kind,
        "occurred_at": row.occurred_at,
        "event_sequence": row.event_sequence,
        "purchase_id": row.purchase_id,
        "touched_at": row.touched_at,
        "amount": row.amount,
        "currency": row.currency,
        "rule": row.rule,
        "share": row.share,
        "margin": row.margin,
    }
