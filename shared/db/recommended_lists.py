"""Lists of recommendations as they were shown, to be looked at again."""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, or_, select, tuple_

from shared.db.recommendation_items import unpack
from shared.db.schema import recommendation_lists
from shared.experiments.decision import ListDecision

RANKED = "rank_products"
"""Strategy under which lists are logged that the platform brought and had ordered: no page of their own."""


class RecordedList(NamedTuple):
    """A list; `packed_items` as `shared.db.recommendation_items` packs them, `placement_id` None for the page's own."""

    customer_key: int | None
    page_type: str
    placement_id: str | None
    generated_at: datetime
    packed_items: bytes


class LoggedList(NamedTuple):
    """How a list came about.

    `placement_id` is empty for that of the page itself, `positions` are those of its items, `assignments` the arms of
    experiments that it belongs to, `decision` what a bandit chose, if one did.
    """

    number: int
    page_type: str
    placement_id: str
    strategy: str
    model_version: str
    generated_at: datetime
    positions: tuple[int, ...]
    assignments: Mapping[str, str]
    decision: ListDecision | None


class AnsweredList(NamedTuple):
    """A list of a placement, with how it was decided; the rest as in `RecordedList`."""

    number: int
    customer_key: int | None
    model_version: str
    generated_at: datetime
    packed_items: bytes
    assignments: Mapping[str, str]
    decision: ListDecision


class PlacementLists(NamedTuple):
    """Which lists: those of a placement, from `start` to `end` (exclusive).

    `page_type` is that of a built-in placement, whose lists name none; None for a stored one.
    """

    placement_id: str
    page_type: str | None
    start: datetime
    end: datetime


def of_placement(
    connection: Connection, wanted: PlacementLists, most: int, before: AnsweredList | None = None
) -> list[AnsweredList]:
    """Return the latest lists of a placement, newest first: those before the list `before`, where one is given.

    Lists that the platform brought are left out.
    """
    columns = recommendation_lists.c
    named = columns.placement_id == wanted.placement_id
    if wanted.page_type is not None:
        named = or_(named, and_(columns.placement_id.is_(None), columns.page_type == wanted.page_type))
    query = select(
        columns.id,
        columns.customer_id,
        columns.model_version,
        columns.generated_at,
        columns.packed_items,
        columns.assignments,
        columns.decision,
    ).where(named, columns.generated_at >= wanted.start, columns.generated_at < wanted.end, columns.strategy != RANKED)
    order = (columns.generated_at, columns.id)
    if before is not None:
        earlier = tuple_(*order) < (before.generated_at, before.number)
        query = query.where(and_(columns.generated_at <= before.generated_at, earlier))
    rows = connection.execute(query.order_by(*(each.desc() for each in order)).limit(most))
    return [AnsweredList(*row[:5], row.assignments or {}, ListDecision.of_json(row.decision or {})) for row in rows]


def read_list(connection: Connection, number: int) -> LoggedList | None:
    """Return the list with a number; None where it is not logged (any more)."""
    columns = recommendation_lists.c
    query = select(
        columns.id,
        columns.page_type,
        func.coalesce(columns.placement_id, ""),
        columns.strategy,
        columns.model_version,
        columns.generated_at,
        columns.packed_items,
        columns.assignments,
        columns.decision,
    ).where(columns.id == number)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    decision = ListDecision.of_json(row.decision or {})
    positions = tuple(item.position for item in unpack(row.packed_items))
    return LoggedList(*row[:6], positions, row.assignments or {}, decision if decision.variant_id else None)


def latest(connection: Connection, since: datetime, most: int) -> list[RecordedList]:
    """Return the latest lists from `since` on, newest first; without those that the platform brought."""
    columns = recommendation_lists.c
    query = (
        select(
            columns.customer_id,
            columns.page_type,
            columns.placement_id,
            columns.generated_at,
            columns.packed_items,
        )
        .where(columns.generated_at >= since, columns.strategy != RANKED)
        .order_by(columns.generated_at.desc(), columns.id)
        .limit(most)
    )
    return [RecordedList(*row) for row in connection.execute(query)]
