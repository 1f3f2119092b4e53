"""Make what customers did anew from the event log, beside serving: some customers at a time, each in a transaction.

Everything that the projection writes belongs to one customer, so the rows of a customer can be replaced by what the log
gives, at once and by itself: who reads sees the old rows or the new ones. The projection waits meanwhile, with all
partitions equally far, and later events are applied afterwards as ever.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, select

from shared.db import event_log as log
from shared.db import metric_marks
from shared.db.batches import among
from shared.db.engine import Database
from shared.db.event_faults import is_of_event, reason_of
from shared.db.event_log import LoggedEvent
from shared.db.event_rows import PURCHASE, REFUND
from shared.db.identified_events import Recorded, decode
from shared.db.log_consumer import LogConsumer
from shared.db.log_pieces import OrderRefunds, events_of, numbered, require_whole
from shared.db.projection import project
from shared.db.schema import (
    browsing_history,
    cart_items,
    customers,
    event_log,
    failed_events,
    page_events,
    purchase_items,
    purchases,
    session_facts,
    sessions,
)
from shared.db.slices import in_slices
from shared.errors import FailedPrecondition

CONSUMER = log.CUSTOMER_CONSUMER
OF_CUSTOMERS = (purchases, cart_items, browsing_history, page_events, sessions, session_facts)
"""What the projection writes of a customer, beside the lines of purchases; and the facts of sessions, made of it."""


def rebuild_customers(database: Database) -> Iterator[tuple[int, int]]:
    """Replace what customers did by what the log gives, and yield how many customers are done, and of how many.

    Raises
    ------
    FailedPrecondition
        If events were deleted for their age, for what they said would be lost; or if an event cannot be applied: then
        its customers keep their rows, and so do those that follow.
    """
    refunds = OrderRefunds()
    with database.read() as connection:
        require_whole(connection)
        refunds.read_on(connection, log.cursor(connection, CONSUMER))
        keys = list(connection.execute(_OWNERS).scalars())

    def make_anew(some: Sequence[int]) -> None:
        with database.write() as connection:
            lock_projection(database, connection)
            require_whole(connection)
            rebuild_some(connection, some, refunds)

    for done in in_slices(keys, make_anew):
        yield done, len(keys)


def lock_projection(database: Database, connection: Connection) -> None:
    """Have nobody project until the transaction ends, with all partitions of the customers equally far."""
    LogConsumer(database, CONSUMER, _project).lock_level(connection)


def rebuild_some(
    connection: Connection, keys: Sequence[int], refunds: OrderRefunds, *, with_set_aside: bool = True
) -> None:
    """Replace what some customers did by what the log gives, within a transaction that called `lock_projection`.

    `with_set_aside` applies the events too that could not be applied before. Raises FailedPrecondition if an event
    cannot be applied.
    """
    position = log.lock_cursor(connection, CONSUMER)
    events = _events(connection, keys, refunds, position)
    if not with_set_aside:
        aside = _set_aside(connection, events)
        events = [each for each in events if each.sequence not in aside]
    _empty(connection, keys)
    for each in events:
        # Who a visitor is was settled when the event was applied first; the row has the owner.
        each.event.visitor_id = ""
    try:
        project(connection, events)
    except Exception as error:
        if not is_of_event(error):
            raise
        raise FailedPrecondition(f"an event could not be applied: {reason_of(error)}") from error
    applied = among(connection, failed_events.c.sequence, [each.sequence for each in events])
    connection.execute(failed_events.delete().where(failed_events.c.consumer == CONSUMER, applied))
    metric_marks.mark(connection, metric_marks.CUSTOMERS, keys)


def _project(connection: Connection, events: Sequence[LoggedEvent]) -> None:
    project(connection, decode(events))


def _events(connection: Connection, keys: Sequence[int], refunds: OrderRefunds, position: int) -> list[Recorded]:
    """Return all that customers did, and the refunds of their orders, whoever reported them."""
    theirs = [each for each in events_of(connection, keys, position) if each.kind != REFUND]
    events = decode(theirs)
    bought = [each.event.purchase.purchase_id for each in events if each.kind == PURCHASE]
    given_back = decode(numbered(connection, refunds.of(connection, bought, position)))
    return sorted([*events, *given_back], key=lambda each: each.sequence)


def _set_aside(connection: Connection, events: Sequence[Recorded]) -> set[int]:
    columns = failed_events.c
    these = among(connection, columns.sequence, [each.sequence for each in events])
    return set(connection.execute(select(columns.sequence).where(columns.consumer == CONSUMER, these)).scalars())


def _empty(connection: Connection, keys: Sequence[int]) -> None:
    theirs = select(purchases.c.purchase_id).where(purchases.c.customer_id.in_(keys))
    connection.execute(purchase_items.delete().where(purchase_items.c.purchase_id.in_(theirs)))
    for table in OF_CUSTOMERS:
        connection.execute(table.delete().where(table.c.customer_id.in_(keys)))
    connection.execute(customers.update().where(customers.c.customer_id.in_(keys)).values(last_active=None))


_OWNERS = (
    select(event_log.c.customer_id)
    .where(event_log.c.customer_id.is_not(None))
    .distinct()
    .order_by(event_log.c.customer_id)
)
