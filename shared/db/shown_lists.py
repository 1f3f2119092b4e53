"""Lists that shoppers saw, item by item, with what came of each: what rerankers learn from beside what customers did.

A list is here if at least one of its items was on screen, and if its shopper permits `train`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, exists, select, tuple_

from shared.consent import ALL_PERMITTED, Permissions
from shared.db import consents
from shared.db.batches import MAX_PARAMETERS
from shared.db.graded_clicks import BEST_GRADE, UNKNOWN_GRADE
from shared.db.recommendation_items import ListItem, unpack
from shared.db.recommended_lists import RANKED
from shared.db.schema import recommendation_lists, recommendation_outcomes, recommendations

MOST_LISTS = 50_000
"""Lists that are learned from by default, at most."""
MOST_DAYS = 90
"""Age in days of the oldest of them."""


class ShownLimits(NamedTuple):
    """Which shown lists are learned from: `most`, the latest, none older than `days`."""

    most: int = MOST_LISTS
    days: int = MOST_DAYS


DEFAULT_LIMITS = ShownLimits()


class ShownItem(NamedTuple):
    """An item of a list at `position` (from 1), and what came of it.

    `propensity` is the probability that it was at its place, given what was known: 1.0 for deterministic places. An
    item that nobody marked was not on screen, as far as is known. `click_grade`, 0 to 1, says how much the best click
    on it is worth by what the shopper did afterwards (`shared.db.graded_clicks`).
    """

    product_key: int
    position: int
    propensity: float = 1.0
    was_shown: bool = False
    was_clicked: bool = False
    was_added_to_cart: bool = False
    was_purchased: bool = False
    was_dismissed: bool = False
    click_grade: float = UNKNOWN_GRADE


@dataclass(frozen=True, slots=True)
class ShownList:
    """A list with at least one item that was on screen. `placement_id` is empty for that of the page itself."""

    list_id: int
    customer_key: int
    page_type: str
    placement_id: str
    strategy: str
    model_version: str
    generated_at: datetime
    items: tuple[ShownItem, ...]


def shown_lists(
    connection: Connection,
    since: datetime,
    most: int,
    default: Permissions = ALL_PERMITTED,
    *,
    batch: int = MAX_PARAMETERS,
) -> Iterator[list[ShownList]]:
    """Yield the latest lists that shoppers saw, newest first, in batches.

    Lists of visitors whom nobody knows are left out, since nothing can be learned of them, and so are lists that the
    platform brought and had ordered.

    Parameters
    ----------
    since : datetime
        Lists that were made earlier are left out.
    most : int
        Lists in all, at most.
    default : Permissions
        Whether it is learned from shoppers who said nothing.
    batch : int
        Lists that are in memory at once, at most `MAX_PARAMETERS`.
    """
    before: tuple[datetime, int] | None = None
    while most > 0 and (rows := _rows(connection, since, before, min(most, batch), default)):
        marked = _marked(connection, [row.id for row in rows])
        yield [_shown_list(row, marked) for row in rows]
        before = (rows[-1].generated_at, rows[-1].id)
        most -= len(rows)


def _rows(
    connection: Connection, since: datetime, before: tuple[datetime, int] | None, most: int, default: Permissions
) -> Sequence[Any]:
    """Return the next lists, newest first, from before a moment and number."""
    columns = recommendation_lists.c
    order = (columns.generated_at, columns.id)
    query = select(
        columns.id,
        columns.customer_id,
        columns.page_type,
        columns.placement_id,
        columns.strategy,
        columns.model_version,
        columns.generated_at,
        columns.packed_items,
    ).where(
        columns.generated_at >= since,
        columns.strategy != RANKED,
        columns.customer_id.is_not(None),
        consents.trains(columns.customer_id, default),
        exists().where(recommendations.c.list_id == columns.id, recommendations.c.was_shown),
    )
    if before is not None:
        query = query.where(and_(columns.generated_at <= before[0], tuple_(*order) < before))
    rows: Sequence[Any] = connection.execute(query.order_by(*(each.desc() for each in order)).limit(most)).all()
    return rows


def _marked(connection: Connection, lists: Sequence[int]) -> dict[tuple[int, int], Any]:
    """Return the marks of the items that somebody responded to and the grades of clicks, by list and product."""
    columns = recommendations.c
    best = (
        select(BEST_GRADE)
        .where(recommendation_outcomes.c.recommendation_id == columns.id, recommendation_outcomes.c.kind == "click")
        .scalar_subquery()
    )
    query = select(
        columns.list_id,
        columns.product_id,
        columns.was_shown,
        columns.was_clicked,
        columns.was_added_to_cart,
        columns.was_purchased,
        columns.was_dismissed,
        best,
    ).where(columns.list_id.in_(lists))
    return {(row.list_id, row.product_id): row for row in connection.execute(query)}


def _shown_list(row: Any, marked: dict[tuple[int, int], Any]) -> ShownList:
    items = tuple(_shown_item(item, marked.get((row.id, item.product_key))) for item in unpack(row.packed_items))
    return ShownList(
        row.id,
        row.customer_id,
        row.page_type,
        row.placement_id or "",
        row.strategy,
        row.model_version,
        row.generated_at,
        items,
    )


def _shown_item(item: ListItem, marked: Any) -> ShownItem:
    if marked is None:
        return ShownItem(item.product_key, item.position, item.propensity)
    *marks, grade = marked[2:]
    found = ShownItem(item.product_key, item.position, item.propensity, *map(bool, marks))
    return found if grade is None else found._replace(click_grade=float(grade))
