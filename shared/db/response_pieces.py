"""What the feedback agent's projection is made anew from: who was recommended what, and what of it is stored."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import NamedTuple

from sqlalchemy import Connection, exists, or_, select, update

from shared.db import event_log as log
from shared.db import metric_marks
from shared.db.batches import among, batches
from shared.db.event_log import FEEDBACK_CONSUMER
from shared.db.schema import (
    event_log,
    failed_events,
    merged_visitors,
    recommendation_lists,
    recommendation_outcomes,
    recommendations,
    waiting_responses,
)
from shared.errors import FailedPrecondition
from shared.recommendation_tokens import list_number

_NOT_MARKED = {
    "was_shown": False,
    "was_clicked": False,
    "was_added_to_cart": False,
    "was_purchased": False,
    "was_dismissed": False,
    "shown_at": None,
    "clicked_at": None,
}


class Responded(NamedTuple):
    """A recommendation that somebody responded to: for whom it was made, whose it is; None for nobody known."""

    number: int
    made_for: int | None
    owner: int | None


def require_whole(connection: Connection) -> None:
    """Raise FailedPrecondition when outcomes are stored of events that were deleted for their age."""
    trimmed = log.trimmed(connection)
    older = select(recommendation_outcomes.c.id).where(recommendation_outcomes.c.event_sequence <= trimmed).limit(1)
    if trimmed and connection.execute(older).first() is not None:
        raise FailedPrecondition(
            f"events up to number {trimmed} were deleted for their age: what came of recommendations then cannot be "
            "made anew"
        )


def responded_after(connection: Connection, number: int, limit: int) -> list[Responded]:
    """Return up to `limit` recommendations with a response and with numbers above one, ascending."""
    columns = recommendations.c
    query = (
        select(columns.id, recommendation_lists.c.customer_id, columns.customer_id)
        .join(recommendation_lists, recommendation_lists.c.id == columns.list_id)
        .where(columns.id > number)
        .order_by(columns.id)
        .limit(limit)
    )
    return [Responded(*row) for row in connection.execute(query)]


def any_without_event(connection: Connection) -> bool:
    """Say whether anything came of recommendations by an event that was deleted, though not for its age."""
    outcomes = recommendation_outcomes.c
    recorded = exists().where(event_log.c.sequence == outcomes.event_sequence)
    query = select(outcomes.id).where(outcomes.event_sequence > log.trimmed(connection), ~recorded).limit(1)
    return connection.execute(query).first() is not None


def made_for(connection: Connection, numbers: Iterable[int]) -> dict[int, int | None]:
    """Return for whom recommendations were made, None for nobody known; those that are not stored are missing."""
    lists, by_list = recommendation_lists.c, defaultdict[int, list[int]](list)
    for number in set(numbers):
        by_list[list_number(number)].append(number)
    found: dict[int, int | None] = {}
    for some in batches(sorted(by_list)):
        for row in connection.execute(select(lists.id, lists.customer_id).where(lists.id.in_(some))):
            found |= dict.fromkeys(by_list.pop(row.id), row.customer_id)
    # Lists of the first releases have numbers that those of their recommendations do not tell.
    columns = recommendations.c
    rows = select(columns.id, lists.customer_id).join(recommendation_lists, lists.id == columns.list_id)
    for some in batches(sorted(number for left in by_list.values() for number in left)):
        found |= {row.id: row.customer_id for row in connection.execute(rows.where(columns.id.in_(some)))}
    return found


def merged_into(connection: Connection, keys: Collection[int]) -> set[int]:
    """Return the customers that visitors among the keys have become."""
    columns = merged_visitors.c
    query = select(columns.customer_id).where(among(connection, columns.visitor_key, keys))
    return set(connection.execute(query).scalars())


def forget_responses(connection: Connection, owners: Collection[int], numbers: Collection[int]) -> list[int]:
    """Forget what came of the recommendations of some customers, and of those with some numbers; return the numbers.

    They are again whose they were when they were made.
    """
    columns, lists = recommendations.c, recommendation_lists.c
    theirs = or_(among(connection, columns.customer_id, owners), among(connection, columns.id, numbers))
    rows = connection.execute(select(columns.id, columns.list_id).where(theirs).with_for_update()).all()
    found = [row.id for row in rows]
    metric_marks.mark(connection, metric_marks.LISTS, [row.list_id for row in rows])
    of_them = among(connection, recommendation_outcomes.c.recommendation_id, found)
    connection.execute(recommendation_outcomes.delete().where(of_them))
    first_owner = select(lists.customer_id).where(lists.id == columns.list_id).scalar_subquery()
    forgotten = update(recommendations).where(among(connection, columns.id, found))
    connection.execute(forgotten.values(**_NOT_MARKED, customer_id=first_owner))
    return found


def drop_unanswered(connection: Connection, numbers: Collection[int]) -> None:
    """Delete the rows of those recommendations that nothing came of: they are in their lists.

    Those of lists without numbers stay, because nothing else knows their numbers.
    """
    columns = recommendations.c
    answered = exists().where(recommendation_outcomes.c.recommendation_id == columns.id)
    connection.execute(
        recommendations.delete().where(among(connection, columns.id, numbers), columns.list_id > 0, ~answered)
    )


def set_aside(connection: Connection, after: int, up_to: int) -> set[int]:
    """Return the numbers above one and up to another of the events that could not be applied."""
    columns = failed_events.c
    these = (columns.consumer == FEEDBACK_CONSUMER, columns.sequence > after, columns.sequence <= up_to)
    return set(connection.execute(select(columns.sequence).where(*these)).scalars())


def wait_no_more(connection: Connection, sequences: Collection[int]) -> None:
    """Forget that events wait for their recommendations."""
    waiting = waiting_responses.c.event_sequence
    connection.execute(waiting_responses.delete().where(among(connection, waiting, sequences)))
