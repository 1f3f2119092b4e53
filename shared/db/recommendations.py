"""The log of recommendations: what was recommended to whom, and how it was met.

The recommendation agent appends lists, one row for each, with the items packed: few of them are ever responded to. The
feedback agent marks recommendations; the first mark takes a recommendation out of its list into a row of its own. A
mark is never wrong twice: marking again changes nothing but the time of the latest touch.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    bindparam,
    case,
    literal,
    or_,
    select,
    update,
)

from shared.db import metric_marks
from shared.db.batches import batches
from shared.db.bulk import insert_rows
from shared.db.engine import insert_into, next_count
from shared.db.exposures import record_exposures
from shared.db.recommendation_items import ListItem, PackedItems, unpack
from shared.db.schema import customers, products, recommendation_lists, recommendation_outcomes, recommendations
from shared.db.types import to_micros
from shared.experiments.decision import Exposure, ListDecision
from shared.recommendation_tokens import POSITION_BITS, list_number, number_at

LARGEST_ID = 2**63 - 1
FEW_PRODUCTS = 50  # up to here a look-up by product is cheaper than all recommendations of the customer


class NewList(NamedTuple):
    """A list of recommendations to log. Keys are those of the tables.

    `number` is one that no other list has, see `RecommendationNumbers`; the position of an item in the list is in its
    own number (`number_at`). `customer_key` is None for a visitor nobody knows, `placement_id` empty for that of the
    page itself. Of the items, contributions are kept as float32 and reasons as JSON. `exposures` says which arms of
    experiments the list belongs to, `decision` what a bandit chose from and what was explored.
    """

    number: int
    request_id: str
    customer_key: int | None
    page_type: str
    generated_at: datetime
    items: PackedItems
    strategy: str = ""
    model_version: str = ""
    placement_id: str = ""
    exposures: Sequence[Exposure] = ()
    decision: ListDecision | None = None


@dataclass(frozen=True)
class LoggedRecommendation:
    """A recommendation of the log, with its product's id on the platform, present price and cost in minor units."""

    recommendation_id: int
    customer_key: int | None
    product_key: int
    product_id: str
    price: int | None
    currency: str | None
    cost: int | None
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


def list_of(recommendation: ColumnElement[int]) -> ColumnElement[int]:
    """Return the number of the list that a recommendation is in, as `list_number` does."""
    return recommendation.bitwise_rshift(literal(POSITION_BITS, Integer))


def new_writer(connection: Connection) -> int:
    """Return a number for a process that logs recommendations; each call returns another, from 1."""
    return next_count(connection, "recommendation_writers")


def log_recommendations(connection: Connection, lists: Iterable[NewList]) -> None:
    """Append lists of recommendations, and who met which arm of an experiment first by them."""
    new = list(lists)
    insert_rows(connection, recommendation_lists, _COLUMNS, [_list_row(each) for each in new])
    record_exposures(
        connection,
        [(exposure, each.customer_key, each.generated_at) for each in new for exposure in each.exposures],
    )
    metric_marks.mark(connection, metric_marks.LISTS, [each.number for each in new])


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
        products.c.cost,
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
    wanted = set(ids)
    for some in batches(sorted(wanted)):
        for row in connection.execute(query.where(columns.id.in_(some))):
            found[row.id] = LoggedRecommendation(*tuple(row))
    return found | _without_response(connection, wanted - found.keys())


def items_of(connection: Connection, ids: Iterable[int]) -> dict[int, ListItem]:
    """Return what lists say of recommendations, by id; missing where lists had no numbers yet, and for unknown ids."""
    return {key: item for key, (_, item) in _in_lists(connection, ids).items()}


def recommendations_of(connection: Connection, customer_key: int) -> Iterator[dict[str, Any]]:
    """Yield all that is logged of each recommendation made for a customer, as one row by column, in the order of lists.

    `id` is None for recommendations that had no number and that nobody responded to.
    """
    lists = recommendation_lists.c
    adopted = select(recommendations.c.list_id).where(recommendations.c.customer_id == customer_key)
    theirs = or_(lists.customer_id == customer_key, lists.id.in_(adopted))
    rows = connection.execute(select(recommendation_lists).where(theirs).order_by(lists.id))
    for some in batches(rows):
        kept = _marked(connection, [row.id for row in some])
        for row in some:
            for item in unpack(row.packed_items):
                marked = kept.get((row.id, item.product_key))
                if row.customer_id == customer_key or (marked is not None and marked.customer_id == customer_key):
                    yield _whole(row, item, marked) | {"customer_id": customer_key}


def take_out(connection: Connection, ids: Iterable[int]) -> None:
    """Give recommendations rows of their own where they have none yet, so that they can be marked and have outcomes."""
    columns = recommendations.c
    missing = set(ids)
    for some in batches(sorted(missing)):
        missing.difference_update(connection.execute(select(columns.id).where(columns.id.in_(some))).scalars())
    rows = [
        {
            "id": key,
            "customer_id": row.customer_id,
            "product_id": item.product_key,
            "algorithm": item.algorithm,
            "generated_at": row.generated_at,
            "list_id": row.id,
        }
        for key, (row, item) in sorted(_in_lists(connection, missing).items())
    ]
    if rows:
        connection.execute(insert_into(connection, recommendations).on_conflict_do_nothing(), rows)


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
        take_out(connection, customers)
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


def any_outcome(connection: Connection, since: datetime, until: datetime) -> bool:
    """Say whether anything came of any recommendation in a period: no, and fast, when old history is imported."""
    outcomes = recommendation_outcomes.c
    query = select(outcomes.id).where(outcomes.occurred_at.between(since, until)).limit(1)
    return connection.execute(query).first() is not None


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
    if not any_outcome(connection, since, until):
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
    "page_type",
    "strategy",
    "model_version",
    "generated_at",
    "by_algorithm",
    "packed_items",
    "placement_id",
    "assignments",
    "decision",
)
_MARKS = ("was_shown", "was_clicked", "was_added_to_cart", "was_purchased", "was_dismissed")
_TIMES = ("shown_at", "clicked_at")


def _list_row(new: NewList) -> tuple[Any, ...]:
    return (
        new.number,
        new.request_id,
        new.customer_key,
        new.page_type,
        new.strategy,
        new.model_version,
        to_micros(new.generated_at),
        new.items.algorithms,
        new.items.packed,
        new.placement_id or None,
        json.dumps({each.experiment_id: each.arm_id for each in new.exposures}) if new.exposures else None,
        None if new.decision is None else json.dumps(new.decision.as_json()),
    )


def _in_lists(connection: Connection, ids: Iterable[int]) -> dict[int, tuple[Row[Any], ListItem]]:
    """Return the rows of the lists that recommendations are in, and the items, by id; unknown ids are missing."""
    lists: dict[int, set[int]] = {}
    for key in ids:
        lists.setdefault(list_number(key), set()).add(key)
    found: dict[int, tuple[Row[Any], ListItem]] = {}
    for some in batches(sorted(lists)):
        query = select(recommendation_lists).where(recommendation_lists.c.id.in_(some))
        for row in connection.execute(query):
            for item in unpack(row.packed_items):
                if (key := number_at(row.id, item.position)) in lists[row.id]:
                    found[key] = (row, item)
    return found


def _without_response(connection: Connection, ids: Iterable[int]) -> dict[int, LoggedRecommendation]:
    """Return recommendations that are in their lists only."""
    found = _in_lists(connection, ids)
    columns = products.c
    facts = {}
    for some in batches(sorted({item.product_key for _, item in found.values()})):
        query = select(columns.product_id, columns.external_id, columns.price, columns.currency, columns.cost)
        facts.update({row.product_id: row[1:] for row in connection.execute(query.where(columns.product_id.in_(some)))})
    return {
        key: LoggedRecommendation(
            key,
            row.customer_id,
            item.product_key,
            *facts[item.product_key],
            item.algorithm,
            row.generated_at,
            was_shown=False,
            was_clicked=False,
            was_added_to_cart=False,
            was_purchased=False,
            was_dismissed=False,
            shown_at=None,
            clicked_at=None,
        )
        for key, (row, item) in found.items()
    }


def _marked(connection: Connection, lists: Sequence[int]) -> dict[tuple[int, int], Row[Any]]:
    """Return the recommendations with rows of their own in at most some hundred lists, by list and product."""
    query = select(recommendations).where(recommendations.c.list_id.in_(lists))
    return {(row.list_id, row.product_id): row for row in connection.execute(query)}


def _whole(row: Row[Any], item: ListItem, marked: Row[Any] | None) -> dict[str, Any]:
    """Return a recommendation as one row by column; `marked` is what came of it."""
    numbered = number_at(row.id, item.position) if row.id > 0 else None
    return {
        "id": numbered if marked is None else marked.id,
        "request_id": row.request_id,
        "customer_id": row.customer_id,
        "product_id": item.product_key,
        "position": item.position,
        "score": item.score,
        "algorithm": item.algorithm,
        "contributions": item.contributions,
        "reason": item.reason,
        "page_type": row.page_type,
        "strategy": row.strategy,
        "model_version": row.model_version,
        "generated_at": row.generated_at,
        **{name: marked is not None and marked._mapping[name] for name in _MARKS},
        **{name: None if marked is None else marked._mapping[name] for name in _TIMES},
    }


def _mark(connection: Connection, ids: Iterable[int], **flags: bool) -> None:
    wanted = set(ids)
    take_out(connection, wanted)
    for some in batches(sorted(wanted)):
        connection.execute(update(recommendations).where(recommendations.c.id.in_(some)).values(flags))


def _mark_times(connection: Connection, moments: Mapping[int, datetime], name: str, **flags: bool) -> None:
    column = recommendations.c[name]
    moment = bindparam("moment", type_=column.type)
    latest = case((or_(column.is_(None), column < moment), moment), else_=column)
    statement = update(recommendations).where(recommendations.c.id == bindparam("of")).values({name: latest, **flags})
    if moments:
        take_out(connection, moments)
        connection.execute(statement, [{"of": key, "moment": at} for key, at in sorted(moments.items())])
