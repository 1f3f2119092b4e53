"""Pages of runs, newest first: the same order and the same place to go on from wherever there are runs."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, and_, or_, select

Place = tuple[datetime, str]
"""The start and the id of a run."""


def newest_first(
    table: Table,
    key: Column[Any],
    kinds: Collection[str],
    states: Collection[str],
    after: Place | None,
    limit: int,
) -> Select[Any]:
    """Return the query of runs of a table, newest first, `after` one; of all kinds or states where none is given.

    The table has the columns `kind`, `state` and `started_at`; `key` is that of the id, by which runs of one moment are
    ordered.
    """
    columns = table.c
    filters = ((columns.kind, kinds), (columns.state, states))
    conditions: list[ColumnElement[bool]] = [column.in_(wanted) for column, wanted in filters if wanted]
    if after is not None:
        started_at, name = after
        same = and_(columns.started_at == started_at, key > name)
        conditions.append(or_(columns.started_at < started_at, same))
    return select(table).where(*conditions).order_by(columns.started_at.desc(), key).limit(limit)
