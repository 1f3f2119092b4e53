"""Old recommendations go: soon those that nobody responded to, later the others with what came of them.

A display, a click and a dismissal are responses; every cart and purchase that is credited follows one of them. What a
shopper dismissed is never deleted, because it is never recommended to them again.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic, sleep

from sqlalchemy import ColumnElement, Connection, and_, exists, or_, select, tuple_

from shared.db.engine import Database
from shared.db.schema import recommendation_lists, recommendation_outcomes, recommendations
from shared.db.slices import REST_SECONDS, SliceSize
from shared.db.types import EPOCH


def drop_old_recommendations(database: Database, days: int, response_days: int) -> int:
    """Delete old lists of recommendations, in short transactions, and return how many lists there were.

    Parameters
    ----------
    days : int
        Age from which lists go that nobody responded to.
    response_days : int
        Age, and days since the last display and click of any of its recommendations, from which any list goes, unless
        one of them was dismissed; and with it the marks and outcomes.
    """
    now = datetime.now(UTC)
    unanswered, answered = now - timedelta(days=days), now - timedelta(days=response_days)
    columns = recommendations.c
    lately = or_(columns.shown_at >= answered, columns.clicked_at >= answered, columns.was_dismissed)
    return _drop(database, unanswered, ~_any()) + _drop(database, answered, ~_any(lately))


def _any(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(recommendations.c.list_id == recommendation_lists.c.id, *conditions)


def _drop(database: Database, before: datetime, droppable: ColumnElement[bool]) -> int:
    size, dropped = SliceSize(), 0
    last = (EPOCH, 0)
    while found := _next(database, last, before, droppable, size.rows):
        with database.write() as connection:
            began = monotonic()
            dropped += _delete(connection, [key for _, key in found], droppable)
        size.learn(len(found), monotonic() - began)
        last = found[-1]
        sleep(REST_SECONDS)
    return dropped


def _next(
    database: Database, last: tuple[datetime, int], before: datetime, droppable: ColumnElement[bool], limit: int
) -> list[tuple[datetime, int]]:
    """Return moment and number of the next lists to delete; looked for without the write lock, they may be many."""
    columns = recommendation_lists.c
    order = (columns.generated_at, columns.id)
    further = and_(columns.generated_at >= last[0], tuple_(*order) > last)
    query = select(*order).where(further, columns.generated_at < before, droppable).order_by(*order)
    with database.read() as connection:
        return [(at, key) for at, key in connection.execute(query.limit(limit))]


def _delete(connection: Connection, lists: Sequence[int], droppable: ColumnElement[bool]) -> int:
    """Delete those of the lists that still may be, with all that refers to them, and return how many they were."""
    these = recommendation_lists.c.id.in_(lists)
    # Nobody may respond meanwhile; what came in before the lock is seen by the next statement only.
    connection.execute(select(recommendation_lists.c.id).where(these).with_for_update())
    still = connection.execute(select(recommendation_lists.c.id).where(these, droppable)).scalars().all()
    of_lists = recommendations.c.list_id.in_(still)
    outcomes = recommendation_outcomes.c.recommendation_id.in_(select(recommendations.c.id).where(of_lists))
    connection.execute(recommendation_outcomes.delete().where(outcomes))
    connection.execute(recommendations.delete().where(of_lists))
    return connection.execute(recommendation_lists.delete().where(recommendation_lists.c.id.in_(still))).rowcount
