"""Lists of recommendations as they were shown, to be looked at again."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select

from shared.db.schema import recommendation_lists

RANKED = "rank_products"
"""Strategy under which lists are logged that the platform brought and had ordered: no page of their own."""


class RecordedList(NamedTuple):
    """A list; `packed_items` as `shared.db.recommendation_items` packs them, `placement_id` None for the page's own."""

    customer_key: int | None
    page_type: str
    placement_id: str | None
    generated_at: datetime
    packed_items: bytes


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
