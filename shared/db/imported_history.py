"""What the feedback agent need not look at: events from before the first recommendation."""

from sqlalchemy import exists, select

from shared.db import event_log
from shared.db.engine import Connection
from shared.db.identified_events import FEEDBACK
from shared.db.schema import event_log as log_table
from shared.db.schema import recommendation_lists, recommendations


def pass_history(connection: Connection, up_to: int) -> bool:
    """Move the feedback agent's cursor to the number `up_to` of the log, and return whether that was right to do.

    While nothing was ever recommended, no event can be a response. The agent would step through imported years of them,
    and new events would wait behind. Events that are feedback itself are left to the agent.
    """
    position = event_log.lock_cursor(connection, event_log.FEEDBACK_CONSUMER)
    of_feedback = select(log_table.c.sequence).where(log_table.c.sequence > position, log_table.c.kind == FEEDBACK)
    recommended = (select(table.c.id) for table in (recommendation_lists, recommendations))
    if up_to <= position or any(connection.scalar(select(exists(each))) for each in (*recommended, of_feedback)):
        return False
    event_log.move_cursor(connection, event_log.FEEDBACK_CONSUMER, up_to)
    return True
