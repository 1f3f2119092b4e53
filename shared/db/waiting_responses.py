"""Responses to recommendations that are not written yet: kept until the recommendation comes, for a bounded time."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, and_, exists, or_, select

from shared.db.batches import batches
from shared.db.engine import insert_into
from shared.db.event_log import LOGGED, LoggedEvent, logged
from shared.db.recommendations import list_of
from shared.db.schema import event_log, recommendation_lists, recommendations, waiting_responses

Waiting = tuple[int, int]
"""Number of the recommendation, number of the event in the log."""


def keep_waiting(connection: Connection, waiting: Iterable[Waiting], since: datetime) -> None:
    """Keep responses until their recommendations are written. Safe to repeat."""
    rows = [{"recommendation_id": key, "event_sequence": number, "since": since} for key, number in waiting]
    if rows:
        connection.execute(insert_into(connection, waiting_responses).on_conflict_do_nothing(), rows)


def take_ready(connection: Connection, limit: int) -> list[tuple[int, LoggedEvent]]:
    """Remove up to `limit` responses whose recommendations are written, and return them, oldest event first."""
    log, waiting = event_log.c, waiting_responses.c
    in_list = recommendation_lists.c.id == list_of(waiting.recommendation_id)
    written = or_(exists().where(recommendations.c.id == waiting.recommendation_id), exists().where(in_list))
    query = (
        select(waiting.recommendation_id, *LOGGED)
        .join(event_log, log.sequence == waiting.event_sequence)
        .where(written)
        .order_by(log.sequence, waiting.recommendation_id)
        .limit(limit)
    )
    ready = [(row[0], logged(row[1:])) for row in connection.execute(query)]
    for some in batches([(key, event.sequence) for key, event in ready]):
        these = [and_(waiting.recommendation_id == key, waiting.event_sequence == number) for key, number in some]
        connection.execute(waiting_responses.delete().where(or_(*these)))
    return ready


def any_waiting(connection: Connection) -> bool:
    """Return whether any response waits."""
    return connection.execute(select(waiting_responses.c.event_sequence).limit(1)).first() is not None


def drop_waiting(connection: Connection, before: datetime) -> int:
    """Remove the responses that have waited since before a moment and return how many they were."""
    return connection.execute(waiting_responses.delete().where(waiting_responses.c.since < before)).rowcount
