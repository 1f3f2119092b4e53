"""Project the event log as the customer agent does, for tests that need no agent."""

from collections.abc import Sequence

from shared.db.engine import Connection, Database
from shared.db.event_log import LoggedEvent
from shared.db.log_consumer import LogConsumer
from shared.db.projection import decode, project


def apply_all(database: Database) -> None:
    """Project all that is in the log and was not projected yet."""
    LogConsumer(database, "customer", _project).apply()


def _project(connection: Connection, logged: Sequence[LoggedEvent]) -> None:
    project(connection, decode(logged))
