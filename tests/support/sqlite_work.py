"""How much work SQLite does, as a count that does not depend on the machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event

from shared.db.engine import Database

EVERY = 10
"""Instructions of SQLite's virtual machine between two counts."""


@dataclass
class Work:
    """Instructions of SQLite's virtual machine, in tens."""

    tens: int = 0

    def count(self) -> int:
        """Count ten more; 0 lets SQLite go on."""
        self.tens += 1
        return 0


@contextmanager
def counted_work(database: Database) -> Iterator[Work]:
    """Count what statements on `database` do, in connections that are taken from its pool meanwhile."""
    work = Work()

    def checkout(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(work.count, EVERY)

    def checkin(connection: Any, *_: Any) -> None:
        if connection is not None:
            connection.set_progress_handler(None, EVERY)

    event.listen(database.engine, "checkout", checkout)
    event.listen(database.engine, "checkin", checkin)
    try:
        yield work
    finally:
        event.remove(database.engine, "checkout", checkout)
        event.remove(database.engine, "checkin", checkin)
