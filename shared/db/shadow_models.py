"""Shadow models: stored versions that answer a share of the requests again, behind the answer, and what came of it.

Which versions are shadows is written by the coordinator, what they answered by the recommendation agent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from shared.db.batches import among, batches
from shared.db.engine import replace_rows
from shared.db.schema import recommendation_lists, recommendations, shadow_lists, shadow_models

MOST_ANSWERED = 20_000
"""Lists with a response, the latest, that a report looks at."""


@dataclass(frozen=True)
class ShadowModel:
    """A version that is a shadow; `dropped` answers it did not come to."""

    version: str
    share: float
    since: datetime
    dropped: int = 0


@dataclass(frozen=True)
class ShadowList:
    """What a shadow would have shown in the place of a list.

    `overlap` is the share of the shown products that it has as well, `correlation` that of the ranks of what both have,
    None for fewer than two; `products` are keys, best first.
    """

    list_id: int
    version: str
    overlap: float
    correlation: float | None
    products: tuple[int, ...]


@dataclass(frozen=True)
class ShadowReport:
    """What came of a version: means over its lists, and of clicked and bought products how many it had as well."""

    version: str
    lists: int
    overlap: float
    correlation: float | None
    clicked: int
    clicked_too: int
    bought: int
    bought_too: int


def shadows(connection: Connection) -> list[ShadowModel]:
    """Return the versions that are shadows, by name."""
    return [ShadowModel(*row) for row in connection.execute(select(shadow_models).order_by(shadow_models.c.version))]


def mark(connection: Connection, version: str, share: float, now: datetime) -> ShadowModel:
    """Make a version the one shadow, with a share of the answers, and return it; `now` counts where it was none."""
    columns = shadow_models.c
    connection.execute(shadow_models.delete().where(columns.version != version))
    known = next(iter(shadows(connection)), None)
    shadow = ShadowModel(version, share, known.since if known else now, known.dropped if known else 0)
    replace_rows(connection, shadow_models, ["version"], [shadow.__dict__])
    return shadow


def unmark(connection: Connection, version: str) -> bool:
    """Let a version be no shadow any more and return whether it was one; what it answered stays."""
    return connection.execute(shadow_models.delete().where(shadow_models.c.version == version)).rowcount == 1


def add_lists(connection: Connection, lists: Sequence[ShadowList]) -> list[ShadowList]:
    """Store what shadows answered, and return those whose list is not logged (yet), which are not stored."""
    logged: set[int] = set()
    for some in batches([each.list_id for each in lists]):
        query = select(recommendation_lists.c.id).where(recommendation_lists.c.id.in_(some))
        logged |= set(connection.execute(query.with_for_update(read=True)).scalars())
    rows = [
        {
            "list_id": each.list_id,
            "version": each.version,
            "overlap": each.overlap,
            "correlation": each.correlation,
            "products": list(each.products),
        }
        for each in lists
        if each.list_id in logged
    ]
    replace_rows(connection, shadow_lists, ["list_id", "version"], rows)
    return [each for each in lists if each.list_id not in logged]


def add_dropped(connection: Connection, dropped: Mapping[str, int]) -> None:
    """Count answers that shadows did not come to, by version."""
    columns = shadow_models.c
    for version, count in sorted(dropped.items()):
        more = shadow_models.update().where(columns.version == version).values(dropped=columns.dropped + count)
        connection.execute(more)


def reports(connection: Connection) -> list[ShadowReport]:
    """Return what came of every version that answered as a shadow, by name."""
    columns = shadow_lists.c
    sums = select(columns.version, func.count(), func.avg(columns.overlap), func.avg(columns.correlation)).group_by(
        columns.version
    )
    found = []
    for version, lists, overlap, correlation in connection.execute(sums.order_by(columns.version)).all():
        hits = _hits(connection, version)
        mean = None if correlation is None else float(correlation)
        found.append(ShadowReport(version, int(lists), float(overlap), mean, *hits))
    return found


def _hits(connection: Connection, version: str) -> tuple[int, int, int, int]:
    """Return the clicked products, of them those that a version has as well, and the same of bought ones."""
    columns, response = shadow_lists.c, recommendations.c
    answered = (
        select(columns.list_id, columns.products)
        .where(columns.version == version)
        .where(select(response.id).where(response.list_id == columns.list_id).exists())
        .order_by(columns.list_id.desc())
        .limit(MOST_ANSWERED)
    )
    had = {key: frozenset(keys) for key, keys in connection.execute(answered)}
    totals = [0, 0, 0, 0]
    query = select(
        response.list_id,
        response.product_id,
        case((response.was_clicked, 1), else_=0),
        case((response.was_purchased, 1), else_=0),
    ).where(among(connection, response.list_id, had))
    for list_id, product, clicked, bought in connection.execute(query) if had else ():
        too = product in had[list_id]
        for place, happened in ((0, clicked), (2, bought)):
            totals[place] += happened
            totals[place + 1] += happened and too
    return totals[0], int(totals[1]), totals[2], int(totals[3])
